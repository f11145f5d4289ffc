"""Filtering: a rating threshold, duplicates, and the k-core."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.repeat_weights import WEIGHTS_OF_REPEATS, weights_of_repeats


@dataclass(frozen=True)
class Filtering:
    """Filters that are applied before the split, in the order of the fields.

    Attributes:
        rating_threshold: Keep only interactions with at least this rating; a missing rating counts as
            too low. None keeps all.
        deduplicate: Keep one interaction of a user with an item: the earliest one where there
            are timestamps, else the first one read.
        weight_of_repeats: Which weight that interaction gets, where there are weights: first for its own; largest, sum
            or last for that of all interactions of the user with the item, later ones included, but for those in
            another split of the source.
        k_core: Drop users and items with fewer interactions than this, repeatedly until
            none is left to drop. 0 keeps all, and with them items without any interaction.
    """

    rating_threshold: float | None = None
    deduplicate: bool = True
    weight_of_repeats: str = "first"
    k_core: int = 0

    def __post_init__(self) -> None:
        if self.weight_of_repeats not in WEIGHTS_OF_REPEATS:
            raise unknown_name("weight_of_repeats", self.weight_of_repeats, WEIGHTS_OF_REPEATS)
        if self.k_core < 0:
            raise InvalidInputError(f"k_core is {self.k_core}, expected at least 1, or 0 for no k-core.")


@dataclass(frozen=True)
class Dropped:
    """Interactions that were dropped, by filter; see :class:`tf_metammf.records.funnel.Funnel`."""

    below_threshold: int
    repeats: int
    outside_k_core: int


def apply_filtering(data: RawData, filtering: Filtering) -> RawData:
    """The data of :func:`filter_interactions`."""
    return filter_interactions(data, filtering)[0]


def filter_interactions(data: RawData, filtering: Filtering) -> tuple[RawData, Dropped]:
    """Drops interactions, and with a k-core users and items, and makes the ids dense again.

    Where the source brings its splits, all of them together are filtered as one set of
    interactions, and every interaction that remains stays in its split. Of duplicates without
    timestamps, the one in training comes first, then the one in validation.

    Args:
        data: What a source read.
        filtering: What to drop.

    Returns:
        The rest, and how many interactions were dropped. Ratings are dropped, as nothing uses them after this.

    Raises:
        InvalidInputError: A rating threshold was given and there are no ratings, or no
            interaction remains.
    """
    interactions, split_of = pooled(data)
    kept, weight, dropped = _kept_rows(interactions, filtering, split_of)
    if len(kept) == 0:
        raise InvalidInputError(
            f"{data.name}: none of {len(interactions)} interactions passes the filtering "
            f"(rating_threshold {filtering.rating_threshold}, k_core {filtering.k_core}): {dropped.below_threshold} "
            f"are below the threshold, {dropped.repeats} are repeats, {dropped.outside_k_core} are outside the k-core. "
            "Relax the filtering."
        )
    interactions, split_of = replace(_rows(interactions, kept), rating=None, weight=weight), split_of[kept]
    if filtering.k_core:
        data, interactions = _without_unused_ids(data, interactions)
    splits = None
    if data.splits is not None:
        splits = {name: interactions.take(split_of == label) for label, name in enumerate(SPLITS)}
    return replace(data, interactions=interactions, splits=splits), dropped


def pooled(data: RawData) -> tuple[Interactions, NDArray[np.int8]]:
    """All interactions, and of each the position of its split in ``SPLITS`` (0 where there are none)."""
    if data.splits is None:
        return data.interactions, np.zeros(len(data.interactions), np.int8)
    parts = [data.splits[name] for name in SPLITS]
    split_of = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(part) for part in parts])
    timestamps = [part.timestamp for part in parts if part.timestamp is not None]
    ratings = [part.rating for part in parts if part.rating is not None]
    weights = [part.weight for part in parts if part.weight is not None]
    pooled = Interactions(
        user=np.concatenate([part.user for part in parts]),
        item=np.concatenate([part.item for part in parts]),
        timestamp=np.concatenate(timestamps) if len(timestamps) == len(parts) else None,
        rating=np.concatenate(ratings) if len(ratings) == len(parts) else None,
        weight=np.concatenate(weights) if len(weights) == len(parts) else None,
    )
    return pooled, split_of


def _kept_rows(
    interactions: Interactions, filtering: Filtering, split_of: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, Dropped]:
    """Rows that pass all filters, in ascending order, their weights, and how many each filter dropped."""
    rows = np.arange(len(interactions))
    if filtering.rating_threshold is not None:
        if interactions.rating is None:
            raise InvalidInputError(
                f"rating_threshold is {filtering.rating_threshold}, but the source has no ratings. "
                "Leave it out, or name the column of the ratings with the source's options."
            )
        rows = rows[interactions.rating >= filtering.rating_threshold]
    rated = len(rows)
    weight = None if interactions.weight is None else interactions.weight[rows]
    if filtering.deduplicate:
        among = _rows(interactions, rows)
        first = first_of_each_pair(among)
        weight = weights_of_repeats(among, first, filtering.weight_of_repeats, split_of=split_of[rows])
        rows = rows[first]
    distinct = len(rows)
    if filtering.k_core:
        core = _in_k_core(interactions.user[rows], interactions.item[rows], filtering.k_core)
        rows, weight = rows[core], None if weight is None else weight[core]
    return rows, weight, Dropped(len(interactions) - rated, rated - distinct, distinct - len(rows))


def _rows(interactions: Interactions, rows: NDArray[np.int64]) -> Interactions:
    """The interactions of ascending rows, without a copy where these are all."""
    return interactions if len(rows) == len(interactions) else interactions.take(rows)


def first_of_each_pair(interactions: Interactions) -> NDArray[np.int64]:
    """Rows of the earliest (else first) interaction of every user with every item, ascending."""
    if len(interactions) == 0:
        return np.empty(0, np.int64)
    pair = interactions.user * (int(interactions.item.max()) + 1) + interactions.item
    # Most pairs occur once. Sorting values is much cheaper than sorting rows, which only the others need.
    values = np.sort(pair)
    several = np.unique(values[1:][values[1:] == values[:-1]])
    kept = np.ones(len(pair), bool)
    if len(several):
        candidates = _rows_that_may_be(pair, several)
        nearest = np.minimum(np.searchsorted(several, pair[candidates]), len(several) - 1)
        kept[candidates[several[nearest] == pair[candidates]]] = False
    rows = np.flatnonzero(~kept)
    keys = (pair[rows],) if interactions.timestamp is None else (interactions.timestamp[rows], pair[rows])
    rows = rows[np.lexsort(keys)]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = pair[rows[1:]] != pair[rows[:-1]]
    kept[rows[is_first]] = True
    return np.flatnonzero(kept)


def _rows_that_may_be(pair: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of all pairs that are wanted and of some others: those that share their last bits with a wanted one.

    Looking a few bits up is much cheaper than searching for every pair.
    """
    last_bits = (1 << (16 * len(wanted)).bit_length()) - 1
    may_be = np.zeros(last_bits + 1, bool)
    may_be[wanted & last_bits] = True
    return np.flatnonzero(may_be[pair & last_bits])


def _in_k_core(user: NDArray[np.int64], item: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Rows of the largest set of interactions in which every user and item has at least ``k``."""
    rows = np.arange(len(user))
    while len(rows):
        enough = (np.bincount(user[rows]) >= k)[user[rows]] & (np.bincount(item[rows]) >= k)[item[rows]]
        if enough.all():
            break
        rows = rows[enough]
    return rows


def _without_unused_ids(data: RawData, interactions: Interactions) -> tuple[RawData, Interactions]:
    """Drops users and items without interactions and renumbers the others in the same order."""
    users, user = np.unique(interactions.user, return_inverse=True)
    items, item = np.unique(interactions.item, return_inverse=True)
    data = replace(
        data,
        user_ids=[data.user_ids[position] for position in users],
        item_ids=[data.item_ids[position] for position in items],
        modalities={
            name: ModalityFeatures(modality.features, modality.row_of_item[items])
            for name, modality in data.modalities.items()
        },
    )
    return data, replace(interactions, user=user, item=item)
