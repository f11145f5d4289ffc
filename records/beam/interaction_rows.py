"""Interactions of a table, read in parts, with dense ids and the place of every row in the whole table."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.beam.columns import Columns, collected, length, of_parts, starts, take
from tf_metammf.records.beam.raw_parts import RawFile, RawPart, parts_of
from tf_metammf.records.beam.rejected_rows import REJECTED, rejected_entries
from tf_metammf.records.beam.table_parts import read_table
from tf_metammf.records.beam.vocabulary import look_up
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.raw_files.dense_ids import IdColumn
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, interactions_from_table, with_ids
from tf_metammf.records.raw_files.split_names import with_split
from tf_metammf.records.raw_files.tables import Table
from tf_metammf.records.raw_files.time_columns import with_times
from tf_metammf.records.raw_files.timestamps import TimeFacts, TimeReading, joined_facts, time_facts, time_reading
from tf_metammf.records.raw_files.weight_columns import with_weights

ORIGIN = ""
"""What the keys of batches of interactions begin with; those of features begin with the modality."""


def read_interactions(
    pipeline: beam.Pipeline,
    files: Sequence[RawFile],
    columns: InteractionColumns,
    *,
    splits: Sequence[str] | None = None,
    part_bytes: int,
    timestamp_format: str | None = None,
    skip: bool = False,
) -> "tuple[beam.PCollection[Any], Any, list[beam.PCollection[Any]]]":
    """Reads the parts of a table of interactions.

    How times are written is known when all parts were looked at, so they are read in a second step.

    Args:
        pipeline: The pipeline.
        files: The files of the table, numbered in the order of its rows.
        columns: Which column is what; its split is the one of :func:`with_split` if the files are splits.
        splits: The split of every file, if the files are splits.
        part_bytes: Bytes of text that are read at once.
        timestamp_format: How times are written, as ``strptime`` takes it; recognised by default.
        skip: Whether rows that cannot be read are left out; else the first that a worker finds is an error.

    Returns:
        By key of the part ``{"user": distinct ids, "item": distinct ids}`` and the columns, whose users and items
        are places among these ids; how times are read, a side input, None where there are none; and entries of the
        kind "rejected" for the rows that were left out.
    """
    outputs = (
        pipeline
        | "interactions: files" >> beam.Create(list(files))
        | "interactions: parts" >> beam.FlatMap(parts_of, part_bytes=part_bytes)
        | "interactions: spread" >> beam.Reshuffle()
        | "interactions: read" >> beam.FlatMap(_read, columns, splits, skip).with_outputs(REJECTED, main="read")
    )
    read, rejected = outputs["read"], [outputs[REJECTED]]
    if columns.timestamp is None:
        return read, None, rejected
    facts = read | "times: facts" >> beam.Map(of_parts(_facts), columns.timestamp, timestamp_format)
    reading = collected(facts, "times", _time_reading, files[0].shown, columns.timestamp, timestamp_format)
    times = read | "times: read" >> beam.FlatMap(of_parts(_with_times), columns.timestamp, reading, skip).with_outputs(
        REJECTED, main="read"
    )
    return times["read"], reading, [*rejected, times[REJECTED]]


def with_dense_ids(
    read: "beam.PCollection[Any]", users: "beam.PCollection[Any]", items: "beam.PCollection[Any]", *, partitions: int
) -> "beam.PCollection[Columns]":
    """Gives interactions their dense ids and their order.

    Args:
        read: What :func:`read_interactions` returns.
        users: The vocabulary of users, as :func:`tf_metammf.records.beam.vocabulary.numbered` returns it.
        items: That of items.
        partitions: Number of parts of the vocabularies.

    Returns:
        Batches of user, item, order and, where the table has them, timestamp, rating, weight and split. The order is
        that of all interactions before filtering: by split, where the table has splits, then by row.
    """
    counts = read | "rows: count" >> beam.MapTuple(lambda key, batch: (("", key[1:]), length(batch["columns"])))
    before = collected(counts, "rows", _rows_before)
    found = {"read": read}
    for role, numbers in (("user", users), ("item", items)):
        names = read | f"{role}s: ids of batches" >> beam.Map(of_parts(_ids_of), role)
        found[role] = look_up(names, numbers, f"{role}s", partitions=partitions)
    return found | "rows: meet ids" >> beam.CoGroupByKey() | "rows: dense ids" >> beam.Map(_dense, before)


def ids_of(read: "beam.PCollection[Any]", role: str) -> "beam.PCollection[Any]":
    """The distinct raw ids of users or items in every batch."""
    return read | f"{role}s: ids read" >> beam.Map(of_parts(_ids_of), role)


def _read(part: RawPart, columns: InteractionColumns, splits: Sequence[str] | None, skip: bool) -> Iterator[Any]:
    in_file = columns if splits is None else replace(columns, split=None)
    bad_rows = BadRows(skip=skip)
    table = read_table(part, in_file.kinds(), bad_rows)
    table = None if table is None else with_ids(table, in_file, bad_rows)
    if table is not None and columns.weight is not None:
        table = with_weights(table, columns.weight, bad_rows)
    yield from rejected_entries(ORIGIN, bad_rows)
    if table is None or not len(table):
        return
    if splits is not None:
        table = with_split(table, splits[part.file.number])
    named = interactions_from_table(table, replace(columns, timestamp=None))
    batch: Columns = {"user": named.user.codes, "item": named.item.codes}
    optional = {"rating": named.rating, "split": named.split, "weight": named.weight}
    batch.update({name: column for name, column in optional.items() if column is not None})
    found: dict[str, Any] = {"columns": batch, "user": named.user.distinct, "item": named.item.distinct}
    if columns.timestamp is not None:
        found["times"] = replace(table, columns=table.columns.select([columns.timestamp]))
    yield (ORIGIN, *part.key), found


def _facts(key: Any, batch: dict[str, Any], name: str, written: str | None) -> tuple[Any, TimeFacts]:
    return key, time_facts(batch["times"].columns[name], written)


def _time_reading(facts: list[tuple[Any, TimeFacts]], path: Path, name: str, written: str | None) -> TimeReading:
    if not facts:
        raise _no_rows()
    ordered = [found for _, found in sorted(facts, key=lambda entry: entry[0])]
    return time_reading(path, name, joined_facts(ordered), written)


def _records(table: Table) -> NDArray[np.int64]:
    """Which record of its file every row of a part is."""
    assert table.records is not None, "a part knows where its rows stand"
    return table.records


def _with_times(key: Any, batch: dict[str, Any], name: str, reading: TimeReading, skip: bool) -> Iterator[Any]:
    bad_rows = BadRows(skip=skip)
    read = with_times(batch["times"], name, reading, bad_rows)
    yield from rejected_entries(ORIGIN, bad_rows)
    if not len(read):
        return
    left = np.isin(_records(batch["times"]), _records(read))
    columns = take(batch["columns"], left)
    found: dict[str, Any] = {"columns": {**columns, "timestamp": read.integers(name)}}
    for role in ("user", "item"):  # without ids of rows that were left out
        used = IdColumn(batch[role], columns[role]).without_unused()
        found[role] = used.distinct
        found["columns"][role] = used.codes
    yield key, found


def _ids_of(key: Any, batch: dict[str, Any], role: str) -> tuple[Any, list[str]]:
    return key, batch[role]


def _rows_before(counts: list[tuple[Any, int]]) -> dict[str, Any]:
    if not counts:
        raise _no_rows()
    places = starts(counts)[""]
    return {"before": {key: before for key, (before, _) in places.items()}, "rows": sum(count for _, count in counts)}


def _no_rows() -> InvalidInputError:
    return InvalidInputError("the interactions have no row that can be read. Fetch or write the files again.")


def _dense(entry: tuple[Any, dict[str, Any]], rows: dict[str, Any]) -> Columns:
    key, found = entry
    (batch,), (users,), (items,) = found["read"], found["user"], found["item"]
    columns: Columns = batch["columns"]
    order = np.arange(length(columns)) + rows["before"][key[1:]]
    if "split" in columns:
        order += columns["split"] * rows["rows"]
    assert len(SPLITS) * rows["rows"] < 2**62
    return {**columns, "user": users[columns["user"]], "item": items[columns["item"]], "order": order}
