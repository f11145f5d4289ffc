"""What a record set holds, beyond its description: time, popularity, splits, gaps and copies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.damage import damage_named
from tf_metammf.records.description import Description, describe
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.reader import items, read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.report.content_duplicates import ContentDuplicates, content_duplicates
from tf_metammf.records.report.suggestions import Suggestion, suggestions
from tf_metammf.records.report.timeline import Timeline, timeline

HEAD = 0.2
"""Share of the items that are called the head; the others are the long tail."""

_ITEMS_AT_ONCE = 4096
_CURVE_POINTS = 101


@dataclass(frozen=True)
class SplitReport:
    """One split.

    Attributes:
        interactions: Interactions.
        users: Users that have any.
        items: Items that have any.
        on_new_items: Share of the interactions that are on items without training interactions.
        of_new_users: Share of the interactions that are of users without training interactions.
        mean_popularity: Training interactions of an item, mean over the interactions of the split.
        before_training_ends: Share of the interactions that are earlier than the last training interaction; None
            without times.
    """

    interactions: int
    users: int
    items: int
    on_new_items: float
    of_new_users: float
    mean_popularity: float
    before_training_ends: float | None


@dataclass(frozen=True)
class DataReport:
    """What :func:`report_on` finds.

    Attributes:
        description: The record set in numbers.
        method: Method of the splits; "" where the record set does not say.
        timeline: Interactions by period; None without times.
        splits: By name.
        head_share: Share of the training interactions that the most popular fifth of the items have.
        popularity_curve: Share of the training interactions that the ``p`` % most popular items have, for ``p`` from 0
            to 100.
        degrees: Of users and items, how many have each number of training interactions, as pairs in ascending order.
        modality_sets: How many items have exactly these modalities, most frequent first.
        duplicates: By modality.
        suggestions: What to do about it.
    """

    description: Description
    method: str
    timeline: Timeline | None
    splits: Mapping[str, SplitReport]
    head_share: float
    popularity_curve: tuple[float, ...]
    degrees: Mapping[str, tuple[tuple[int, int], ...]]
    modality_sets: tuple[tuple[tuple[str, ...], int], ...]
    duplicates: Mapping[str, ContentDuplicates]
    suggestions: tuple[Suggestion, ...]


def report_on(record_set: RecordSet) -> DataReport:
    """Reads a record set, its items twice, and reports on it.

    Raises:
        InvalidRecordSetError: A shard is damaged.
    """
    metadata = record_set.metadata
    description = describe(record_set)
    interactions = {name: read_interactions(record_set, name) for name in metadata.splits}
    popularity = np.bincount(interactions["train"].item, minlength=metadata.items)
    activity = np.bincount(interactions["train"].user, minlength=metadata.users)
    with damage_named(record_set):
        batches = items(record_set, batch_size=_ITEMS_AT_ONCE, form="vectors").as_numpy_iterator()
        duplicates = content_duplicates(batches)
        modality_sets = _modality_sets(record_set)
    curve = _popularity_curve(popularity)
    splits = {
        name: _split(split, interactions["train"], popularity=popularity, activity=activity)
        for name, split in interactions.items()
    }
    method = "" if metadata.funnel is None else metadata.funnel.method
    times = timeline(interactions, unit=metadata.source.get("timestamp_unit"))
    head_share = float(curve[round(HEAD * (_CURVE_POINTS - 1))])
    return DataReport(
        description=description,
        method=method,
        timeline=times,
        splits=splits,
        head_share=head_share,
        popularity_curve=tuple(curve.tolist()),
        degrees={"users": _counts(activity), "items": _counts(popularity)},
        modality_sets=modality_sets,
        duplicates=duplicates,
        suggestions=suggestions(
            description, splits, duplicates, method=method, has_times=times is not None, head_share=head_share
        ),
    )


def _split(
    split: Interactions, train: Interactions, *, popularity: NDArray[np.int64], activity: NDArray[np.int64]
) -> SplitReport:
    count = max(1, len(split))
    earlier = None
    if split.timestamp is not None and train.timestamp is not None and len(train):
        earlier = float((split.timestamp < train.timestamp.max()).sum() / count)
    return SplitReport(
        interactions=len(split),
        users=len(np.unique(split.user)),
        items=len(np.unique(split.item)),
        on_new_items=float((popularity[split.item] == 0).sum() / count),
        of_new_users=float((activity[split.user] == 0).sum() / count),
        mean_popularity=float(popularity[split.item].sum() / count),
        before_training_ends=earlier,
    )


def _popularity_curve(popularity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the interactions of the most popular items, at 0, 1, ..., 100 % of the items."""
    shares = np.concatenate([[0.0], np.cumsum(np.sort(popularity)[::-1]) / max(1, popularity.sum())])
    return np.interp(np.linspace(0, len(popularity), _CURVE_POINTS), np.arange(len(shares)), shares)


def _counts(degrees: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    values, counts = np.unique(degrees, return_counts=True)
    return tuple(zip(values.tolist(), counts.tolist(), strict=True))


def _modality_sets(record_set: RecordSet) -> tuple[tuple[tuple[str, ...], int], ...]:
    names = list(record_set.metadata.modalities)
    found: dict[tuple[str, ...], int] = {}
    for batch in items(record_set, batch_size=_ITEMS_AT_ONCE, form="vectors").as_numpy_iterator():
        presence = np.array([batch["presence"][name] for name in names], bool).reshape(len(names), len(batch["item"])).T
        rows, counts = np.unique(presence, axis=0, return_counts=True)
        for row, count in zip(rows, counts.tolist(), strict=True):
            held = tuple(name for name, has in zip(names, row, strict=True) if has)
            found[held] = found.get(held, 0) + count
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
