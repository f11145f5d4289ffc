"""The range of every value of a modality, to see whether single precision can hold it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

ROUNDING = 1e-12
"""What double precision may differ by, relative to a number, without meaning anything: the noise of rounding."""


@dataclass(frozen=True)
class ValueRanges:
    """Least and largest of each value of some items, in double precision.

    Attributes:
        least: float64 ``[width]``; infinite where there are no items, or no numbers that are finite.
        most: float64 ``[width]``.
    """

    least: NDArray[np.float64]
    most: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.generic]) -> "ValueRanges":
        """The ranges of features ``[items, width]`` of any type of numbers."""
        numbers = values.astype(np.float64, copy=False)
        finite = np.isfinite(numbers)
        return cls(
            np.min(numbers, axis=0, initial=np.inf, where=finite),
            np.max(numbers, axis=0, initial=-np.inf, where=finite),
        )

    def joined(self, other: "ValueRanges") -> "ValueRanges":
        """The ranges of both."""
        return ValueRanges(np.minimum(self.least, other.least), np.maximum(self.most, other.most))

    def require_distinct(self, thing: str, names: Sequence[str] = ()) -> None:
        """Refuses values that differ from item to item and are all the same in float32, which record sets hold.

        Differences of less than :data:`ROUNDING` are none.

        Args:
            thing: What has the values, for the message.
            names: What the values are called, one each; by default their numbers from 1.

        Raises:
            InvalidInputError: There is such a value.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            alike = self.least.astype(np.float32) == self.most.astype(np.float32)
            differ = self.most - self.least > ROUNDING * np.maximum(np.abs(self.least), np.abs(self.most))
        lost = np.flatnonzero(alike & differ)
        if not len(lost):
            return
        value = lost[0]
        called = f'column "{names[value]}"' if len(names) == len(self.least) else f"value {value + 1}"
        least, most = float(self.least[value]), float(self.most[value])
        more = f" ({len(lost)} of {len(self.least)} values are like this)" if len(lost) > 1 else ""
        raise InvalidInputError(
            f"{thing}: {called} goes from {least!r} to {most!r}, and record sets hold features in float32, where these "
            f"are the same number{more}. Subtract what all items have in common, or leave the value out."
        )


def exact_in_single_precision(dtype: np.dtype[np.generic]) -> bool:
    """Whether float32 holds every number of a type."""
    return np.can_cast(dtype, np.float32)
