"""Columns of times in tables of raw data."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_files.tables import Table
from tf_metammf.records.raw_files.time_advice import leave_out, say_how
from tf_metammf.records.raw_files.timestamps import TimeReading, read_times
from tf_metammf.records.raw_files.unix_times import UNITS, unit_of


def lacks_time(table: Table, name: str) -> NDArray[np.bool_]:
    """Which rows have no time, or an empty text, in a column; bool ``[n]``."""
    import pyarrow
    import pyarrow.compute

    lacking = table.missing(name).copy()
    column = table.columns[name]
    if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
        empty = pyarrow.compute.equal(pyarrow.compute.utf8_trim_whitespace(column), "")
        lacking |= pyarrow.compute.fill_null(empty, True).to_numpy()
    return lacking


def with_times(table: Table, name: str, reading: TimeReading, bad_rows: BadRows, *, source: str = "tabular") -> Table:
    """The table with a column of times read as whole numbers, int64.

    Args:
        table: A table.
        name: The column.
        reading: How it is read.
        bad_rows: Takes the rows whose times cannot be read.
        source: Name of the source, whose options messages name.

    Returns:
        The other rows.

    Raises:
        InvalidInputError: A time cannot be read and is not to be left out, one is in another unit than most and is not
            to be left out, or one is beyond 64 bits.
    """
    import pyarrow

    try:
        times, fits = read_times(table.columns[name], reading)
    except InvalidInputError as error:
        raise InvalidInputError(f'{table.path}: column "{name}": {error}') from error
    reason = (
        f'column "{name}" has "{{}}", which is not a time, has more than 64 bits or 9 digits after the point, or is '
        f"written otherwise than in other rows. {say_how(source)}, {leave_out(source)}"
    )
    bad_rows.add(table.bad_rows(np.flatnonzero(~fits), "unreadable time", reason, shown=name))
    if reading.numbers_in is not None:
        bad_rows.add(_in_other_units(table, name, times // 10**reading.digits, fits, reading.numbers_in))
    columns = table.columns.set_column(table.names.index(name), name, pyarrow.array(times))
    return replace(table, columns=columns).filtered(fits)


def _in_other_units(
    table: Table, name: str, numbers: NDArray[np.int64], fits: NDArray[np.bool_], expected: str
) -> list[BadRow]:
    """The rows whose Unix times are in another unit than the others, which ``fits`` then leaves out."""
    names = list(UNITS)
    unit = unit_of(numbers)
    found: list[BadRow] = []
    for place, other in enumerate(names):
        rows = np.flatnonzero(fits & (unit == place))
        if other == expected or not len(rows):
            continue
        reason = (
            f'column "{name}" has "{{}}", a time in {other}, but most of its times are in {expected}. Write all '
            "of them in one unit"
        )
        found += table.bad_rows(rows, "time in another unit", reason, shown=name)
        fits[rows] = False
    return found
