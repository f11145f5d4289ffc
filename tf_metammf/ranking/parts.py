"""The parts a full ranking reports: all items, warm items, cold items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import ALL, COLD, COLD_ONLY, WARM
from tf_metammf.ranking.pairs import RankingPairs


@dataclass(frozen=True)
class RankingPart:
    """Which items are relevant in one part of the metrics, and for whom.

    Attributes:
        name: One of :data:`tf_metammf.ranking.metric_names.PARTS`.
        is_item: bool ``[items]``: whether the item belongs to the part.
        relevant: int64 ``[rows]``: positives of each ranked user that belong to the part.
    """

    name: str
    is_item: NDArray[np.bool_]
    relevant: NDArray[np.int64]

    @property
    def users(self) -> int:
        """Users with at least one relevant item."""
        return int(np.count_nonzero(self.relevant))

    @property
    def interactions(self) -> int:
        """Relevant items of all users together."""
        return int(self.relevant.sum())

    @property
    def counts(self) -> dict[str, int]:
        """Users with a relevant item, items of the part, and interactions to be found."""
        return {
            "users": self.users,
            "items": int(np.count_nonzero(self.is_item)),
            "interactions": self.interactions,
        }


def ranking_parts(pairs: RankingPairs, *, items: int, warm_items: ArrayLike | None) -> tuple[RankingPart, ...]:
    """All items and, where it is known which items are warm, the parts by kind of item.

    Args:
        pairs: The pairs of the split.
        items: Number of items.
        warm_items: bool ``[items]``, or None.

    Returns:
        The parts, all items first; also those without users.

    Raises:
        InvalidInputError: ``warm_items`` is not bool ``[items]``.
    """
    kinds = {ALL: np.ones(items, np.bool_)}
    if warm_items is not None:
        is_warm = np.asarray(warm_items)
        if is_warm.dtype != np.bool_ or is_warm.shape != (items,):
            raise InvalidInputError(
                f"warm items: found {is_warm.dtype} of shape {is_warm.shape}, expected bool of shape ({items},). "
                "Give one truth value per item of the record set."
            )
        kinds |= {WARM: is_warm, COLD: ~is_warm, COLD_ONLY: ~is_warm}
    return tuple(RankingPart(name, is_item, _relevant(pairs, is_item)) for name, is_item in kinds.items())


def _relevant(pairs: RankingPairs, is_item: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = pairs.positives.rows[is_item[pairs.positives.items]]
    return np.bincount(rows, minlength=len(pairs.users))
