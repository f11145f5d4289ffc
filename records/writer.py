"""Writes a record set: interactions in blocks, items one Example each with an index, metadata last."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.funnel import Funnel
from tf_metammf.records.item_examples import item_bytes, item_examples, modality_entry
from tf_metammf.records.item_index import FRAME_BYTES, index_path, write_index
from tf_metammf.records.metadata import FileEntry, Metadata, SplitEntry, file_entry
from tf_metammf.records.modality_entry import require_stored_dtype
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.preference_shards import write_preferences
from tf_metammf.records.preferences import Preferences
from tf_metammf.records.progress import progress
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.record_set import (
    INTERACTIONS_FOLDER,
    ITEMS_FILE,
    ITEMS_FOLDER,
    USERS_FILE,
    RecordSet,
    open_record_set,
)
from tf_metammf.records.shards import (
    interaction_bytes,
    require_ids,
    require_shards,
    require_some_weight,
    shard_bounds,
    shard_name,
)
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.records.tfds_metadata import write_tfds_metadata
from tf_metammf.records.value_ranges import ValueRanges

BLOCK_SIZE = 1024
"""Interactions in one Example. Parsing a block costs little more than parsing one interaction."""


def write_record_set(
    data: RawData,
    splits: dict[str, Interactions],
    target: str | Path,
    *,
    seed: int = 0,
    shards: int | None = None,
    funnel: Funnel | None = None,
    stored_dtype: str = "float32",
    preferences: Mapping[str, Preferences] | None = None,
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
        stored_dtype: The type that features are stored in: ``"float32"``, or ``"float16"`` for half the bytes.
        preferences: Preferences by split, train and validation; None for none.
        show_progress: Whether to draw a progress bar on stderr.

    Returns:
        The record set, opened.

    Raises:
        InvalidInputError: The target exists or cannot be written, an id, a feature or a weight is not
            acceptable, ``shards`` is below 1, or ``stored_dtype`` is unknown.
    """
    require_shards(shards)
    require_stored_dtype(stored_dtype)
    require_ids("user", data.user_ids)
    require_ids("item", data.item_ids)
    require_modality_names(data.modalities, sequences=data.sequences)
    timestamps = {interactions.timestamp is not None for interactions in splits.values() if len(interactions)}
    if len(timestamps) > 1:
        raise InvalidInputError(f"{data.name}: only some splits have timestamps. Give them to all or to none.")
    weights = _have_weights(data.name, splits)
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
        item_shards, item_indexes = _write_items(
            folder, data, shards=shards, stored_dtype=stored_dtype, show_progress=show_progress
        )
        metadata = Metadata(
            name=data.name,
            users=len(data.user_ids),
            items=len(data.item_ids),
            timestamps=timestamps == {True},
            modalities={
                name: modality_entry(modality, stored_dtype=stored_dtype)
                for name, modality in sorted(data.modalities.items())
            },
            splits=split_entries,
            item_shards=item_shards,
            id_files=id_files,
            source=data.provenance,
            item_indexes=item_indexes,
            funnel=funnel,
            weights=weights,
            preferences=None if preferences is None else write_preferences(folder, preferences, shards=shards),
        )
        write_tfds_metadata(folder, metadata)
        metadata.write(folder)
    return open_record_set(target)


def _have_weights(name: str, splits: dict[str, Interactions]) -> bool:
    """Whether interactions have weights, all of which can be used."""
    found = {interactions.weight is not None for interactions in splits.values() if len(interactions)}
    if len(found) > 1:
        raise InvalidInputError(f"{name}: only some splits have weights. Give them to all or to none.")
    for split, interactions in splits.items():
        if interactions.weight is None:
            continue
        unusable = ~((interactions.weight >= 0) & (interactions.weight < np.inf))
        if unusable.any():
            raise InvalidInputError(
                f"{name}: an interaction of {split} has the weight {interactions.weight[unusable][0]}, expected "
                "a finite number of at least 0."
            )
    train = splits.get("train")
    if train is not None and train.weight is not None and len(train):
        require_some_weight(name, float(train.weight.max()))
    return found == {True}


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
    columns: dict[str, NDArray[Any]] = {"user": shuffled.user, "item": shuffled.item}
    if shuffled.timestamp is not None:
        columns["timestamp"] = shuffled.timestamp
    if shuffled.weight is not None:
        columns["weight"] = shuffled.weight
    bounds = shard_bounds(len(interactions), record_bytes=interaction_bytes(columns), shards=shards)
    entries = []
    for shard, (start, stop) in enumerate(
        progress(list(pairwise(bounds)), f"{split} interactions", show=show_progress)
    ):
        path = _shard_path(folder, INTERACTIONS_FOLDER, split, shard, len(bounds) - 1)
        starts = write_examples(path, interaction_blocks(columns, int(start), int(stop)))
        entries.append(file_entry(folder, path, records=len(starts), interactions=int(stop - start)))
    return SplitEntry(len(interactions), tuple(entries))


def interaction_blocks(columns: dict[str, NDArray[Any]], start: int, stop: int) -> Iterator[bytes]:
    """Serialized blocks of the interactions from ``start`` up to ``stop``; columns are int64, ``weight`` float32."""
    for first in range(start, stop, BLOCK_SIZE):
        example = tf.train.Example()
        for name, column in columns.items():
            block = column[first : min(first + BLOCK_SIZE, stop)].tolist()  # Python's ints go in faster than NumPy's
            feature = example.features.feature[name]
            (feature.float_list if name == "weight" else feature.int64_list).value.extend(block)
        yield example.SerializeToString(deterministic=True)


def _write_items(
    folder: Path, data: RawData, *, shards: int | None, stored_dtype: str, show_progress: bool
) -> tuple[tuple[FileEntry, ...], tuple[FileEntry, ...]]:
    """Writes the item shards, item i as the i-th record of all, and their indexes."""
    items = len(data.item_ids)
    ranges: dict[str, ValueRanges] = {}
    record_bytes = item_bytes(data.modalities, stored_dtype=stored_dtype)
    bounds = shard_bounds(items, record_bytes=record_bytes, shards=shards)
    shard_entries, index_entries = [], []
    for shard, (start, stop) in enumerate(progress(list(pairwise(bounds)), "items", show=show_progress)):
        path = _shard_path(folder, ITEMS_FOLDER, "all", shard, len(bounds) - 1)
        examples = item_examples(
            data.modalities, data.item_ids, int(start), int(stop), ranges, stored_dtype=stored_dtype
        )
        starts = write_examples(path, examples)
        write_index(index_path(path), starts)
        shard_entries.append(file_entry(folder, path, records=len(starts)))
        index_entries.append(file_entry(folder, index_path(path), records=len(starts)))
    for name, of_modality in ranges.items():
        of_modality.require_distinct(f'modality "{name}"')
    return tuple(shard_entries), tuple(index_entries)


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
