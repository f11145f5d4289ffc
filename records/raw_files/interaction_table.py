"""Interactions with raw ids in a table, and the data they make together with features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.raw_files.dense_ids import (
    IdColumn,
    id_column,
    in_order,
    is_blank,
    rows_with_id,
    with_utf8,
)
from tf_metammf.records.raw_files.id_spelling import OddIds, differently_written, near_miss
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.split_columns import EXPECTED_SPLITS, has_no_split, split_labels
from tf_metammf.records.raw_files.split_names import with_split, with_split_column
from tf_metammf.records.raw_files.tables import ColumnKind, Table, joined, require_same_columns
from tf_metammf.records.raw_files.time_columns import lacks_time, with_times
from tf_metammf.records.raw_files.timestamps import (
    TimeReading,
    joined_facts,
    notes_on_times,
    provenance_of_times,
    time_facts,
    time_reading,
)
from tf_metammf.records.raw_files.weight_columns import WEIGHT_OF_ROW, with_weights
from tf_metammf.records.raw_files.weight_formula import WeightFormula


@dataclass(frozen=True)
class InteractionColumns:
    """Which column of a table is what; None where there is none. Weights may be made of several columns."""

    user: str
    item: str
    rating: str | None = None
    timestamp: str | None = None
    split: str | None = None
    weight: WeightFormula | None = None

    def kinds(self) -> dict[str, ColumnKind]:
        """What these columns hold, by name, for reading them from text."""
        others: dict[str | None, ColumnKind] = {self.rating: "number", self.timestamp: "time", self.split: "id"}
        if self.weight is not None:
            others |= dict.fromkeys(self.weight.columns, "number")
        of_ids: dict[str, ColumnKind] = {self.user: "id", self.item: "id"}
        return of_ids | {name: kind for name, kind in others.items() if name is not None}


@dataclass(frozen=True)
class NamedInteractions:
    """Interactions by raw id, before ids are dense.

    Attributes:
        user: Raw user ids.
        item: Raw item ids.
        rating: float32 ``[n]``, or None.
        timestamp: int64 ``[n]``, or None.
        split: Position in ``SPLITS``, int64 ``[n]``, or None.
        times: How times were read, None where there are none.
        weight: float32 ``[n]``, or None.
    """

    user: IdColumn
    item: IdColumn
    rating: NDArray[np.float32] | None
    timestamp: NDArray[np.int64] | None
    split: NDArray[np.int64] | None
    times: TimeReading | None = None
    weight: NDArray[np.float32] | None = None


def interactions_from_tables(
    tables: Sequence[Table],
    columns: InteractionColumns,
    *,
    splits: Sequence[str] | None = None,
    bad_rows: BadRows | None = None,
    timestamp_format: str | None = None,
    source: str = "tabular",
) -> NamedInteractions:
    """Takes the columns of tables, which are parts of one, as interactions.

    Args:
        tables: The parts, in order.
        columns: Which column is what; none is one of splits if the parts are splits.
        splits: The split of every part, if the parts are splits.
        bad_rows: What to do with rows that cannot be read; by default the first one is an error.
        timestamp_format: How times are written, as ``strptime`` takes it; recognised by default.
        source: Name of the source, whose options messages name.

    Raises:
        InvalidInputError: A column does not hold what it has to, or no row can be read.
    """
    bad_rows = bad_rows or BadRows()
    tables, times = readable_rows(tables, columns, bad_rows, timestamp_format=timestamp_format, source=source)
    if splits is not None:
        tables = [with_split(table, split) for table, split in zip(tables, splits, strict=True)]
        columns = with_split_column(columns)
    whole = joined([table for table in tables if len(table)])
    return interactions_from_table(whole, columns, times=times)


def readable_rows(
    tables: Sequence[Table],
    columns: InteractionColumns,
    bad_rows: BadRows,
    *,
    timestamp_format: str | None = None,
    source: str,
) -> tuple[list[Table], TimeReading | None]:
    """The rows with ids, weights and times that can be read; see :func:`interactions_from_tables`.

    Returns:
        The tables with these rows, at least one in all, times as int64, weights in a column of their own; and how times
        were read, or None.

    Raises:
        InvalidInputError: A row cannot be read and is not to be left out, or none can be read.
    """
    require_same_columns(tables)
    tables = [with_ids(table, columns, bad_rows, source=source) for table in tables]
    if columns.weight is not None:
        tables = [with_weights(table, columns.weight, bad_rows) for table in tables]
    reading = None
    if columns.timestamp is not None and any(map(len, tables)):
        facts = joined_facts(time_facts(table.columns[columns.timestamp], timestamp_format) for table in tables)
        reading = time_reading(tables[0].path, columns.timestamp, facts, timestamp_format, source=source)
        tables = [with_times(table, columns.timestamp, reading, bad_rows, source=source) for table in tables]
    if not any(map(len, tables)):
        raise bad_rows.none_left()
    return tables, reading


def interactions_from_table(
    table: Table, columns: InteractionColumns, *, times: TimeReading | None = None
) -> NamedInteractions:
    """Takes the columns of a table, all of whose rows can be read, as interactions."""
    return NamedInteractions(
        user=id_column(table, columns.user),
        item=id_column(table, columns.item),
        rating=None if columns.rating is None else table.numbers(columns.rating),
        timestamp=None if columns.timestamp is None else table.integers(columns.timestamp),
        split=None if columns.split is None else split_labels(table, columns.split),
        times=times,
        weight=None if columns.weight is None else table.numbers(WEIGHT_OF_ROW),
    )


def with_ids(table: Table, columns: InteractionColumns, bad_rows: BadRows, *, source: str = "tabular") -> Table:
    """The rows that have a user, an item and, where there are such columns, something for a time and a known split.

    Args:
        table: Some interactions.
        columns: Which column is what.
        bad_rows: Takes the other rows.
        source: Name of the source, whose options messages name.

    Raises:
        InvalidInputError: There are others, and they are not to be left out.
    """
    for name in (columns.user, columns.item, columns.split):
        table = table if name is None else with_utf8(table, name, bad_rows)
    found: list[BadRow] = []
    sound = np.ones(len(table), bool)

    def leave_out(rows: NDArray[np.bool_], kind: str, reason: str, shown: str | None = None) -> None:
        found.extend(table.bad_rows(np.flatnonzero(rows & sound), kind, reason, shown=shown))
        sound[rows] = False

    names = {"user": columns.user, "item": columns.item}
    of_role = {role: rows_with_id(table, name, name.__eq__, is_blank, _has_line_break) for role, name in names.items()}
    header = of_role["user"][0] & of_role["item"][0]
    leave_out(header, "header once more", "repeats the header, as files do that were laid end to end")
    for role, name in names.items():
        _, blank, broken = of_role[role]
        leave_out(table.missing(name) | blank, f"no {role}", f'column "{name}" has no id')
        leave_out(broken, f"line break in {role}", f'column "{name}" has a line break in its id')
    if columns.timestamp is not None:
        leave_out(lacks_time(table, columns.timestamp), "no time", f'column "{columns.timestamp}" has no time')
    if columns.split is not None:
        or_none = ", or '' for none" if source == "tabular" else ""
        reason = (
            f'column "{columns.split}" holds "{{}}"; {EXPECTED_SPLITS} (name another column with '
            f"--{source}.split_column{or_none})"
        )
        leave_out(has_no_split(table, columns.split), "unknown split", reason, columns.split)
    bad_rows.add(found)
    return table.filtered(sound)


def _has_line_break(raw: str) -> bool:
    return "\n" in raw or "\r" in raw


def raw_data(
    name: str,
    named: NamedInteractions,
    features: Mapping[str, NamedFeatures],
    *,
    provenance: dict[str, object],
    rows_read: int | None = None,
    rows_rejected: dict[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> RawData:
    """Numbers users and items from 0 and puts interactions and features together.

    Dense ids follow the order of :func:`tf_metammf.records.raw_files.dense_ids.in_order`, whatever the
    order of the rows. Items with features and no interaction are kept, as are items without
    features.

    Args:
        name: A short name of the data set.
        named: The interactions.
        features: By modality name.
        provenance: What was read.
        rows_read: Rows of interactions in the raw files.
        rows_rejected: Those that were left out, by reason.
        notes: What the user should know, a sentence each.

    Returns:
        The data, with splits where the interactions have them.

    Raises:
        InvalidInputError: No item of a modality has an interaction, or the same item is written differently there.
    """
    for modality, of_modality in features.items():
        _check_overlap(modality, of_modality, named.item)
    user_ids = in_order(named.user.distinct)
    item_ids = in_order(chain(named.item.distinct, *(of_modality.item_ids for of_modality in features.values())))
    interactions = Interactions(
        user=named.user.dense(user_ids),
        item=named.item.dense(item_ids),
        timestamp=named.timestamp,
        rating=named.rating,
        weight=named.weight,
    )
    ids = {"user": named.user, "item": named.item}
    splits = None
    if named.split is not None:
        splits = {split: interactions.take(named.split == label) for label, split in enumerate(SPLITS)}
    return RawData(
        name=name,
        user_ids=user_ids,
        item_ids=item_ids,
        interactions=interactions,
        modalities={modality: of_modality.by_dense_id(item_ids) for modality, of_modality in features.items()},
        splits=splits,
        provenance=provenance | provenance_of_times(named.times),
        rows_read=rows_read,
        rows_rejected=rows_rejected or {},
        notes=(
            *notes,
            *notes_on_times(named.times),
            *(note for kind in ids for note in OddIds.among(ids[kind].distinct).notes(kind)),
        ),
    )


def _check_overlap(modality: str, features: NamedFeatures, interacted: IdColumn) -> None:
    if len(features.item_ids) and set(interacted.distinct).isdisjoint(features.item_ids):
        raise InvalidInputError(
            f'modality "{modality}": none of its {len(features.item_ids)} items ("{features.item_ids[0]}", ...) has an '
            f'interaction; the interactions have items such as "{interacted.distinct[0]}". Write the same ids in both.'
        )
    missed = near_miss(set(interacted.distinct), set(features.item_ids))
    if missed is not None:
        raise differently_written(modality, *missed)
