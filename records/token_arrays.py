"""Token sequences of many items as arrays, end to end, without padding."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError


class SequenceFeatures(ABC):
    """Token sequences of one modality, a row an item: arrays, or what reads them when they are asked for."""

    @property
    @abstractmethod
    def token_counts(self) -> NDArray[np.int64]:
        """Tokens of each row, int64 ``[rows]``."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """``(rows, width)``, where the width is that of a token."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    @property
    @abstractmethod
    def has_times(self) -> bool:
        """Whether tokens have times."""

    @abstractmethod
    def __getitem__(self, rows: Any) -> "TokenArrays":
        """The sequences of some rows, by number."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def most(self) -> int:
        """Tokens of the longest sequence."""
        return int(self.token_counts.max(initial=0))


@dataclass(frozen=True, eq=False)
class TokenArrays(SequenceFeatures):
    """Token sequences of ``n`` items, one after another.

    Attributes:
        values: ``[tokens, width]`` of any float or integer type: the tokens of the first item, then of the second.
        lengths: int64 ``[n]``: tokens of each item, 0 where it has none.
        times: float32 ``[tokens]``: when each token begins, in seconds; None where no token has a time.

    Raises:
        InvalidInputError: The arrays do not fit each other, or the times of an item are not finite or not in order.

    Examples:
        >>> from tf_metammf.records import TokenArrays
        >>> frames = TokenArrays.of([[[1.0, 2.0], [3.0, 4.0]], None, [[5.0, 6.0]]])
        >>> frames.lengths, frames.values.shape, frames.most
        (array([2, 0, 1]), (3, 2), 2)
        >>> frames[[2, 0]].values[:, 0]
        array([5., 1., 3.])
    """

    values: NDArray[Any]
    lengths: NDArray[np.int64]
    times: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", np.asarray(self.lengths, np.int64))
        if self.times is not None:
            object.__setattr__(self, "times", np.asarray(self.times, np.float32))
        tokens = int(self.lengths.sum())
        times = tokens if self.times is None else len(self.times)
        if self.values.ndim != 2 or len(self.values) != tokens or times != tokens or (self.lengths < 0).any():
            raise InvalidInputError(
                f"token sequences have values {list(self.values.shape)}, lengths that add up to {tokens} and {times} "
                "times; expected values [tokens, width], and a time for every token or none."
            )
        self._check_times()

    @classmethod
    def of(
        cls, sequences: Sequence[ArrayLike | None], times: Sequence[ArrayLike | None] | None = None
    ) -> "TokenArrays":
        """From one array an item.

        Args:
            sequences: ``[T, width]`` of each item; None, or no tokens, where it lacks the modality.
            times: ``[T]`` of each item, likewise; None for tokens without times.

        Raises:
            InvalidInputError: Widths or numbers of tokens and times differ, or no item has a token.
        """
        arrays = [np.zeros((0, 0)) if one is None else np.asarray(one) for one in sequences]
        filled = [one for one in arrays if one.size]
        if not filled or any(one.ndim != 2 or one.shape[1] != filled[0].shape[1] for one in filled):
            found = sorted({one.shape for one in filled})
            raise InvalidInputError(f"the sequences have the shapes {found}, expected [tokens, width], one width.")
        lengths = np.array([len(one) if one.size else 0 for one in arrays], np.int64)
        if times is None:
            return cls(np.concatenate(filled), lengths)
        moments = [np.zeros(0, np.float32) if one is None else np.asarray(one, np.float32) for one in times]
        if [len(one) for one in moments] != lengths.tolist():
            raise InvalidInputError("times has other numbers than the sequences have tokens; expected one a token.")
        return cls(np.concatenate(filled), lengths, np.concatenate(moments))

    @property
    def width(self) -> int:
        """Values of a token."""
        return int(self.values.shape[1])

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """The lengths."""
        return self.lengths

    @property
    def has_times(self) -> bool:
        """Whether there are times."""
        return self.times is not None

    @property
    def shape(self) -> tuple[int, int]:
        """``(n, width)``."""
        return len(self.lengths), self.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.values.dtype

    @property
    def starts(self) -> NDArray[np.int64]:
        """Place of the first token of each item, int64 ``[n]``."""
        return np.cumsum(self.lengths) - self.lengths

    def __getitem__(self, items: Any) -> "TokenArrays":
        """The sequences of some items, by number or as a slice."""
        lengths, starts = self.lengths[items], self.starts[items]
        places = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return TokenArrays(self.values[places], lengths, None if self.times is None else self.times[places])

    @property
    def finite(self) -> NDArray[np.bool_]:
        """bool ``[n]``: whose values are all finite."""
        broken = np.zeros(len(self), bool)
        broken[np.repeat(np.arange(len(self)), self.lengths)[~np.isfinite(self.values).all(axis=1)]] = True
        return ~broken

    def means(self) -> NDArray[np.floating]:
        """Mean over the tokens of each item, float ``[n, width]``; zeros where there are none."""
        dtype = self.dtype if self.dtype in (np.float32, np.float64) else np.dtype(np.float32)
        means = np.zeros((len(self), self.width), dtype)
        filled = self.lengths > 0
        if filled.any():
            sums = np.add.reduceat(self.values.astype(dtype, copy=False), self.starts[filled], axis=0)
            means[filled] = sums / self.lengths[filled, np.newaxis].astype(dtype)
        return means

    def _check_times(self) -> None:
        if self.times is None:
            return
        item = np.repeat(np.arange(len(self)), self.lengths)
        backwards = (np.diff(self.times) < 0) & (np.diff(item) == 0)
        broken = np.flatnonzero(~np.isfinite(self.times) | np.append(backwards, False)[: len(self.times)])
        if len(broken):
            raise InvalidInputError(
                f"the times of sequence {item[broken[0]]} are not finite or not in order, near "
                f"{self.times[broken[0]]:g}. Expected seconds that do not decrease."
            )


def mean_values(tokens: int, rows: int, width: int) -> int:
    """Values that a row of token sequences has in the mean, rounded up."""
    return -(-tokens * width // max(rows, 1))


def in_order(values: NDArray[Any], lengths: NDArray[np.int64], times: NDArray[Any] | None) -> TokenArrays:
    """Token sequences whose tokens are put in the order of their times."""
    if times is None:
        return TokenArrays(values, lengths)
    times = times.astype(np.float32)
    item = np.repeat(np.arange(len(lengths)), lengths)
    if ((np.diff(times) < 0) & (np.diff(item) == 0)).any() and np.isfinite(times).all():
        order = np.lexsort((times, item))
        values, times = values[order], times[order]
    return TokenArrays(values, lengths, times)
