"""Times as they are written: numbers, ISO 8601, dates with day and month in either order, or a form that is given.

Every form is read exactly, into whole seconds (or whole units of a number) and billionths.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow

BILLION = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d+))?)?\s*(?P<p>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<z>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
)
_ISO = rf"^\s*(?P<y>\d{{4}})[-/](?P<m>\d{{1,2}})[-/](?P<d>\d{{1,2}})(?:[Tt\s]\s*{_CLOCK})?\s*$"
_DAY_FIRST = rf"^\s*(?P<d>\d{{1,2}})[./-](?P<m>\d{{1,2}})[./-](?P<y>\d{{4}})(?:,?[Tt\s]\s*{_CLOCK})?\s*$"
_MONTH_FIRST = rf"^\s*(?P<m>\d{{1,2}})[./-](?P<d>\d{{1,2}})[./-](?P<y>\d{{4}})(?:,?[Tt\s]\s*{_CLOCK})?\s*$"
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\s*$"
_DIGITS = r"^\s*[+-]?\d{1,18}\s*$"
_DECIMAL = r"^\s*(?P<s>[+-]?)(?P<w>\d{1,18})\.(?P<f>\d{0,9})0*\s*$"


@dataclass(frozen=True)
class ReadTimes:
    """Times read in one form.

    Attributes:
        whole: Seconds since 1970 in UTC, or whole part of a number, rounded down, int64 ``[n]``.
        billionths: What is to be added, 0 to 10^9 - 1, int64 ``[n]``.
        fits: Which times have the form, bool ``[n]``; the others are 0.
        aware: Which times say what their offset from UTC is, bool ``[n]``; never numbers.
    """

    whole: NDArray[np.int64]
    billionths: NDArray[np.int64]
    fits: NDArray[np.bool_]
    aware: NDArray[np.bool_]


def read_number(text: pyarrow.Array) -> ReadTimes:
    """Reads decimal numbers with up to 9 digits after the point and a whole part of 64 bits."""
    import pyarrow
    import pyarrow.compute

    whole = np.zeros(len(text), np.int64)
    billionths = np.zeros(len(text), np.int64)
    fits = _matches(text, _DIGITS)
    if fits.any():
        trimmed = pyarrow.compute.ascii_ltrim(pyarrow.compute.utf8_trim_whitespace(text.filter(fits)), "+")
        whole[fits] = trimmed.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
    decimal = _matches(text, _DECIMAL)
    if decimal.any():
        found = pyarrow.compute.extract_regex(text.filter(decimal), _DECIMAL)
        part = {name: pyarrow.compute.struct_field(found, name) for name in "swf"}
        minus = pyarrow.compute.equal(part["s"], "-").to_numpy(zero_copy_only=False)
        above = part["w"].cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
        after = pyarrow.compute.utf8_rpad(part["f"], 9, "0").cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
        whole[decimal] = np.where(minus, -above - (after > 0), above)
        billionths[decimal] = np.where(minus & (after > 0), BILLION - after, after)
        fits |= decimal
    for row in np.flatnonzero(_matches(text, _NUMBER) & ~fits):
        value = _exact(text[int(row)].as_py())
        if value is not None:
            whole[row], billionths[row] = value
            fits[row] = True
    return ReadTimes(whole, billionths, fits, np.zeros(len(text), bool))


def read_iso(text: pyarrow.Array) -> ReadTimes:
    """Reads ``2026-05-01``, ``2026/05/01 10:00`` and ``2026-05-01T10:00:00.25+02:00``."""
    return _read_dates(text, _ISO)


def read_day_first(text: pyarrow.Array) -> ReadTimes:
    """Reads ``31/05/2026 10:00``, with ``/``, ``.`` or ``-``."""
    return _read_dates(text, _DAY_FIRST)


def read_month_first(text: pyarrow.Array) -> ReadTimes:
    """Reads ``05/31/2026 10:00 PM``, with ``/``, ``.`` or ``-``."""
    return _read_dates(text, _MONTH_FIRST)


FORMS: dict[str, Callable[[pyarrow.Array], ReadTimes]] = {
    "number": read_number,
    "iso": read_iso,
    "day_first": read_day_first,
    "month_first": read_month_first,
}
"""The forms that are recognised, in the order in which they are preferred."""


def reader_of_form(written: str) -> Callable[[pyarrow.Array], ReadTimes]:
    """A reader of times in a form of ``strptime``, such as ``%d/%m/%Y %H:%M``.

    Raises:
        InvalidInputError: It is no such form.
    """
    try:
        datetime.strptime("", written)
    except (ValueError, re.error) as error:
        if not str(error).startswith(("time data", "unconverted")):
            raise InvalidInputError(
                f'timestamp_format is "{written}": {error}. Write it as Python\'s strptime takes it, such as '
                "%d/%m/%Y %H:%M."
            ) from error

    def read(text: pyarrow.Array) -> ReadTimes:
        found = ReadTimes(np.zeros(len(text), np.int64), np.zeros(len(text), np.int64), *np.zeros((2, len(text)), bool))
        for row, value in enumerate(text.to_pylist()):
            try:
                time = datetime.strptime("" if value is None else value.strip(), written)
                since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
            except (ValueError, OverflowError):
                continue
            found.whole[row] = since // timedelta(seconds=1)
            found.billionths[row] = since.microseconds * 1000
            found.fits[row] = True
            found.aware[row] = time.tzinfo is not None
        return found

    return read


def _matches(text: pyarrow.Array, pattern: str) -> NDArray[np.bool_]:
    import pyarrow.compute

    found = pyarrow.compute.fill_null(pyarrow.compute.match_substring_regex(text, pattern), False)
    matches: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False).copy()
    return matches


def _exact(written: str) -> tuple[int, int] | None:
    """Whole part, rounded down, and billionths of a decimal number; None where they do not hold it."""
    try:
        value = Decimal(written.strip())
    except InvalidOperation:
        return None
    if value.adjusted() > 19 or (value and value.adjusted() < -9):
        return None
    numerator, denominator = value.as_integer_ratio()
    if numerator * BILLION % denominator:
        return None
    whole, billionths = divmod(numerator * BILLION // denominator, BILLION)
    return (whole, billionths) if -(2**63) <= whole < 2**63 else None


def _read_dates(text: pyarrow.Array, pattern: str) -> ReadTimes:
    import pyarrow
    import pyarrow.compute

    found = pyarrow.compute.extract_regex(text, pattern)
    fits = found.is_valid().to_numpy(zero_copy_only=False).copy()
    if not fits.any():
        none = np.zeros(len(text), np.int64)
        return ReadTimes(none, none, fits, fits)

    def part(name: str) -> pyarrow.Array:
        return pyarrow.compute.fill_null(pyarrow.compute.struct_field(found, name), "")

    def number(name: str) -> NDArray[np.int64]:
        digits = pyarrow.compute.if_else(pyarrow.compute.equal(part(name), ""), "0", part(name))
        return digits.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)

    year, month, day, hour, minute, second = (number(name) for name in "ymdHMS")
    months = (year - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    in_month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) == months
    fits &= (month >= 1) & (month <= 12) & (day >= 1) & in_month & (hour <= 23) & (minute <= 59) & (second <= 60)
    half = pyarrow.compute.utf8_lower(part("p"))
    is_half = pyarrow.compute.not_equal(half, "").to_numpy(zero_copy_only=False)
    is_late = pyarrow.compute.starts_with(half, "p").to_numpy(zero_copy_only=False)
    fits &= ~is_half | ((hour >= 1) & (hour <= 12))
    hour = np.where(is_half, hour % 12 + 12 * is_late, hour)
    padded = pyarrow.compute.utf8_rpad(part("f"), 9, "0")
    fits &= pyarrow.compute.match_substring_regex(padded, r"^\d{9}0*$").to_numpy(zero_copy_only=False)
    billionths = pyarrow.compute.utf8_slice_codeunits(padded, 0, 9).cast(pyarrow.int64())
    offset, sound = _offsets(part("z"))
    fits &= sound
    aware = pyarrow.compute.not_equal(part("z"), "").to_numpy(zero_copy_only=False)
    whole = days * 86_400 + hour * 3_600 + minute * 60 + second - offset
    return ReadTimes(
        np.where(fits, whole, 0),
        np.where(fits, billionths.to_numpy(zero_copy_only=False), 0),
        fits,
        aware & fits,
    )


def _offsets(zones: pyarrow.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds east of UTC, and whether they are below a day."""
    encoded = zones.dictionary_encode()
    seconds = []
    for zone in encoded.dictionary.to_pylist():
        digits = re.sub(r"\D", "", zone)
        east = int(digits[:2] or 0) * 3_600 + int(digits[2:] or 0) * 60
        is_sound = not digits or (int(digits[:2]) <= 23 and int(digits[2:] or 0) <= 59)
        seconds.append((-east if zone.startswith("-") else east, is_sound))
    table = np.array(seconds, np.int64).reshape(-1, 2)[encoded.indices.to_numpy(zero_copy_only=False)]
    return table[:, 0], table[:, 1].astype(bool)
