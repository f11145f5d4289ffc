"""Times since 1970: the unit that numbers are in, and times that stand apart from the others.

Unix times of the years 1990 to 2099 in seconds, milliseconds, microseconds and nanoseconds are four ranges of numbers
that do not overlap. A column that lies in these ranges for the most part holds Unix times. Where its rows are of
several units, their order means nothing; a number in none of the ranges, such as 0 or -1, often stands for no time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
"""Units of Unix times and how many of them are a second."""
APART = "apart"
"""Times in none of the ranges."""
_FIRST, _END = 631_152_000, 4_102_444_800  # the beginnings of 1990 and 2100 in UTC


@dataclass(frozen=True)
class Eras:
    """Where the times of some rows lie.

    Attributes:
        rows: Rows by unit, and by :data:`APART`.
        example: The first time of :data:`APART`, as it is written.
    """

    rows: Counter[str] = field(default_factory=Counter)
    example: str | None = None

    @classmethod
    def of(cls, times: NDArray[np.int64], *, dates: bool, written: Callable[[int], str]) -> Eras:
        """Those of some times.

        Args:
            times: Whole numbers or seconds since 1970, int64 ``[n]``.
            dates: Whether they are seconds.
            written: Gives the text of a row by its place among them.
        """
        unit = unit_of(times, dates=dates)
        counts = {name: int((unit == place).sum()) for place, name in enumerate(UNITS)}
        counts[APART] = int((unit < 0).sum())
        example = written(int(np.argmax(unit < 0))) if counts[APART] else None
        return cls(+Counter(counts), example)

    def note(self, column: str) -> str | None:
        """What the user should know of times that stand apart, if there are such."""
        apart, total = self.rows[APART], self.rows.total()
        if not apart or most_frequent_unit(self) is None:
            return None
        return (
            f'Column "{column}": {apart:,} of {total:,} times are not between 1990 and 2099, such as "{self.example}", '
            "and are sorted as they are. If they stand for missing times, remove these rows."
        )


def unit_of(times: NDArray[np.int64], *, dates: bool = False) -> NDArray[np.int8]:
    """The place in :data:`UNITS` of the unit in which each time lies between 1990 and 2099, -1 for none, ``[n]``.

    Args:
        times: Whole numbers, int64 ``[n]``.
        dates: Whether they are known to be seconds.
    """
    found = np.full(len(times), -1, np.int8)
    for place, factor in enumerate(UNITS.values()):
        found[(times >= _FIRST * factor) & (times < _END * factor)] = place
        if dates:
            break
    return found


def most_frequent_unit(eras: Eras) -> str | None:
    """The unit of a column of Unix times, None where less than half of the rows lie in any of the ranges."""
    inside = eras.rows.total() - eras.rows[APART]
    if 2 * inside < eras.rows.total() or not inside:
        return None
    return max(UNITS, key=lambda unit: eras.rows[unit])


def joined_eras(parts: Iterable[Eras]) -> Eras:
    """The eras of several parts, in the order of their rows, as those of the whole."""
    parts = list(parts)
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.rows)
    return Eras(total, next((part.example for part in parts if part.example is not None), None))
