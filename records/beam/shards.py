"""Shards of a record set, each written by one worker, the same bytes as those of the local writer."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.beam.columns import Columns, end_to_end, of_parts, parts, take, total
from tf_metammf.records.beam.feature_shapes import FeatureShape, Shapes
from tf_metammf.records.beam.row_order import Ranks, ranked, with_places
from tf_metammf.records.item_index import index_path, write_index
from tf_metammf.records.metadata import file_entry
from tf_metammf.records.raw_data import SPLITS, ModalityFeatures
from tf_metammf.records.record_set import INTERACTIONS_FOLDER, ITEMS_FOLDER
from tf_metammf.records.shards import interaction_bytes, require_ids, shard_bounds, shard_name
from tf_metammf.records.token_arrays import SequenceFeatures, TokenArrays, mean_values

Entry = tuple[str, str, int, dict[str, Any]]
"""What was written: its kind, its split or modality, its number, and what metadata.json says of it."""


def write_interactions(
    rows: "beam.PCollection[Columns]",
    folder: str,
    names: tuple[str, ...],
    *,
    seed: int,
    shards: int | None,
    block_rows: int,
    check: Any,
) -> "beam.PCollection[Entry]":
    """Writes the interaction shards of all splits.

    Args:
        rows: What :func:`tf_metammf.records.beam.splitting.split` returns.
        folder: The record set, a path or URL.
        names: The columns to write.
        seed: Seed of the order on disk.
        shards: Shards per split; by default one for every 64 MiB.
        block_rows: See :func:`tf_metammf.records.beam.row_order.ranked`.
        check: Function of the ranks in every split, which may refuse them.

    Returns:
        Entries of the kind "interactions".
    """
    by_split = rows | "shards: by split" >> beam.FlatMap(_by_split, names)
    blocks, ranks = ranked(by_split, "shards: ranks", block_rows=block_rows)
    placed = with_places(blocks, ranks, "shards: order", _order_on_disk, seed, groups=SPLITS)
    row_bytes = interaction_bytes(names)
    sent = placed | "shards: send" >> beam.FlatMap(_by_shard, ranks, shards, row_bytes)
    empty = (
        rows.pipeline
        | "shards: splits" >> beam.Create(list(SPLITS))
        | "shards: all" >> beam.FlatMap(_all_shards, ranks, shards, row_bytes, names, check)
    )
    return (
        (sent, empty)
        | "shards: gather" >> beam.Flatten()
        | "shards: by shard" >> beam.GroupByKey()
        | "shards: write" >> beam.Map(of_parts(_write_interactions), ranks, folder, names)
    )


def write_items(
    features: "beam.PCollection[Any]",
    folder: str,
    *,
    items: Any,
    shapes: Any,
    shards: int | None,
    stored_dtype: str,
) -> "beam.PCollection[Entry]":
    """Writes the item shards and their indexes.

    Args:
        features: By modality: raw ids, dense ids and features of some items.
        folder: The record set, a path or URL.
        items: Number of items, as a side input.
        shapes: What the features are like, as a side input.
        shards: Number of shards; by default one for every 64 MiB.
        stored_dtype: The type that values are stored in.

    Returns:
        Entries of the kinds "items", "index" and "modality".
    """
    sent = features | "items: send" >> beam.FlatMap(of_parts(_items_by_shard), items, shapes, shards, stored_dtype)
    empty = (
        features.pipeline
        | "items: once" >> beam.Create([None])
        | "items: all" >> beam.FlatMap(_all_item_shards, items, shapes, shards, stored_dtype)
    )
    return (
        (sent, empty)
        | "items: gather" >> beam.Flatten()
        | "items: by shard" >> beam.GroupByKey()
        | "items: write" >> beam.FlatMap(of_parts(_write_items), items, shapes, shards, stored_dtype, folder)
    )


def write_ids(kind: str, ids: list[str], kept: NDArray[np.bool_] | None, folder: str, file: str) -> Entry:
    """Writes an id file.

    Args:
        kind: user or item, for messages.
        ids: All ids in their order.
        kept: Which of them the record set has; None for all.
        folder: The record set, a path or URL.
        file: Name of the file.
    """
    chosen = ids if kept is None else [raw for raw, is_kept in zip(ids, kept, strict=True) if is_kept]
    require_ids(kind, chosen)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / file
        with path.open("w", encoding="utf-8", newline="\n") as lines:
            lines.writelines(f"{raw}\n" for raw in chosen)
        return "ids", kind, 0, _published(Path(scratch), path, folder, records=len(chosen))


def publish(path: Path, target: str) -> None:
    """Copies a file to any file system."""
    with path.open("rb") as source, FileSystems.create(target, compression_type=CompressionTypes.UNCOMPRESSED) as copy:
        shutil.copyfileobj(source, copy, 2**22)


def _published(scratch: Path, path: Path, folder: str, *, records: int, interactions: int = 0) -> dict[str, Any]:
    entry = file_entry(scratch, path, records=records, interactions=interactions)
    publish(path, FileSystems.join(folder, *entry.path.split("/")))
    return asdict(entry)


def _by_split(rows: Columns, names: tuple[str, ...]) -> Iterator[tuple[str, Columns]]:
    wanted = {name: rows[name] for name in (*names, "order")}
    for split, part in parts(wanted, rows["split"]):
        yield SPLITS[split], part


def _order_on_disk(split: str, count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, len(split)]).permutation(count)


def _by_shard(
    entry: tuple[tuple[str, int], Columns], ranks: Ranks, shards: int | None, row_bytes: int
) -> Iterator[tuple[tuple[str, int, int], Columns]]:
    (split, _), rows = entry
    bounds = shard_bounds(total(ranks[split]), record_bytes=row_bytes, shards=shards)
    shard_of = np.searchsorted(bounds, rows["place"], side="right") - 1
    for shard, part in parts({name: column for name, column in rows.items() if name != "order"}, shard_of):
        yield (split, shard, len(bounds) - 1), part


def _all_shards(
    split: str, ranks: Ranks, shards: int | None, row_bytes: int, names: tuple[str, ...], check: Any
) -> Iterator[tuple[tuple[str, int, int], Columns]]:
    check(ranks)
    bounds = shard_bounds(total(ranks.get(split, {})), record_bytes=row_bytes, shards=shards)
    for shard in range(len(bounds) - 1):
        yield (
            (split, shard, len(bounds) - 1),
            {name: np.empty(0, np.float32 if name == "weight" else np.int64) for name in (*names, "place")},
        )


def _write_interactions(
    key: tuple[str, int, int], batches: Iterable[Columns], ranks: Ranks, folder: str, names: tuple[str, ...]
) -> Entry:
    from tf_metammf.records.writer import interaction_blocks, write_examples  # TensorFlow, which other steps do without

    split, shard, shards = key
    rows = end_to_end(batches)
    rows = take(rows, np.argsort(rows["place"]))
    count = len(rows["place"])
    with tempfile.TemporaryDirectory() as scratch:
        path = _scratch_path(scratch, shard_name(INTERACTIONS_FOLDER, split, shard=shard, shards=shards))
        starts = write_examples(path, interaction_blocks({name: rows[name] for name in names}, 0, count))
        described = _published(Path(scratch), path, folder, records=len(starts), interactions=count)
    return "interactions", split, shard, described


def _item_bounds(items: int, shapes: Shapes, shards: int | None, stored_dtype: str) -> NDArray[np.int64]:
    values = sum(
        mean_values(shape.tokens, shape.rows, shape.width) if shape.has_tokens else shape.width
        for shape in shapes.values()
    )
    return shard_bounds(items, record_bytes=8 + np.dtype(stored_dtype).itemsize * values, shards=shards)


def _items_by_shard(
    modality: str,
    batch: tuple[list[str], NDArray[np.int64], Any],
    items: int,
    shapes: Shapes,
    shards: int | None,
    stored_dtype: str,
) -> Iterator[tuple[int, Any]]:
    ids, numbers, features = batch
    bounds = _item_bounds(items, shapes, shards, stored_dtype)
    columns = {"row": np.arange(len(ids)), "item": numbers}
    for shard, part in parts(columns, np.searchsorted(bounds, numbers, side="right") - 1):
        yield shard, (modality, [ids[row] for row in part["row"]], part["item"], features[part["row"]])


def _all_item_shards(
    _: None, items: int, shapes: Shapes, shards: int | None, stored_dtype: str
) -> Iterator[tuple[int, None]]:
    for shard in range(len(_item_bounds(items, shapes, shards, stored_dtype)) - 1):
        yield shard, None


def _write_items(
    shard: int,
    batches: Iterable[Any],
    items: int,
    shapes: Shapes,
    shards: int | None,
    stored_dtype: str,
    folder: str,
) -> Iterator[Entry]:
    from tf_metammf.records.item_examples import item_examples  # TensorFlow, which other steps do without
    from tf_metammf.records.writer import write_examples

    bounds = _item_bounds(items, shapes, shards, stored_dtype)
    start, stop = int(bounds[shard]), int(bounds[shard + 1])
    found: dict[str, list[Any]] = {modality: [] for modality in sorted(shapes)}
    for batch in batches:
        if batch is not None:
            found[batch[0]].append(batch[1:])
    names = [""] * (stop - start)
    modalities = {}
    for modality, of_modality in found.items():
        modalities[modality] = _features(modality, of_modality, names, start, shapes[modality])
        features = modalities[modality].features
        tokens = int(features.token_counts.sum()) if isinstance(features, SequenceFeatures) else 0
        yield "modality", modality, shard, {"items": int(modalities[modality].present.sum()), "tokens": tokens}
    with tempfile.TemporaryDirectory() as scratch:
        path = _scratch_path(scratch, shard_name(ITEMS_FOLDER, "all", shard=shard, shards=len(bounds) - 1))
        examples = item_examples(modalities, names, 0, stop - start, first_item=start, stored_dtype=stored_dtype)
        starts = write_examples(path, examples)
        write_index(index_path(path), starts)
        for kind, file in (("items", path), ("index", index_path(path))):
            yield kind, "", shard, _published(Path(scratch), file, folder, records=len(starts))


def _features(modality: str, batches: list[Any], names: list[str], start: int, shape: FeatureShape) -> ModalityFeatures:
    """Features of the items of a shard; also notes the raw ids of those that have any."""
    row_of_item = np.full(len(names), -1, np.int64)
    rows = 0
    for ids, numbers, _ in batches:
        for raw, item in zip(ids, (numbers - start).tolist(), strict=True):
            if row_of_item[item] >= 0:
                raise InvalidInputError(
                    f'modality "{modality}": has item "{raw}" more than once, expected once. Remove the others.'
                )
            names[item], row_of_item[item] = raw, rows
            rows += 1
    found = [batch[2] for batch in batches]
    if not shape.has_tokens:
        return ModalityFeatures(np.concatenate([np.empty((0, shape.width), shape.dtype), *found]), row_of_item)
    values = np.concatenate([np.empty((0, shape.width), shape.dtype), *(each.values for each in found)])
    lengths = np.concatenate([np.empty(0, np.int64), *(each.lengths for each in found)])
    times = [np.empty(0, np.float32), *(each.times for each in found if each.times is not None)]
    return ModalityFeatures(
        TokenArrays(values, lengths, np.concatenate(times) if shape.has_times else None), row_of_item
    )


def _scratch_path(scratch: str, name: str) -> Path:
    path = Path(scratch) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
