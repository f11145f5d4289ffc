"""The splits of an earlier record set, kept for the interactions that a later one has again."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.splits.split_methods import TEST, TRAIN, VALIDATION

UNKNOWN = -1

_TICKS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of ``timestamp_unit`` in a second; fractions of numbers say theirs."""


@dataclass(frozen=True)
class KnownSplits:
    """What an earlier record set says of interactions.

    Attributes:
        split_of: Position in ``SPLITS`` of every interaction, int8 ``[n]``; -1 where the earlier set does not have
            its user and item together.
        split_of_item: int8 ``[items]``: where the interactions of an item belong if cold items are to stay cold:
            training if any of its earlier interactions is there, else test if any is there, else validation; -1 for
            an item that had none.
        kept: Interactions that both sets have.
        gone: Interactions of the earlier set that are not there any more.
    """

    split_of: NDArray[np.int8]
    split_of_item: NDArray[np.int8]
    kept: int
    gone: int


def known_splits(earlier: RecordSet, data: RawData) -> KnownSplits:
    """Finds the splits that interactions had in an earlier record set, by raw user id and raw item id.

    Where the earlier set has a pair several times, in different splits, an interaction gets the split of the one with
    its timestamp; those that find none get what is left, in the order of time. More interactions of a pair than there
    were go where the pair was: to training if any of it was there, so that no pair is trained on that was held out.

    Args:
        earlier: The earlier record set.
        data: The interactions of the later one.

    Raises:
        InvalidRecordSetError: A shard of the earlier set is damaged.
    """
    old, old_split = _interactions_of(earlier, data)
    split_of_item = _splits_of_items(old.item, old_split, len(data.item_ids))
    there = (old.user >= 0) & (old.item >= 0)
    old, old_split = old.take(there), old_split[there]
    interactions, items = data.interactions, len(data.item_ids)
    split_of = np.full(len(interactions), UNKNOWN, np.int8)
    if not len(old):
        return KnownSplits(split_of, split_of_item, 0, earlier.metadata.interactions)
    pairs, old_place, old_count = np.unique(old.user * items + old.item, return_inverse=True, return_counts=True)
    first, last = np.full(len(pairs), TEST, np.int8), np.full(len(pairs), TRAIN, np.int8)
    np.minimum.at(first, old_place, old_split)
    np.maximum.at(last, old_place, old_split)
    pair = interactions.user * items + interactions.item
    place = np.minimum(np.searchsorted(pairs, pair), len(pairs) - 1)
    known = np.flatnonzero(pairs[place] == pair)
    split_of[known] = first[place[known]]
    torn = first != last
    if torn.any():
        rows, old_rows = known[torn[place[known]]], np.flatnonzero(torn[old_place])
        _match_repeats(
            split_of,
            interactions.take(rows),
            old.take(old_rows),
            rows=rows,
            pair=place[rows],
            old_pair=old_place[old_rows],
            old_split=old_split[old_rows],
            ticks=_ticks(data.provenance),
            old_ticks=_ticks(earlier.metadata.source),
        )
    kept = int(np.minimum(np.bincount(place[known], minlength=len(pairs)), old_count).sum())
    return KnownSplits(split_of, split_of_item, kept, earlier.metadata.interactions - kept)


def _interactions_of(earlier: RecordSet, data: RawData) -> tuple[Interactions, NDArray[np.int8]]:
    """All interactions of the earlier set with the dense ids of ``data`` (-1 for unknown ids), and their splits."""
    from tf_metammf.records.raw_files.dense_ids import positions
    from tf_metammf.records.reader import read_interactions  # imports TensorFlow

    parts = [read_interactions(earlier, name) for name in SPLITS]
    times = [part.timestamp for part in parts if part.timestamp is not None]
    split_of = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(part) for part in parts])
    users, items = positions(earlier.user_ids, data.user_ids), positions(earlier.item_ids, data.item_ids)
    old = Interactions(
        user=users[np.concatenate([part.user for part in parts])],
        item=items[np.concatenate([part.item for part in parts])],
        timestamp=np.concatenate(times) if len(times) == len(parts) else None,
    )
    return old, split_of


def _splits_of_items(item: NDArray[np.int64], split_of: NDArray[np.int8], items: int) -> NDArray[np.int8]:
    found = np.full(items, UNKNOWN, np.int8)
    for label in (VALIDATION, TEST, TRAIN):
        of_split = item[split_of == label]
        found[of_split[of_split >= 0]] = label
    return found


def _match_repeats(
    split_of: NDArray[np.int8],
    interactions: Interactions,
    old: Interactions,
    *,
    rows: NDArray[np.int64],
    pair: NDArray[np.int64],
    old_pair: NDArray[np.int64],
    old_split: NDArray[np.int8],
    ticks: int,
    old_ticks: int,
) -> None:
    """Puts interactions of pairs that were in several splits into ``split_of``, at ``rows``, by their times.

    These are in ``ticks`` and ``old_ticks`` parts of the same unit; a log that once has a fraction of a second is
    stored in finer ones.
    """
    timed = interactions.timestamp is not None and old.timestamp is not None
    times = interactions.timestamp if timed else np.zeros(len(interactions), np.int64)
    old_times = old.timestamp if timed else np.zeros(len(old), np.int64)
    assert times is not None and old_times is not None
    left: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for of_pair, time, label in sorted(zip(old_pair.tolist(), old_times.tolist(), old_split.tolist(), strict=True)):
        left[of_pair].append((time * ticks, label))
    unmatched = []
    for time, row, of_pair in sorted(zip(times.tolist(), rows.tolist(), pair.tolist(), strict=True)):
        same = next((entry for entry in left[of_pair] if entry[0] == time * old_ticks), None)
        if same is None:
            unmatched.append((row, of_pair))
        else:
            left[of_pair].remove(same)
            split_of[row] = same[1]
    for row, of_pair in unmatched:
        if left[of_pair]:
            split_of[row] = left[of_pair].pop(0)[1]


def _ticks(provenance: Mapping[str, object]) -> int:
    """In how many parts of its unit a record set stores times, by its ``timestamp_unit``."""
    unit = str(provenance.get("timestamp_unit"))
    part = unit.removeprefix("1/")
    return int(part) if part.isdecimal() and part != unit else _TICKS.get(unit, 1)
