"""Features of items, read row by row in parts, with dense ids."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import apache_beam as beam
import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.beam.columns import of_parts
from tf_metammf.records.beam.columns import parts as parts_of_ids
from tf_metammf.records.beam.interaction_rows import ORIGIN
from tf_metammf.records.beam.raw_parts import (
    MATRIX,
    RawFile,
    RawPart,
    matrix_header,
    parts_of,
    read_lines,
    read_rows,
)
from tf_metammf.records.beam.rejected_rows import REJECTED, rejected_entries
from tf_metammf.records.beam.table_parts import read_table
from tf_metammf.records.raw_files.dense_ids import with_ids_of_items
from tf_metammf.records.raw_files.feature_columns import feature_rows
from tf_metammf.records.raw_files.feature_tables import feature_columns, no_such_row
from tf_metammf.records.raw_files.id_spelling import differently_written, near_miss
from tf_metammf.records.thinned_tokens import MOST_TOKENS, thinned
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.value_ranges import ValueRanges


def read_features(
    pipeline: beam.Pipeline,
    files: Mapping[str, RawFile],
    ids_files: Mapping[str, RawFile],
    item_columns: Mapping[str, str | None],
    *,
    part_bytes: int,
    skip: bool = False,
    tokens: bool = False,
    most_tokens: int = MOST_TOKENS,
) -> "tuple[beam.PCollection[Any], beam.PCollection[Any]]":
    """Reads the features of all modalities in parts.

    Args:
        pipeline: The pipeline.
        files: The file of each modality.
        ids_files: The file of raw ids of those that are matrices and have one.
        item_columns: Of each modality; see :func:`tf_metammf.records.raw_files.feature_tables.read_features`.
        part_bytes: Bytes that are read at once.
        skip: Whether rows that cannot be read are left out; else the first that a worker finds is an error.
        tokens: Whether the sequences of extracted features are read, instead of the vectors beside them.
        most_tokens: Tokens that are kept of a sequence.

    Returns:
        By ``(modality, part)``: the raw ids of some items, their features ``[rows, width]`` or sequences, and the
        ranges of these in the precision of the file; and entries of the kind "rejected" for rows that were left out.
    """
    described = [(modality, file, ids_files.get(modality)) for modality, file in sorted(files.items())]
    read = beam.FlatMap(of_parts(_read), dict(item_columns), skip, tokens, most_tokens)
    outputs = (
        pipeline
        | "features: files" >> beam.Create(described)
        | "features: parts" >> beam.FlatMap(of_parts(_parts), part_bytes)
        | "features: spread" >> beam.Reshuffle()
        | "features: read" >> read.with_outputs(REJECTED, main="read")
    )
    return outputs["read"], outputs[REJECTED]


def require_distinct(features: "beam.PCollection[Any]") -> "beam.PCollection[Any]":
    """Sees that no value differs from item to item in the files and is the same in float32.

    Args:
        features: What :func:`read_features` returns.

    Returns:
        Nothing; the check is an error of the pipeline.
    """
    return (
        features
        | "ranges" >> beam.MapTuple(lambda key, rows: ((key[0], len(rows[2].least)), rows[2]))
        | "ranges: joined" >> beam.CombinePerKey(_joined)
        | "ranges: check" >> beam.FlatMapTuple(_require_distinct)
    )


def _joined(ranges: Iterable[ValueRanges]) -> ValueRanges | None:
    found = [of_part for of_part in ranges if of_part is not None]
    return reduce(ValueRanges.joined, found) if found else None


def _require_distinct(key: tuple[str, int], ranges: ValueRanges | None) -> list[Any]:
    if ranges is not None:
        ranges.require_distinct(f'modality "{key[0]}"')
    return []


def overlap(parts: "beam.PCollection[Any]", modalities: Sequence[str]) -> "beam.PCollection[Any]":
    """Sees that every modality has items with interactions.

    Args:
        parts: What :func:`tf_metammf.records.beam.vocabulary.distinct` returns for items.
        modalities: The modalities.

    Returns:
        Nothing; the check is an error of the pipeline.
    """
    found = parts | "overlap: count" >> beam.FlatMap(of_parts(_overlap), list(modalities))
    return found | "overlap: sum" >> beam.CombinePerKey(sum) | "overlap: check" >> beam.FlatMapTuple(_require_overlap)


def without_interactions(parts: "beam.PCollection[Any]") -> "beam.PCollection[Any]":
    """An entry of the kind "count": how many items have features and no interactions.

    Args:
        parts: What :func:`tf_metammf.records.beam.vocabulary.distinct` returns for items.
    """
    return (
        parts
        | "without interactions" >> beam.MapTuple(_count_without_interactions)
        | "without interactions: sum" >> beam.CombineGlobally(sum)
        | "without interactions: entry"
        >> beam.Map(lambda count: ("count", "features_without_interaction", 0, {"items": int(count)}))
    )


def _count_without_interactions(_: int, ids: dict[str, set[str]]) -> int:
    return len(set().union(*ids.values()) - ids.get(ORIGIN, set()))


def without_features(rows: Any, numbered: Any, *, partitions: int) -> "beam.PCollection[Any]":
    """An entry of the kind "count": how many items have interactions and no features.

    Args:
        rows: Interactions.
        numbered: By modality, raw ids, dense ids and features of some items.
        partitions: Parts that items are divided into.
    """
    sides = {
        "interacted": rows | "without features: rows" >> beam.Map(lambda rows: np.unique(rows["item"])),
        "featured": numbered | "without features: ids" >> beam.MapTuple(lambda _, batch: batch[1]),
    }
    keyed = {
        name: items
        | f"without features: {name}" >> beam.FlatMap(lambda ids: parts_of_ids({"item": ids}, ids % partitions))
        for name, items in sides.items()
    }
    return (
        keyed
        | "without features: together" >> beam.CoGroupByKey()
        | "without features: count" >> beam.MapTuple(_count_without)
        | "without features: sum" >> beam.CombineGlobally(sum)
        | "without features: entry"
        >> beam.Map(lambda count: ("count", "items_without_features", 0, {"items": int(count)}))
    )


def _count_without(_: int, found: dict[str, Any]) -> int:
    interacted, featured = (
        np.unique(np.concatenate([np.empty(0, np.int64), *(batch["item"] for batch in found[name])]))
        for name in ("interacted", "featured")
    )
    return len(np.setdiff1d(interacted, featured))


def require_rows(
    names: "beam.PCollection[Any]", files: Mapping[str, RawFile], ids_files: Mapping[str, RawFile]
) -> "beam.PCollection[Any]":
    """Sees that every item of the interactions is a row of the matrices that have no file of ids.

    Args:
        names: Distinct raw item ids of batches of interactions.
        files: The file of each modality.
        ids_files: The file of raw ids of those that have one.

    Returns:
        Nothing; the check is an error of the pipeline.
    """
    numbered = [file for name, file in files.items() if file.suffix == MATRIX and name not in ids_files]
    rows = [(file, matrix_header(file).shape[0]) for file in numbered]
    return names | "features: rows of items" >> beam.FlatMap(of_parts(_require_rows), rows)


def _parts(
    modality: str, file: RawFile, ids_file: RawFile | None, part_bytes: int
) -> Iterator[tuple[str, RawPart, list[str] | None]]:
    ids = None if ids_file is None else read_lines(ids_file)
    if ids is not None and len(ids) != matrix_header(file).shape[0]:
        raise InvalidInputError(
            f"{file.path}: has {matrix_header(file).shape[0]} rows of features and {len(ids)} items, expected one "
            "row per item. Write it again."
        )
    for part in parts_of(file, part_bytes=part_bytes):
        yield modality, part, None if ids is None else ids[part.start : part.stop]


def _read(
    modality: str,
    part: RawPart,
    ids: list[str] | None,
    item_columns: dict[str, str | None],
    skip: bool,
    tokens: bool,
    most_tokens: int,
) -> Iterator[Any]:
    if part.file.suffix == MATRIX:
        names = [str(row) for row in range(part.start, part.stop)] if ids is None else ids
        rows = read_rows(part)
        yield (modality, *part.key), (names, rows, ValueRanges.of(rows))
        return
    file = part.file
    item, kinds = feature_columns(file.shown, file.names, item_columns.get(modality), index=file.index, tokens=tokens)
    bad_rows = BadRows(skip=skip)
    table = read_table(part, kinds, bad_rows)
    table = None if table is None else with_ids_of_items(table, item, bad_rows)
    yield from rejected_entries(modality, bad_rows)
    if table is not None and len(table):
        found, features, ranges = feature_rows(table, item, [name for name in kinds if name != item])
        if found:
            kept = thinned(features, most_tokens) if isinstance(features, TokenArrays) else features
            yield (modality, *part.key), (found, kept, ranges)


def _overlap(_: int, ids: dict[str, set[str]], modalities: list[str]) -> Iterator[tuple[str, int]]:
    interacted = ids.get(ORIGIN, set())
    for modality in modalities:
        described = ids.get(modality, set())
        missed = near_miss(interacted, described)
        if missed is not None:
            raise differently_written(modality, *missed)
        yield modality, len(interacted & described)


def _require_overlap(modality: str, items: int) -> list[Any]:
    if items == 0:
        raise InvalidInputError(
            f'modality "{modality}": none of its items has an interaction. Write the same ids in both.'
        )
    return []


def _require_rows(_: Any, ids: list[str], rows: list[tuple[RawFile, int]]) -> list[Any]:
    for file, count in rows:
        for raw in ids:
            if not (raw.isdecimal() and raw == str(int(raw)) and int(raw) < count):
                raise no_such_row(file.shown, count, raw)
    return []
