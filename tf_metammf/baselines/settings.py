"""Settings of the baselines, which are counted and not trained; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.parts.parts import Searched


@dataclass
class PopularitySettings(EncoderSettings):
    """Settings of the ranking by popularity, which is not trained."""

    name: Literal["popularity"] = "popularity"

    trained = False
    needs_objective = False
    counts_over_batches = True


@dataclass
class ItemKNNSettings(EncoderSettings):
    """Settings of nearest neighbours between items, which are counted and not trained.

    Attributes:
        neighbours: Most similar items of each item.
        similarity: What items are compared by: interactions or content.
        shrinkage: Makes items with few interactions less similar (by interactions only).
    """

    name: Literal["item_knn"] = "item_knn"
    neighbours: int = 10
    similarity: Literal["interactions", "content"] = "interactions"
    shrinkage: float = 0.0

    trained = False
    needs_objective = False
    counts_over_batches = True
    searched: ClassVar[Searched] = {"neighbours": {"choice": [5, 10, 20, 50, 100]}, "shrinkage": {"range": [0.0, 50.0]}}

    @property
    def uses_features(self) -> bool:
        """Whether items are compared by content."""
        return self.similarity == "content"

    @property
    def searched_fields(self) -> Searched:
        """Shrinkage only where it changes something."""
        return {name: values for name, values in self.searched.items() if name != "shrinkage" or not self.uses_features}
