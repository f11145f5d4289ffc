"""The (user, item) pairs a full ranking needs, sorted and cut into blocks of users."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError

Pairs = tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class BlockedPairs:
    """Pairs of a row and an item, sorted by row and then item.

    A row is a user that is ranked; rows are cut into blocks of equal length, of which the last may be shorter.

    Attributes:
        rows: int64 ``[pairs]``, ascending.
        items: int64 ``[pairs]``.
        offsets: int64 ``[blocks + 1]``: pairs ``offsets[b]`` to ``offsets[b + 1]`` belong to block ``b``.
    """

    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    offsets: NDArray[np.int64]


@dataclass(frozen=True)
class RankingPairs:
    """Positive and masked pairs of one split, without duplicates, for the users that have positives.

    Attributes:
        users: Id of each row's user, int64 ``[rows]``, ascending.
        positives: The pairs to be found.
        masked: The pairs taken out of the ranking.
        masked_positives: Positives that were dropped because they are masked too.
        block_rows: Rows of a block.
    """

    users: NDArray[np.int64]
    positives: BlockedPairs
    masked: BlockedPairs
    masked_positives: int
    block_rows: int

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.positives.offsets) - 1


def ranking_pairs(
    positives: Pairs, masked: Sequence[Pairs], *, users: int, items: int, maximum_block_rows: int
) -> RankingPairs:
    """Checks, de-duplicates, sorts and cuts the pairs of a split.

    Args:
        positives: User ids and item ids, two integer arrays of equal length.
        masked: Any number of pairs in the same form.
        users: Number of users.
        items: Number of items.
        maximum_block_rows: Rows a block may have; the blocks are made equal below that.

    Raises:
        InvalidInputError: Arrays differ in length or are not integers, an id is out of range, or no positive is left.
    """
    positive_keys = _keys(positives, users=users, items=items, what="positives")
    masked_keys = _keys_of_all(masked, users=users, items=items, what="masked pairs")
    relevant_keys = np.setdiff1d(positive_keys, masked_keys, assume_unique=True)
    if not len(relevant_keys):
        raise InvalidInputError(
            f"full ranking: has {len(positive_keys)} positives, which are all masked, so there is "
            "nothing to find. Evaluate a split with other interactions."
        )
    ranked_users = np.unique(relevant_keys // items)
    blocks = math.ceil(len(ranked_users) / maximum_block_rows)
    block_rows = math.ceil(len(ranked_users) / blocks)
    ranked_masks = masked_keys[np.isin(masked_keys // items, ranked_users)]
    return RankingPairs(
        users=ranked_users,
        positives=_blocked(relevant_keys, ranked_users, items=items, block_rows=block_rows),
        masked=_blocked(ranked_masks, ranked_users, items=items, block_rows=block_rows),
        masked_positives=len(positive_keys) - len(relevant_keys),
        block_rows=block_rows,
    )


def _blocked(keys: NDArray[np.int64], ranked_users: NDArray[np.int64], *, items: int, block_rows: int) -> BlockedPairs:
    rows = np.searchsorted(ranked_users, keys // items)
    first_rows = np.arange(0, len(ranked_users) + block_rows, block_rows)
    return BlockedPairs(rows, keys % items, np.searchsorted(rows, first_rows))


def _keys_of_all(all_pairs: Sequence[Pairs], *, users: int, items: int, what: str) -> NDArray[np.int64]:
    keys = [_keys(pairs, users=users, items=items, what=what) for pairs in all_pairs]
    return np.unique(np.concatenate(keys)) if keys else np.empty(0, np.int64)


def _keys(pairs: Pairs, *, users: int, items: int, what: str) -> NDArray[np.int64]:
    """One number a pair, ``user * items + item``, ascending and each once."""
    columns = [np.asarray(ids) for ids in pairs]
    shapes = [ids.shape for ids in columns]
    if len(columns) != 2 or columns[0].ndim != 1 or shapes[0] != shapes[1]:
        raise InvalidInputError(
            f"{what}: found {len(columns)} arrays of shapes {shapes[:2]}, expected two flat ones of equal length. "
            "Give the user ids and the item ids, one entry of each per interaction."
        )
    user, item = columns
    for name, ids, count in (("user", user, users), ("item", item, items)):
        if len(ids) and not np.issubdtype(ids.dtype, np.integer):
            raise InvalidInputError(f"{what}: {name} ids are {ids.dtype}, expected integers. Give dense ids.")
        if len(ids) and (ids.min() < 0 or ids.max() >= count):
            wrong = ids.min() if ids.min() < 0 else ids.max()
            raise InvalidInputError(
                f"{what}: {name} id {wrong} is out of range, expected 0 to {count - 1}. Give dense ids, and the "
                f"number of {name}s of the whole record set."
            )
    return np.unique(user.astype(np.int64) * items + item.astype(np.int64))
