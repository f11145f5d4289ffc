"""Preferences on disk: one Example for each, in shards of their own."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records.metadata import FileEntry, Metadata, PreferencesEntry, SplitEntry, file_entry
from tf_metammf.records.preferences import Preferences
from tf_metammf.records.record_set import PREFERENCES_FOLDER, RecordSet
from tf_metammf.records.shard_records import read_examples
from tf_metammf.records.shards import shard_bounds, shard_name

_BYTES = 24
"""What a preference takes beside its rejected items."""


def write_preferences(
    folder: Path, splits: Mapping[str, Preferences], *, shards: int | None = None
) -> PreferencesEntry:
    """Writes the preferences of a record set.

    Args:
        folder: The record set, which is being written.
        splits: Preferences by split.
        shards: Shards of a split; by default one for every 64 MiB.

    Returns:
        Their entry in the metadata.

    Raises:
        InvalidInputError: Only some have weights or sources, or a weight is negative or not finite.
    """
    filled = [each for each in splits.values() if len(each)]
    for name in ("weight", "source"):
        if len({getattr(each, name) is None for each in filled}) > 1:
            raise InvalidInputError(f"only some preferences have a {name}. Give one to all or to none.")
    weights = any(each.weight is not None for each in filled)
    for each in filled:
        if each.weight is not None and not ((each.weight >= 0) & (each.weight < np.inf)).all():
            raise InvalidInputError("a preference has a weight that is negative or not finite. Fix the weight.")
    entries = {name: _write_split(folder, name, each, shards=shards) for name, each in splits.items()}
    return PreferencesEntry(
        splits=entries,
        rejected=sum(len(each.rejected) for each in splits.values()),
        weights=weights,
        sources=any(each.source is not None for each in filled),
    )


def read_preferences(record_set: RecordSet, split: str) -> Preferences:
    """Reads the preferences of a split.

    Args:
        record_set: The record set.
        split: ``"train"`` or ``"validation"``.

    Raises:
        InvalidInputError: The record set has no preferences.
        InvalidRecordSetError: A shard is damaged or does not fit ``metadata.json``; shard and record are named.
    """
    entry = record_set.metadata.preferences
    if entry is None:
        raise InvalidInputError(
            f'{record_set.folder}: has no preferences. Add them with "tf-metammf preferences add", or convert with '
            "--preferences."
        )
    rows = []
    for shard in entry.splits[split].shards:
        for record, example in enumerate(read_examples(record_set.folder / shard.path)):
            problem = preference_problem(example, record_set.metadata)
            if problem:
                raise InvalidRecordSetError(
                    f'{record_set.folder / shard.path}: record {record} {problem}. See "tf-metammf records validate", '
                    "then convert the raw data again."
                )
            rows.append(example.features.feature)
    if len(rows) != entry.splits[split].interactions:
        raise InvalidRecordSetError(
            f"{record_set.folder}: has {len(rows)} preferences of {split}, metadata.json says "
            f"{entry.splits[split].interactions}. Convert the raw data again."
        )
    rejected = [row["rejected"].int64_list.value for row in rows]
    return Preferences(
        np.array([row["user"].int64_list.value[0] for row in rows], np.int64),
        np.array([row["chosen"].int64_list.value[0] for row in rows], np.int64),
        np.array([item for each in rejected for item in each], np.int64),
        np.array([len(each) for each in rejected], np.int64),
        np.array([row["weight"].float_list.value[0] for row in rows], np.float32) if entry.weights else None,
        [row["source"].bytes_list.value[0].decode() for row in rows] if entry.sources else None,
    )


def preference_problem(example: tf.train.Example, metadata: Metadata) -> str | None:
    """What is wrong with a preference, as the end of a sentence about the record; None if nothing is."""
    entry, feature = metadata.preferences, example.features.feature
    assert entry is not None
    for name, count in (("user", metadata.users), ("chosen", metadata.items)):
        ids = list(feature[name].int64_list.value)
        if len(ids) != 1 or not 0 <= ids[0] < count:
            return f"has the {name} {ids}, expected one from 0 to {count - 1}"
    rejected = list(feature["rejected"].int64_list.value)
    if not rejected or not all(0 <= item < metadata.items for item in rejected):
        return f"has the rejected items {rejected}, expected one at least, from 0 to {metadata.items - 1}"
    weights, sources = list(feature["weight"].float_list.value), feature["source"].bytes_list.value
    if len(weights) != entry.weights or not all(0 <= weight < np.inf for weight in weights):
        expected = "a finite number of at least 0" if entry.weights else "none"
        return f"has the weights {weights}, expected {expected}"
    if len(sources) != entry.sources:
        return f"has {len(sources)} sources, expected {int(entry.sources)}"
    return None


def _write_split(folder: Path, split: str, preferences: Preferences, *, shards: int | None) -> SplitEntry:
    size = _BYTES + 8 * len(preferences.rejected) // max(len(preferences), 1)
    bounds = shard_bounds(len(preferences), record_bytes=size, shards=shards)
    examples = _examples(preferences)
    entries: list[FileEntry] = []
    for shard, (start, stop) in enumerate(pairwise(bounds.tolist())):
        path = folder / shard_name(PREFERENCES_FOLDER, split, shard=shard, shards=len(bounds) - 1)
        path.parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(start, stop):
                writer.write(next(examples))
        entries.append(file_entry(folder, path, records=stop - start, interactions=stop - start))
    return SplitEntry(len(preferences), tuple(entries))


def _examples(preferences: Preferences) -> Iterator[bytes]:
    ends = np.cumsum(preferences.counts)
    for row in range(len(preferences)):
        example = tf.train.Example()
        feature = example.features.feature
        feature["user"].int64_list.value.append(int(preferences.user[row]))
        feature["chosen"].int64_list.value.append(int(preferences.chosen[row]))
        rejected = preferences.rejected[ends[row] - preferences.counts[row] : ends[row]]
        feature["rejected"].int64_list.value.extend(rejected.tolist())
        if preferences.weight is not None:
            feature["weight"].float_list.value.append(float(preferences.weight[row]))
        if preferences.source is not None:
            feature["source"].bytes_list.value.append(preferences.source[row].encode())
        yield example.SerializeToString(deterministic=True)
