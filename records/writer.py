"""Writes a record set: interactions in blocks, items one Example each with an index, metadata last."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.funnel import Funnel
from tf_metammf.records.item_index import FRAME_BYTES, index_path, write_index
from tf_metammf.records.metadata import FileEntry, Metadata, ModalityEntry, SplitEntry, file_entry
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.progress import progress
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import (
    INTERACTIONS_FOLDER,
    ITEMS_FILE,
    ITEMS_FOLDER,
    USERS_FILE,
    RecordSet,
    open_record_set,
)
from tf_metammf.records.shards import require_ids, require_shards, shard_bounds, shard_name
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.records.tfds_metadata import write_tfds_metadata
from tf_metammf.records.value_ranges import ValueRanges, exact_in_single_precision

BLOCK_SIZE = 1024
"""Interactions in one Example. Parsing a block costs little more than parsing one interaction."""

_ITEMS_AT_ONCE = 4096


def write_record_set(
    data: RawData,
    splits: dict[str, Interactions],
    target: str | Path,
    *,
    seed: int = 0,
    shards: int | None = None,
    funnel: Funnel | None = None,
    show_progress: bool = False,
) -> RecordSet:
    """Writes a record set beside ``target`` and renames it when it is whole.

    Interactions of a split are put into a seeded random order first, so that a reader that
    cannot hold the split in memory still sees well-mixed blocks. Shards are written one after
    another: building Examples holds Python's lock, and a second thread gained nothing.

    Args:
        data: Ids and features.
        splits: Interactions by split name.
        target: The folder to create.
        seed: Seed of the order on disk; the same data and seed give the same bytes.
        shards: Shards per split and of the items; by default one for every 64 MiB.
        funnel: What became of the rows that were read, for ``metadata.json``.
        show_progress: Whether to draw a progress bar on stderr.

    Returns:
        The record set, opened.

    Raises:
        InvalidInputError: The target exists or cannot be written, an id or a feature is not
            acceptable, or ``shards`` is below 1.
    """
    require_shards(shards)
    require_ids("user", data.user_ids)
    require_ids("item", data.item_ids)
    require_modality_names(data.modalities)
    timestamps = {interactions.timestamp is not None for interactions in splits.values() if len(interactions)}
    if len(timestamps) > 1:
        raise InvalidInputError(f"{data.name}: only some splits have timestamps. Give them to all or to none.")
    target = Path(target)
    with staged_directory(target) as folder, tensorflow_errors_as_os_errors():
        id_files = (
            _write_ids(folder, USERS_FILE, data.user_ids),
            _write_ids(folder, ITEMS_FILE, data.item_ids),
        )
        split_entries = {
            name: _write_split(folder, name, interactions, seed=seed, shards=shards, show_progress=show_progress)
            for name, interactions in splits.items()
        }
        item_shards, item_indexes = _write_items(folder, data, shards=shards, show_progress=show_progress)
        metadata = Metadata(
            name=data.name,
            users=len(data.user_ids),
            items=len(data.item_ids),
            timestamps=timestamps == {True},
            modalities={
                name: ModalityEntry(
                    width=modality.width,
                    source_dtype=str(modality.features.dtype),
                    items=int(modality.present.sum()),
                )
                for name, modality in sorted(data.modalities.items())
            },
            splits=split_entries,
            item_shards=item_shards,
            id_files=id_files,
            source=data.provenance,
            item_indexes=item_indexes,
            funnel=funnel,
        )
        write_tfds_metadata(folder, metadata)
        metadata.write(folder)
    return open_record_set(target)


def _write_ids(folder: Path, file: str, ids: list[str]) -> FileEntry:
    path = folder / file
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(f"{raw}\n" for raw in ids)
    return file_entry(folder, path, records=len(ids))


def _write_split(
    folder: Path,
    split: str,
    interactions: Interactions,
    *,
    seed: int,
    shards: int | None,
    show_progress: bool,
) -> SplitEntry:
    order = np.random.default_rng([seed, len(split)]).permutation(len(interactions))
    shuffled = interactions.take(order)
    columns = {"user": shuffled.user, "item": shuffled.item}
    if shuffled.timestamp is not None:
        columns["timestamp"] = shuffled.timestamp
    bounds = shard_bounds(len(interactions), record_bytes=8 * len(columns), shards=shards)
    entries = []
    for shard, (start, stop) in enumerate(
        progress(list(pairwise(bounds)), f"{split} interactions", show=show_progress)
    ):
        path = _shard_path(folder, INTERACTIONS_FOLDER, split, shard, len(bounds) - 1)
        starts = write_examples(path, interaction_blocks(columns, int(start), int(stop)))
        entries.append(file_entry(folder, path, records=len(starts), interactions=int(stop - start)))
    return SplitEntry(len(interactions), tuple(entries))


def interaction_blocks(columns: dict[str, NDArray[np.int64]], start: int, stop: int) -> Iterator[bytes]:
    """Serialized blocks of the interactions from ``start`` up to ``stop``."""
    for first in range(start, stop, BLOCK_SIZE):
        example = tf.train.Example()
        for name, column in columns.items():
            block = column[first : min(first + BLOCK_SIZE, stop)].tolist()  # Python's ints go in faster than NumPy's
            example.features.feature[name].int64_list.value.extend(block)
        yield example.SerializeToString(deterministic=True)


def _write_items(
    folder: Path, data: RawData, *, shards: int | None, show_progress: bool
) -> tuple[tuple[FileEntry, ...], tuple[FileEntry, ...]]:
    """Writes the item shards, item i as the i-th record of all, and their indexes."""
    items = len(data.item_ids)
    ranges: dict[str, ValueRanges] = {}
    item_bytes = 8 + 4 * sum(modality.width for modality in data.modalities.values())
    bounds = shard_bounds(items, record_bytes=item_bytes, shards=shards)
    shard_entries, index_entries = [], []
    for shard, (start, stop) in enumerate(progress(list(pairwise(bounds)), "items", show=show_progress)):
        path = _shard_path(folder, ITEMS_FOLDER, "all", shard, len(bounds) - 1)
        starts = write_examples(path, item_examples(data.modalities, data.item_ids, int(start), int(stop), ranges))
        write_index(index_path(path), starts)
        shard_entries.append(file_entry(folder, path, records=len(starts)))
        index_entries.append(file_entry(folder, index_path(path), records=len(starts)))
    for name, of_modality in ranges.items():
        of_modality.require_distinct(f'modality "{name}"')
    return tuple(shard_entries), tuple(index_entries)


def item_examples(
    modalities: Mapping[str, ModalityFeatures],
    item_ids: Sequence[str],
    start: int,
    stop: int,
    ranges: dict[str, ValueRanges] | None = None,
    *,
    first_item: int = 0,
) -> Iterator[bytes]:
    """Serialized items, one after another.

    Args:
        modalities: Features by modality name.
        item_ids: Raw ids, for messages.
        start: Place of the first item among those that ``modalities`` and ``item_ids`` know.
        stop: Place after the last one.
        ranges: Takes the ranges of modalities of types that float32 does not hold exactly.
        first_item: Dense id of the item at place 0.

    Yields:
        Examples.

    Raises:
        InvalidInputError: A feature is NaN or infinite.
    """
    named = [(name, modality, _packed_floats_header(modality.width)) for name, modality in sorted(modalities.items())]
    for first in range(start, stop, _ITEMS_AT_ONCE):
        items = np.arange(first, min(first + _ITEMS_AT_ONCE, stop))
        rows = {name: _feature_rows(name, modality, items, item_ids, ranges) for name, modality, _ in named}
        present = {name: (modality.row_of_item[items] >= 0).tolist() for name, modality, _ in named}
        for position, item in enumerate((items + first_item).tolist()):
            example = tf.train.Example()
            example.features.feature["item"].int64_list.value.append(item)
            for name, _, header in named:
                if present[name][position]:
                    packed = header + rows[name][position].tobytes()
                    example.features.feature[name].float_list.MergeFromString(packed)
            yield example.SerializeToString(deterministic=True)


def _packed_floats_header(width: int) -> bytes:
    """What a serialized FloatList of ``width`` values has before the values, which are little-endian float32.

    A list is parsed from its bytes several times faster than it is filled from Python's floats.
    """
    return tf.train.FloatList(value=[0.0] * width).SerializeToString()[: -4 * width]


def _feature_rows(
    name: str,
    modality: ModalityFeatures,
    items: NDArray[np.int64],
    item_ids: Sequence[str],
    ranges: dict[str, ValueRanges] | None,
) -> NDArray[np.float32]:
    """Features of the given items as little-endian float32, zeros for the absent ones; refuses NaN and infinity."""
    rows = modality.row_of_item[items]
    features = np.zeros((len(items), modality.width), "<f4")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        found = modality.features[rows[rows >= 0]]
        features[rows >= 0] = found
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        item = items[~finite][0]
        raise InvalidInputError(
            f'modality "{name}": item "{item_ids[item]}" (row {modality.row_of_item[item]}) has NaN or infinite '
            "values. Fix the features, or leave the item's row out where the modality is missing."
        )
    if ranges is not None and not exact_in_single_precision(found.dtype):
        here = ValueRanges.of(found)
        ranges[name] = ranges[name].joined(here) if name in ranges else here
    return features


def _shard_path(folder: Path, dataset: str, split: str, shard: int, shards: int) -> Path:
    path = folder / shard_name(dataset, split, shard=shard, shards=shards)
    path.parent.mkdir(exist_ok=True)
    return path


def write_examples(path: Path, examples: Iterable[bytes]) -> list[int]:
    """Writes a shard; says where each of its records starts."""
    starts, position = [], 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
            starts.append(position)
            position += FRAME_BYTES + len(example)
    return starts
