"""Interactions over time: how many there were, and how many were with items that had just appeared."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import Interactions

MOST_PERIODS = 60

SECOND_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_DAY = 86_400
_PERIODS = {"minute": 60, "hour": 3600, "day": _DAY, "week": 7 * _DAY, "30 days": 30 * _DAY, "365 days": 365 * _DAY}
_EARLIEST, _LATEST = 631_152_000, 4_102_444_800
"""1990 and 2100 in seconds since 1970: what numbers have to lie between to be taken for dates."""


@dataclass(frozen=True)
class Timeline:
    """Interactions by period.

    Attributes:
        unit: What times are counted in: "s", "ms", "us" or "ns" since 1970, or "" for numbers that are no dates.
        first: The earliest time.
        last: The latest.
        period: Name of a period, as "day" or "30 days"; "" for numbers that are no dates.
        starts: Where each period starts, in the unit of the times, and where the last one ends.
        interactions: By split, the interactions of each period.
        on_new_items: Share of the interactions of each period that are on items first seen in that period. The first
            period says nothing, since every item is new there.
        of_new_users: The same of users.
    """

    unit: str
    first: int
    last: int
    period: str
    starts: tuple[int, ...]
    interactions: Mapping[str, tuple[int, ...]]
    on_new_items: tuple[float, ...]
    of_new_users: tuple[float, ...]

    @property
    def days(self) -> float | None:
        """Days from the first time to the last; None for numbers that are no dates."""
        if not self.unit:
            return None
        return (self.last - self.first) / SECOND_UNITS[self.unit] / _DAY


def timeline(splits: Mapping[str, Interactions], *, unit: str | None = None) -> Timeline | None:
    """Counts interactions by period.

    Args:
        splits: Interactions by split.
        unit: What times are counted in, where it is known.

    Returns:
        At most :data:`MOST_PERIODS` periods; None where there are no times.
    """
    parts = [part for part in splits.values() if len(part)]
    if not parts or any(part.timestamp is None for part in parts):
        return None
    times = np.concatenate([part.timestamp for part in parts if part.timestamp is not None])
    unit = unit if unit in SECOND_UNITS else unit_of(times)
    first, last = int(times.min()), int(times.max())
    starts, period = _starts(first, last, unit)
    where = {
        name: np.searchsorted(starts, part.timestamp, side="right") - 1
        for name, part in splits.items()
        if len(part) and part.timestamp is not None
    }
    periods = len(starts) - 1
    every = np.concatenate(list(where.values()))
    return Timeline(
        unit=unit,
        first=first,
        last=last,
        period=period,
        starts=tuple(int(start) for start in starts),
        interactions={
            name: tuple(np.bincount(where[name], minlength=periods).tolist()) if name in where else (0,) * periods
            for name in splits
        },
        on_new_items=_share_of_new(np.concatenate([part.item for part in parts]), every, periods),
        of_new_users=_share_of_new(np.concatenate([part.user for part in parts]), every, periods),
    )


def unit_of(times: NDArray[np.int64]) -> str:
    """The unit in which times are dates between 1990 and 2100; "" where there is none."""
    for unit, factor in SECOND_UNITS.items():
        if len(times) and times.min() >= _EARLIEST * factor and times.max() <= _LATEST * factor:
            return unit
    return ""


def _starts(first: int, last: int, unit: str) -> tuple[NDArray[np.int64], str]:
    """Borders of periods, and how long a period is in words."""
    if unit:
        for name, seconds in _PERIODS.items():
            length = seconds * SECOND_UNITS[unit]
            if last // length - first // length < MOST_PERIODS:
                return _borders(first // length * length, last, length), name
    length = max(1, -(-(last - first + 1) // MOST_PERIODS))
    return _borders(first, last, length), f"{length / SECOND_UNITS[unit] / _DAY:,.0f} days" if unit else ""


def _borders(first: int, last: int, length: int) -> NDArray[np.int64]:
    return first + length * np.arange((last - first) // length + 2, dtype=np.int64)


def _share_of_new(ids: NDArray[np.int64], period: NDArray[np.int64], periods: int) -> tuple[float, ...]:
    first = np.full(int(ids.max()) + 1, periods)
    np.minimum.at(first, ids, period)
    new = np.bincount(period[first[ids] == period], minlength=periods)
    every = np.bincount(period, minlength=periods)
    return tuple(float(share) for share in new / np.maximum(1, every))
