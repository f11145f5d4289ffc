"""Columns of times in tables of raw data."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.tables import Table
from tf_metammf.records.raw_files.time_advice import leave_out, say_how
from tf_metammf.records.raw_files.timestamps import TimeReading, read_times


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
        InvalidInputError: A time cannot be read and is not to be left out, or one is beyond 64 bits.
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
    columns = table.columns.set_column(table.names.index(name), name, pyarrow.array(times))
    return replace(table, columns=columns).filtered(fits)
