"""Preferences in a log: rows of one kind chosen over rows of another kind, of the same user and near in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.preference_rule import PreferenceRule
from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.raw_files.delimited_text import TextFormat
from tf_metammf.records.raw_files.dense_ids import id_column
from tf_metammf.records.raw_files.interaction_table import InteractionColumns, readable_rows
from tf_metammf.records.raw_files.table_files import column_names, read_columns
from tf_metammf.records.raw_files.tables import ColumnKind, Table, joined, listed
from tf_metammf.records.raw_files.timestamps import TimeReading
from tf_metammf.records.raw_files.unix_times import UNITS

MOST_REJECTED = 20
"""Rejected items that a chosen one is paired with: the nearest in time, or some of all where time does not matter."""

_LEFT_OUT = "left out of the preferences"


@dataclass(frozen=True)
class LogFile:
    """A file of a log, and how it is delimited if it is text."""

    path: Path
    text: TextFormat | None = None


def preferences_from_logs(
    files: Sequence[LogFile],
    columns: InteractionColumns,
    rule: PreferenceRule,
    *,
    timestamp_format: str | None = None,
    source: str = "tabular",
    bad_rows: BadRows | None = None,
    listed_before: Sequence[BadRow] = (),
) -> NamedPreferences:
    """The preferences that a rule finds in a log.

    Each chosen item of a user is paired with the rejected items of the same user, at most :data:`MOST_REJECTED` of
    them. An item that a user has rows of both kinds with is chosen. The time of a rule is in the unit of the column of
    times, where its numbers are Unix times or dates; other numbers count as seconds.

    Args:
        files: The files.
        columns: Which column is the user, the item and the time.
        rule: The rule.
        timestamp_format: How times are written, as ``strptime`` takes it; recognised by default.
        source: Name of the source, whose options messages name.
        bad_rows: What to do with rows that are left out of the preferences, because a column of the rule holds no
            number; by default the first text there is an error, and an empty value is on neither side.
        listed_before: Rows that were left out of the interactions, which ``bad_rows`` does not get again.

    Raises:
        InvalidInputError: A column of the rule is missing or has a value that is not a number, the rule asks for times
            and there are none, or the rule finds nothing.
    """
    wanted = _columns(files[0], columns, rule)
    kinds: dict[str, ColumnKind] = {**wanted.kinds(), **dict.fromkeys(rule.columns, "number")}
    if wanted.timestamp is not None and wanted.timestamp not in rule.columns:
        kinds[wanted.timestamp] = "time"
    bad_rows = bad_rows or BadRows()
    unreadable = BadRows(skip=bad_rows.skip)
    tables = [read_columns(each.path, kinds, text=each.text, bad_rows=unreadable) for each in files]
    others = BadRows(skip=True, rejected=[*unreadable.rejected])
    tables, reading = readable_rows(tables, wanted, others, timestamp_format=timestamp_format, source=source)
    table = joined([each for each in tables if len(each)])
    values = _values(table, rule)
    chosen, rejected = rule.sides(values, len(table))
    if bad_rows.skip:
        left_out = [replace(row, kind=_LEFT_OUT) for row in unreadable.rejected]
        left_out += [row for each in tables if len(each) for row in _rows_without_number(each, rule)]
        before = {(row.file, row.record) for row in listed_before}
        bad_rows.add(row for row in left_out if (row.file, row.record) not in before)
    users, items = id_column(table, columns.user), id_column(table, columns.item)
    time = None if wanted.timestamp is None else table.integers(wanted.timestamp)
    apart = None if rule.seconds is None or reading is None else rule.seconds * _ticks(reading)
    pairs = _pairs(users.codes, items.codes, time, chosen=chosen, rejected=rejected, apart=apart)
    if not pairs:
        raise InvalidInputError(
            f'{files[0].path}: the rule "{rule.text}" finds no preference: {int(chosen.sum()):,} rows are chosen, '
            f"{int(rejected.sum()):,} rejected, and no user has both"
            f"{' near enough in time' if rule.seconds is not None else ''}. Change the rule."
        )
    return NamedPreferences(
        user=[users.distinct[user] for user, _, _ in pairs],
        chosen=[items.distinct[item] for _, item, _ in pairs],
        rejected=[[items.distinct[item] for item in others] for _, _, others in pairs],
    )


def _columns(file: LogFile, columns: InteractionColumns, rule: PreferenceRule) -> InteractionColumns:
    found = column_names(file.path, file.text)
    for name in rule.columns:
        if name not in found:
            raise InvalidInputError(
                f'{file.path}: preferences is "{rule.text}", but there is no column "{name}"; the columns are '
                f"{listed(found)}. Name one of these."
            )
        if name in (columns.user, columns.item, columns.timestamp):
            raise InvalidInputError(
                f'{file.path}: preferences is "{rule.text}", but the column "{name}" holds users, items or times. '
                "Compare columns of numbers."
            )
    if rule.seconds is not None and columns.timestamp is None:
        raise InvalidInputError(
            f'{file.path}: preferences is "{rule.text}", but there is no column of times. Leave the time out of the '
            f"rule, or name the column."
        )
    return replace(columns, rating=None, split=None, weight=None)


def _values(table: Table, rule: PreferenceRule) -> dict[str, NDArray[np.float64]]:
    return {name: table.numbers_of_64_bits(name) for name in rule.columns}


def _rows_without_number(table: Table, rule: PreferenceRule) -> list[BadRow]:
    """Rows that are on neither side because a column of the rule has no number there."""
    values, found = _values(table, rule), []
    open_rows = rule.undecided(values, len(table))
    for name, column in values.items():
        here = open_rows & np.isnan(column)
        found += table.bad_rows(np.flatnonzero(here), _LEFT_OUT, f'column "{name}" has no number')
        open_rows &= ~here
    return found


def _ticks(reading: TimeReading) -> int:
    """How many of the numbers that times are stored as are a second."""
    unit = 1 if reading.numbers_in is None else UNITS[reading.numbers_in]
    return int(unit * 10**reading.digits)


Pair = tuple[int, int, list[int]]
"""A user, the chosen item and the rejected ones, as codes."""


def _pairs(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    time: NDArray[np.int64] | None,
    *,
    chosen: NDArray[np.bool_],
    rejected: NDArray[np.bool_],
    apart: float | None,
) -> list[Pair]:
    ever_chosen = np.unique(_keys(user[chosen], item[chosen], item))
    rejected = rejected & ~chosen & ~np.isin(_keys(user, item, item), ever_chosen)
    when = np.zeros(len(user), np.int64) if time is None else time
    order = np.lexsort((item, when, user))
    both = np.intersect1d(user[chosen], user[rejected])
    winners, losers = order[chosen[order]], order[rejected[order]]
    of_winners, of_losers = user[winners], user[losers]
    found: list[Pair] = []
    for one in both.tolist():
        mine = winners[slice(*np.searchsorted(of_winners, [one, one + 1]))]
        others = losers[slice(*np.searchsorted(of_losers, [one, one + 1]))]
        times = when[others]
        _, first = np.unique(item[mine], return_index=True)
        for row in mine[np.sort(first)].tolist():
            near = _near(times, int(when[row]), apart)
            if len(near):
                found.append((one, int(item[row]), list(dict.fromkeys(item[others[near]].tolist()))))
    return found


def _near(times: NDArray[np.int64], time: int, apart: float | None) -> NDArray[np.int64]:
    """Positions of the rejected rows that a chosen one is paired with; the times are ascending."""
    if apart is None:
        return np.unique(np.linspace(0, len(times) - 1, min(len(times), MOST_REJECTED)).astype(np.int64))
    begin = int(np.searchsorted(times, time - apart, "left"))
    end = int(np.searchsorted(times, time + apart, "right"))
    # As many on either side have the nearest among them, so a long history is not sorted for every row of it.
    middle = int(np.searchsorted(times, time, "left"))
    if middle - begin > MOST_REJECTED:
        begin = max(begin, int(np.searchsorted(times, times[middle - MOST_REJECTED], "left")))
    end = min(end, middle + MOST_REJECTED)
    distance = np.abs(times[begin:end] - time)
    return begin + np.sort(np.argsort(distance, kind="stable")[:MOST_REJECTED])


def _keys(user: NDArray[np.int64], item: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
    return user * (int(items.max(initial=0)) + 1) + item
