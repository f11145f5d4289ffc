"""Columns of times, read in full precision: what they hold, how they are read, and what is stored.

Whole numbers are stored as they are. Where some time has a fraction, all are stored in thousandths, millionths or
billionths, the coarsest that holds them all; dates are stored since 1970 in UTC, in s, ms, us or ns likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.time_advice import leave_out, say_how
from tf_metammf.records.raw_files.time_forms import ReadTimes
from tf_metammf.records.raw_files.time_values import DIGITS, GIVEN, readings
from tf_metammf.records.raw_files.unix_times import Eras, joined_eras, most_frequent_unit

if TYPE_CHECKING:
    import pyarrow

_UNITS = {digits: unit for unit, digits in DIGITS.items()}


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
        eras: Where the times of each form lie.
    """

    fits: Counter[str] = field(default_factory=Counter)
    slashes: int = 0
    orders_differ: bool = False
    digits: dict[str, int] = field(default_factory=dict)
    aware: Counter[str] = field(default_factory=Counter)
    example: str | None = None
    strange: str | None = None
    eras: dict[str, Eras] = field(default_factory=dict)


@dataclass(frozen=True)
class TimeReading:
    """How a column of times is read.

    Attributes:
        form: One of :data:`tf_metammf.records.raw_files.time_forms.FORMS`, or "given".
        digits: Digits after the point that are stored: 0, 3, 6 or 9.
        written: The form of ``strptime`` that was given.
        numbers_in: The unit of Unix times that numbers are in, for the most part; None where they are none, and of
            dates.
        note: What the user should know of times that stand apart; None where none do.
    """

    form: str
    digits: int
    written: str | None = None
    numbers_in: str | None = None
    note: str | None = None

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
    read = readings(column, written)
    some = [reading.fits for reading in read.values()]
    digits = {form: _digits(reading.billionths[reading.fits]) for form, reading in read.items()}
    facts = TimeFacts(
        fits=Counter({form: int(reading.fits.sum()) for form, reading in read.items()}),
        digits=digits,
        aware=Counter({form: int(reading.aware.sum()) for form, reading in read.items()}),
        strange=_value_at(column, ~np.any(some, axis=0)) if some else None,
        eras={form: _eras(form, reading, column) for form, reading in read.items()},
    )
    if "day_first" not in read:
        return facts
    day, month = read["day_first"], read["month_first"]
    differ = day.fits & month.fits & (day.whole != month.whole)
    return replace(
        facts,
        slashes=int((day.fits | month.fits).sum()),
        orders_differ=bool(differ.any()),
        example=_value_at(column, differ),
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
        eras={form: joined_eras(part.eras[form] for part in parts if form in part.eras) for form in forms},
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
    form = GIVEN if written is not None and facts.fits[GIVEN] else _form(path, name, facts, written, source)
    if 0 < facts.aware[form] < facts.fits[form]:
        raise InvalidInputError(
            f'{path}: column "{name}" has {facts.aware[form]} times with an offset from UTC and '
            f"{facts.fits[form] - facts.aware[form]} without; expected all or none. Write the offset of each, "
            f"{leave_out(source)}."
        )
    eras = facts.eras[form]
    numbers_in = most_frequent_unit(eras) if form == "number" else None
    return TimeReading(form, facts.digits[form], written, numbers_in, eras.note(name))


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
    read = readings(column, reading.written).get(reading.form)
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


def provenance_of_times(reading: TimeReading | None) -> dict[str, object]:
    """What times are stored in, as the provenance has it; nothing where there is no unit."""
    return {} if reading is None or reading.unit is None else {"timestamp_unit": reading.unit}


def notes_on_times(reading: TimeReading | None) -> tuple[str, ...]:
    """What the user should know of the times, a sentence each."""
    return () if reading is None or reading.note is None else (reading.note,)


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


def _eras(form: str, reading: ReadTimes, column: pyarrow.ChunkedArray) -> Eras:
    import pyarrow

    rows = np.flatnonzero(reading.fits)
    whole, is_typed = reading.whole[rows], pyarrow.types.is_temporal(column.type)

    def written(place: int) -> str:
        # Python has no dates of all years, nor of nanoseconds.
        return str(whole[place].astype("datetime64[s]") if is_typed else column[int(rows[place])].as_py())

    return Eras.of(whole, dates=form != "number", written=written)


def _digits(billionths: NDArray[np.int64]) -> int:
    """The coarsest of thousandths, millionths and billionths that holds all of them, or 0 where there are none."""
    return next(digits for digits in _UNITS if not (billionths % 10 ** (9 - digits)).any())


def _value_at(column: pyarrow.ChunkedArray, rows: NDArray[np.bool_]) -> str | None:
    return str(column[int(np.argmax(rows))].as_py()) if rows.any() else None
