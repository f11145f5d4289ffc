"""Columns of times of every type, read in the forms that their type allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tf_metammf.records.raw_files.time_forms import BILLION, FORMS, ReadTimes, read_number, reader_of_form

if TYPE_CHECKING:
    import pyarrow

GIVEN = "given"
"""The form of ``strptime`` that was given."""
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Units of dates and the digits after the point of a second that they have."""


def readings(column: pyarrow.ChunkedArray, written: str | None) -> dict[str, ReadTimes]:
    """A column read in every form that its type allows.

    Args:
        column: Text, numbers, timestamps or dates.
        written: A form of ``strptime`` that was given; then it is the only one.

    Returns:
        What was read, by form; nothing where the type cannot hold times.
    """
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values = pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)
    if types.is_timestamp(values.type) or types.is_date(values.type):
        return {"iso": _of_dates(values)}
    if types.is_floating(values.type) and written is None:
        return {"number": _of_floats(values)}
    if types.is_integer(values.type) and written is None:
        return {"number": _of_integers(values)}
    if types.is_decimal(values.type) and written is None:
        return {"number": read_number(values.cast(pyarrow.string()))}
    if types.is_binary(values.type) or types.is_large_binary(values.type):
        values = _as_text(values)
    is_text = types.is_string(values.type) or types.is_large_string(values.type) or types.is_string_view(values.type)
    if not (is_text or types.is_integer(values.type)):
        return {}
    text = values.cast(pyarrow.string())
    if written is not None:
        return {GIVEN: reader_of_form(written)(text)}
    return {form: read(text) for form, read in FORMS.items()}


def _as_text(values: pyarrow.Array) -> pyarrow.Array:
    import pyarrow

    try:
        return values.cast(pyarrow.string())
    except pyarrow.ArrowInvalid:
        return pyarrow.array([None] * len(values), pyarrow.string())


def _of_integers(values: pyarrow.Array) -> ReadTimes:
    import pyarrow

    fits = values.is_valid().to_numpy(zero_copy_only=False).copy()
    numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
    if pyarrow.types.is_uint64(values.type):
        fits &= numbers < 2**63
    whole = np.where(fits, numbers, 0).astype(np.int64)
    return ReadTimes(whole, np.zeros(len(whole), np.int64), fits, np.zeros(len(whole), bool))


def _of_floats(values: pyarrow.Array) -> ReadTimes:
    """Floats as the shortest decimals of up to 9 digits that are read as the same floats."""
    given = values.fill_null(np.nan).to_numpy(zero_copy_only=False)
    fits = np.isfinite(given)
    fits[fits] = np.abs(given[fits].astype(np.float64)) < 2.0**63
    sound = np.where(fits, given, 0).astype(np.float64)
    floor = np.floor(sound)
    fraction = sound - floor
    billionths = np.zeros(len(sound), np.int64)
    open_rows = fits & (fraction > 0)
    for digits in (3, 6, 9):
        rows = np.flatnonzero(open_rows)
        rounded = np.round(fraction[rows] * 10**digits)
        same = (floor[rows] + rounded / 10**digits).astype(given.dtype) == given[rows]
        billionths[rows[same]] = rounded[same].astype(np.int64) * 10 ** (9 - digits)
        open_rows[rows[same]] = False
    fits &= ~open_rows
    whole = floor.astype(np.int64) + billionths // BILLION
    return ReadTimes(np.where(fits, whole, 0), billionths % BILLION, fits, np.zeros(len(whole), bool))


def _of_dates(values: pyarrow.Array) -> ReadTimes:
    import pyarrow

    types = pyarrow.types
    fits = values.is_valid().to_numpy(zero_copy_only=False).copy()
    is_day = types.is_date32(values.type)
    unit = "ms" if types.is_date64(values.type) else getattr(values.type, "unit", "s")
    plain = values.cast(pyarrow.int32()) if is_day else values.cast(pyarrow.int64())
    numbers = plain.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    per_second = 10 ** DIGITS[unit]
    whole, rest = (numbers * 86_400, np.zeros_like(numbers)) if is_day else np.divmod(numbers, per_second)
    has_zone = types.is_timestamp(values.type) and values.type.tz is not None
    return ReadTimes(whole, rest * (BILLION // per_second), fits, fits & has_zone)
