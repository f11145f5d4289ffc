"""The weight of an interaction that stands for several of the same user and item."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions

WEIGHTS_OF_REPEATS = ("first", "largest", "last", "sum")


def weights_of_repeats(
    interactions: Interactions,
    kept: NDArray[np.int64],
    rule: str,
    *,
    split_of: NDArray[np.integer] | None = None,
) -> NDArray[np.float32] | None:
    """Weights of the interactions that are kept, each of its user with its item alone.

    Args:
        interactions: All interactions, in the order of their rows.
        kept: Rows that are kept, ascending, one of every pair of user and item.
        rule: One of :data:`WEIGHTS_OF_REPEATS`: the weight of the kept row itself, the largest of the pair, that of
            the latest (without timestamps the last row), or the sum.
        split_of: The split of every interaction, where the source has splits; rows in other splits than the kept one
            do not count, so that nothing of them reaches training.

    Returns:
        float32 ``[kept]``; None without weights.

    Raises:
        InvalidInputError: A sum is beyond float32.
    """
    if interactions.weight is None or rule == "first":
        return None if interactions.weight is None else interactions.weight[kept]
    key = interactions.user * (int(interactions.item.max(initial=0)) + 1) + interactions.item
    if split_of is not None:
        key = key * (int(split_of.max(initial=0)) + 1) + split_of
    distinct, group = np.unique(key, return_inverse=True)
    weight = interactions.weight
    if rule == "sum":
        # Added up row after row in 64 bits, so that the sum does not depend on what else there is.
        with np.errstate(over="ignore"):
            found = np.bincount(group, weights=weight, minlength=len(distinct)).astype(np.float32)
        if not np.isfinite(found).all():
            raise InvalidInputError(
                "the weights of a user with an item add up to more than float32 holds. Use smaller weights, or another "
                "weight_of_repeats than sum."
            )
    elif rule == "largest":
        found = np.zeros(len(distinct), np.float32)
        np.maximum.at(found, group, weight)
    else:
        keys = (group,) if interactions.timestamp is None else (interactions.timestamp, group)
        order = np.lexsort(keys)  # stable: of one moment the last row is the latest
        found = np.empty(len(distinct), np.float32)
        found[group[order]] = weight[order]  # the last one written stays
    return found[group[kept]]
