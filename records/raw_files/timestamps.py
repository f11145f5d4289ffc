"""Columns of times, read in full precision: what they hold, how they are read, and what is stored.

Whole numbers are stored as they are. Where some time has a fraction, all are stored in thousandths, millionths or
billionths, the coarsest that holds them all; dates are stored since 1970 in UTC, in s, ms, us or ns likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.time_advice import leave_out, say_how
from tf_metammf.records.raw_files.time_forms import BILLION, FORMS, ReadTimes, read_number, reader_of_form

if TYPE_CHECKING:
    import pyarrow

_GIVEN = "given"
_UNITS = {0: "s", 3: "ms", 6: "us", 9: "ns"}


@dataclass(frozen=True)
class TimeFacts:
    """What some rows of a column of times hold; facts of several parts add up to those of the whole.

    Attributes:
        fits: Rows that each form reads.
        slashes: Rows that the forms with day and month in some order read together.
        orders_differ: Whether these orders give a row different times.
        digits: Digits after the point that each form needs: 0, 3, 6 or 9.
        aware: Rows of each form that say their offset from UTC.
        example: A time whose day and month may be either.
        strange: A value that no form reads.
    """

    fits: Counter[str] = field(default_factory=Counter)
    slashes: int = 0
    orders_differ: bool = False
    digits: dict[str, int] = field(default_factory=dict)
    aware: Counter[str] = field(default_factory=Counter)
    example: str | None = None
    strange: str | None = None


@dataclass(frozen=True)
class TimeReading:
    """How a column of times is read.

    Attributes:
        form: One of :data:`tf_metammf.records.raw_files.time_forms.FORMS`, or "given".
        digits: Digits after the point that are stored: 0, 3, 6 or 9.
        written: The form of ``strptime`` that was given.
    """

    form: str
    digits: int
    written: str | None = None

    @property
    def unit(self) -> str | None:
        """What is stored, for ``metadata.json``: the unit of dates since 1970, the fraction of numbers, else None."""
        if self.form == "number":
            return f"1/{10**self.digits}" if self.digits else None
        return _UNITS[self.digits]


def time_facts(column: pyarrow.ChunkedArray, written: str | None = None) -> TimeFacts:
    """What a column holds.

    Args:
        column: Text, numbers, timestamps or dates; missing values are passed over.
        written: A form of ``strptime`` that was given.
    """
    column = column.drop_null()
    read = _readings(column, written)
    some = [reading.fits for reading in read.values()]
    digits = {form: _digits(reading.billionths[reading.fits]) for form, reading in read.items()}
    facts = TimeFacts(
        fits=Counter({form: int(reading.fits.sum()) for form, reading in read.items()}),
        digits=digits,
        aware=Counter({form: int(reading.aware.sum()) for form, reading in read.items()}),
        strange=_value_at(column, ~np.any(some, axis=0)) if some else None,
    )
    if "day_first" not in read:
        return facts
    day, month = read["day_first"], read["month_first"]
    differ = day.fits & month.fits & (day.whole != month.whole)
    return TimeFacts(
        facts.fits,
        int((day.fits | month.fits).sum()),
        bool(differ.any()),
        facts.digits,
        facts.aware,
        _value_at(column, differ),
        facts.strange,
    )


def joined_facts(parts: Iterable[TimeFacts]) -> TimeFacts:
    """The facts of several parts, in the order of their rows, as those of the whole."""
    parts = list(parts)
    forms = {form for part in parts for form in part.digits}
    return TimeFacts(
        fits=_sum(part.fits for part in parts),
        slashes=sum(part.slashes for part in parts),
        orders_differ=any(part.orders_differ for part in parts),
        digits={form: max(part.digits.get(form, 0) for part in parts) for form in forms},
        aware=_sum(part.aware for part in parts),
        example=next((part.example for part in parts if part.example is not None), None),
        strange=next((part.strange for part in parts if part.strange is not None), None),
    )


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def time_reading(
    path: Path, name: str, facts: TimeFacts, written: str | None = None, *, source: str = "tabular"
) -> TimeReading:
    """Chooses how a column is read: in the form that reads most of its rows.

    Args:
        path: The file, for messages.
        name: The column.
        facts: What it holds.
        written: The form of ``strptime`` that was given.
        source: Name of the source, whose options messages name.

    Raises:
        InvalidInputError: No form reads any row, day and month may be either, or some times say their offset from UTC
            and some do not.
    """
    form = _GIVEN if written is not None and facts.fits[_GIVEN] else _form(path, name, facts, written, source)
    if 0 < facts.aware[form] < facts.fits[form]:
        raise InvalidInputError(
            f'{path}: column "{name}" has {facts.aware[form]} times with an offset from UTC and '
            f"{facts.fits[form] - facts.aware[form]} without; expected all or none. Write the offset of each, "
            f"{leave_out(source)}."
        )
    return TimeReading(form, facts.digits[form], written)


def read_times(column: pyarrow.ChunkedArray, reading: TimeReading) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Reads a column.

    Args:
        column: The column.
        reading: How; it holds all digits of the column.

    Returns:
        What is stored, int64 ``[n]``, and which rows have a time of this form, bool ``[n]``; the others are 0.

    Raises:
        InvalidInputError: A time in the unit that is stored is beyond 64 bits.
    """
    read = _readings(column, reading.written).get(reading.form)
    if read is None:
        return np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    factor = 10**reading.digits
    limit = 2**63 // factor - 1
    if factor > 1 and len(read.whole) and (read.whole.max() > limit or read.whole.min() < -limit):
        raise InvalidInputError(
            f"times from {read.whole.min()} to {read.whole.max()} with {reading.digits} digits after the point are "
            "beyond 64 bits. Round them."
        )
    return read.whole * factor + read.billionths // 10 ** (9 - reading.digits), read.fits


def _form(path: Path, name: str, facts: TimeFacts, written: str | None, source: str) -> str:
    families = {"number": facts.fits["number"], "iso": facts.fits["iso"], "slashes": facts.slashes}
    form = max(families, key=lambda family: families[family])
    if written is not None or not families[form]:
        expected = f'times as "{written}"' if written is not None else "numbers or dates"
        found = "" if facts.strange is None else f' such as "{facts.strange}"'
        raise InvalidInputError(
            f'{path}: column "{name}" holds values{found}, expected {expected}. '
            f"{say_how(source, '%d %b %Y %H:%M')}, {leave_out(source)}."
        )
    if form != "slashes":
        return form
    orders = [order for order in ("day_first", "month_first") if facts.fits[order] == facts.slashes]
    if len(orders) == 1 or (orders and not facts.orders_differ):
        return orders[0]
    if orders:
        raise InvalidInputError(
            f'{path}: column "{name}" may have the day first or the month first, as in "{facts.example}"; every row '
            f"fits both. {say_how(source, '%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M')}."
        )
    raise InvalidInputError(
        f'{path}: column "{name}" has the day first in some rows and the month first in others. Use one order, '
        f"{leave_out(source)}."
    )


def _digits(billionths: NDArray[np.int64]) -> int:
    """The coarsest of thousandths, millionths and billionths that holds all of them, or 0 where there are none."""
    return next(digits for digits in _UNITS if not (billionths % 10 ** (9 - digits)).any())


def _value_at(column: pyarrow.ChunkedArray, rows: NDArray[np.bool_]) -> str | None:
    return str(column[int(np.argmax(rows))].as_py()) if rows.any() else None


def _readings(column: pyarrow.ChunkedArray, written: str | None) -> dict[str, ReadTimes]:
    """The column read in every form that its type allows."""
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
        return {_GIVEN: reader_of_form(written)(text)}
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
    per_second = next(10**digits for digits, name in _UNITS.items() if name == unit)
    whole, rest = (numbers * 86_400, np.zeros_like(numbers)) if is_day else np.divmod(numbers, per_second)
    has_zone = types.is_timestamp(values.type) and values.type.tz is not None
    return ReadTimes(whole, rest * (BILLION // per_second), fits, fits & has_zone)
