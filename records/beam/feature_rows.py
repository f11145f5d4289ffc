"""Features of items, read row by row in parts, with dense ids."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.beam.columns import collected, of_parts
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
from tf_metammf.records.raw_files.feature_columns import feature_rows, no_features
from tf_metammf.records.raw_files.feature_tables import feature_columns, no_such_row
from tf_metammf.records.raw_files.id_spelling import differently_written, near_miss
from tf_metammf.records.thinned_tokens import MOST_TOKENS, thinned
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.value_ranges import ValueRanges


class FeatureShape(NamedTuple):
    """What the features of a modality are like, over all its rows.

    Attributes:
        width: Values of an item, or of each of its tokens.
        dtype: The type they were read as.
        has_tokens: Whether items have token sequences.
        has_times: Whether these have times.
        rows: Items of the file.
        tokens: Tokens of all of them, after thinning.
        most: Tokens of the longest sequence.
    """

    width: int
    dtype: str
    has_tokens: bool = False
    has_times: bool = False
    rows: int = 0
    tokens: int = 0
    most: int = 0

    @classmethod
    def of(cls, features: Any) -> "FeatureShape":
        """That of some rows."""
        width, dtype = features.shape[1], str(features.dtype)
        if not isinstance(features, TokenArrays):
            return cls(width, dtype)
        lengths = features.lengths
        return cls(width, dtype, True, features.has_times, len(lengths), int(lengths.sum()), features.most)

    def joined(self, other: "FeatureShape") -> "FeatureShape":
        """That of both, which are of one kind."""
        rows, tokens = self.rows + other.rows, self.tokens + other.tokens
        return self._replace(rows=rows, tokens=tokens, most=max(self.most, other.most))

    @property
    def kind(self) -> tuple[int, str, bool, bool]:
        """What has to be the same in all rows."""
        return self.width, self.dtype, self.has_tokens, self.has_times


Shapes = dict[str, FeatureShape]
"""By modality."""


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


def shapes(features: "beam.PCollection[Any]", files: Mapping[str, RawFile], label: str = "shapes") -> Any:
    """The :data:`Shapes` of all modalities, as a side input; different widths are an error of the pipeline."""
    found = features | f"{label}: of parts" >> beam.MapTuple(
        lambda key, rows: (key[0], FeatureShape.of(rows[1]), rows[0][0])
    )
    return collected(found | f"{label}: distinct" >> beam.CombineGlobally(_JoinedShapes()), label, _shapes, dict(files))


def shapes_written(features: "beam.PCollection[Any]", files: Mapping[str, RawFile]) -> "beam.PCollection[Any]":
    """Entries of the kind "shape" for what is written of every modality."""
    return (
        features.pipeline
        | "shapes: once" >> beam.Create([None])
        | "shapes: entries" >> beam.FlatMap(_shape_entries, shapes(features, files, "written shapes"))
    )


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


def _shape_entries(_: None, found: Shapes) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    for modality, shape in sorted(found.items()):
        yield "shape", modality, 0, shape._asdict()


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


_Accumulated = dict[tuple[Any, ...], tuple[FeatureShape, str]]
"""By modality and kind: the shape of all rows so far, and one of the items."""


class _JoinedShapes(beam.CombineFn):
    """Joins the shapes of every modality that are of one kind, and keeps an item of each."""

    def create_accumulator(self) -> _Accumulated:
        return {}

    def add_input(self, accumulator: _Accumulated, element: tuple[str, FeatureShape, str]) -> _Accumulated:
        modality, shape, item = element
        return self.merge_accumulators([accumulator, {(modality, *shape.kind): (shape, item)}])

    def merge_accumulators(self, accumulators: Any) -> _Accumulated:
        merged: _Accumulated = {}
        for accumulator in accumulators:
            for key, (shape, item) in accumulator.items():
                merged[key] = (merged[key][0].joined(shape), merged[key][1]) if key in merged else (shape, item)
        return merged

    def extract_output(self, accumulator: _Accumulated) -> _Accumulated:
        return accumulator


def _shapes(found: list[_Accumulated], files: dict[str, RawFile]) -> Shapes:
    shapes: Shapes = {}
    for (modality, *_), (shape, item) in sorted(entry for each in found for entry in each.items()):
        if shapes.setdefault(modality, shape).width != shape.width:
            raise InvalidInputError(
                f'{files[modality].path}: has {shape.width} values for item "{item}", others have '
                f"{shapes[modality].width}. Fix the record."
            )
    for modality, file in files.items():
        if modality not in shapes:
            raise no_features(file.shown, ["its columns"])
    return shapes


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
