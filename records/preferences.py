"""Preferences: a user, a chosen item, and the items that it was chosen over."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

TRAINING, HELD_OUT = "train", "validation"
"""The splits of preferences: those to learn from, and those that pair accuracy is measured on."""


@dataclass(frozen=True)
class NamedPreferences:
    """Preferences by raw id, as files and logs have them.

    Attributes:
        user: Raw user ids, one a preference.
        chosen: Raw ids of the chosen items.
        rejected: Raw ids of the items that each was chosen over, one at least.
        weight: How much each counts, float32 ``[n]`` of finite numbers of at least 0; None where all count the same.
        source: Where each comes from; None where it is not said.
    """

    user: Sequence[str]
    chosen: Sequence[str]
    rejected: Sequence[Sequence[str]]
    weight: NDArray[np.float32] | None = None
    source: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Preferences:
    """Preferences by dense id.

    Attributes:
        user: Dense user ids, int64 ``[n]``.
        chosen: Dense item ids, int64 ``[n]``.
        rejected: Dense item ids that the first was chosen over, those of the second behind them and so on, int64.
        counts: How many each was chosen over, int64 ``[n]``, at least 1.
        weight: How much each counts, float32 ``[n]``; None where all count the same.
        source: Where each comes from; None where it is not said.

    Raises:
        InvalidInputError: The columns are not equally long, or the counts do not add up to the rejected items.
    """

    user: NDArray[np.int64]
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]
    counts: NDArray[np.int64]
    weight: NDArray[np.float32] | None = None
    source: Sequence[str] | None = field(default=None)

    def __post_init__(self) -> None:
        columns = {"chosen": self.chosen, "counts": self.counts, "weight": self.weight, "source": self.source}
        for name, column in columns.items():
            if column is not None and len(column) != len(self.user):
                raise InvalidInputError(f"preferences have {len(self.user)} users and {len(column)} of {name}.")
        if int(self.counts.sum()) != len(self.rejected) or (self.counts < 1).any():
            raise InvalidInputError(
                f"preferences have {len(self.rejected)} rejected items, and counts that add up to "
                f"{int(self.counts.sum())}; expected one at least for each."
            )

    def __len__(self) -> int:
        return len(self.user)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Of every rejected item the preference that it belongs to, int64."""
        return np.repeat(np.arange(len(self)), self.counts)

    def take(self, kept: NDArray[np.bool_]) -> "Preferences":
        """The preferences of a mask, bool ``[n]``."""
        return Preferences(
            self.user[kept],
            self.chosen[kept],
            self.rejected[np.repeat(kept, self.counts)],
            self.counts[kept],
            None if self.weight is None else self.weight[kept],
            None if self.source is None else [each for each, keep in zip(self.source, kept, strict=True) if keep],
        )

    def padded(self) -> NDArray[np.int64]:
        """Rejected items as a matrix, int64 ``[n, most]``, -1 where a preference has fewer."""
        most = int(self.counts.max(initial=1))
        found = np.full((len(self), most), -1, np.int64)
        found[np.arange(most) < self.counts[:, np.newaxis]] = self.rejected
        return found
