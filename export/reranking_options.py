"""Settings of the re-ranking inside an export."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name

SIMILARITIES = ("content", "vectors")
"""What makes two items similar: their features, or their vectors in the model."""


@dataclass(frozen=True)
class RerankingOptions:
    """How the best items are ordered once more, see :class:`tf_metammf.export.reranking.Reranking`.

    Attributes:
        diversity: Weight of being unlike the items before, from 0 to 1. Defaults to 0.
        popularity_discount: Weight of being unpopular, at least 0. Defaults to 0.
        candidates: How many of the best items are ordered, at least 1. Defaults to 100.
        similarity: One of :data:`SIMILARITIES`. Defaults to ``"content"``.
        content: Unit vectors of the content of every item, float32 ``[items, F]``, as
            :func:`tf_metammf.features.content_directions.content_directions` gives them. What is exported with a record
            set has them from there.

    Raises:
        InvalidInputError: A value is outside its range.
    """

    diversity: float = 0.0
    popularity_discount: float = 0.0
    candidates: int = 100
    similarity: str = "content"
    content: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.diversity <= 1:
            raise InvalidInputError(
                f"reranking: diversity is {self.diversity}, expected 0 (by score alone) to 1 (by diversity alone), "
                "such as 0.3."
            )
        if not (self.popularity_discount >= 0 and math.isfinite(self.popularity_discount)):
            raise InvalidInputError(
                f"reranking: popularity_discount is {self.popularity_discount}, expected a number of at least 0, such "
                "as 0.1."
            )
        if self.candidates < 1:
            raise InvalidInputError(f"reranking: candidates is {self.candidates}, expected at least 1.")
        if self.similarity not in SIMILARITIES:
            raise unknown_name("similarity of a re-ranking", self.similarity, SIMILARITIES)

    @property
    def changes_order(self) -> bool:
        """Whether anything is ordered differently than by score."""
        return self.diversity > 0 or self.popularity_discount > 0

    @property
    def needs_content(self) -> bool:
        """Whether the content of the items is needed."""
        return self.diversity > 0 and self.similarity == "content"

    def require_places(self, k: int) -> None:
        """Sees that there is something to choose from.

        Args:
            k: Places of ``serving_default``.

        Raises:
            InvalidInputError: There are fewer candidates than places, or content is needed and missing.
        """
        if self.needs_content and self.content is None:
            raise InvalidInputError(
                "reranking: similarity is content, and there are no features of the items, or too many to hold. Use "
                "vectors."
            )
        if self.changes_order and self.candidates < k:
            raise InvalidInputError(
                f"reranking: candidates is {self.candidates}, fewer than the {k} places of serving_default. Give at "
                f"least {k}, better several times as many."
            )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, for the report of an export."""
        return {name: getattr(self, name) for name in ("diversity", "popularity_discount", "candidates", "similarity")}
