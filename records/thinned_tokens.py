"""Long token sequences with fewer tokens, evenly over their time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.token_arrays import SequenceFeatures, TokenArrays

MOST_TOKENS = 32
"""Tokens of a sequence that a conversion keeps unless told otherwise."""


class ThinnedSequences(SequenceFeatures):
    """Token sequences of which none has more than ``most`` tokens.

    A longer sequence keeps its first and its last token and those nearest to even distances in time between them, or
    in their numbers where tokens have no times.

    Args:
        sequences: The sequences.
        most: Tokens that are kept of a sequence.

    Raises:
        InvalidInputError: ``most`` is below 1.
    """

    def __init__(self, sequences: SequenceFeatures, most: int) -> None:
        require_most_tokens(most)
        self._sequences, self._kept = sequences, most

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """Tokens that are kept of each row."""
        return np.minimum(self._sequences.token_counts, self._kept)

    @property
    def shape(self) -> tuple[int, int]:
        """``(rows, width)``."""
        return self._sequences.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self._sequences.dtype

    @property
    def has_times(self) -> bool:
        """Whether tokens have times."""
        return self._sequences.has_times

    def __getitem__(self, rows: Any) -> TokenArrays:
        return thinned(self._sequences[rows], self._kept)


def require_most_tokens(most: int) -> None:
    """Refuses a number of tokens that nothing could be kept of.

    Raises:
        InvalidInputError: It is below 1.
    """
    if most < 1:
        raise InvalidInputError(f"most_tokens is {most}, expected at least 1.")


def thinned(tokens: TokenArrays, most: int) -> TokenArrays:
    """The same items with at most so many tokens each; see :class:`ThinnedSequences`."""
    if tokens.most <= most:
        return tokens
    kept = np.ones(len(tokens.values), bool)
    for item in np.flatnonzero(tokens.lengths > most).tolist():
        start, length = int(tokens.starts[item]), int(tokens.lengths[item])
        times = np.arange(length) if tokens.times is None else tokens.times[start : start + length]
        kept[start : start + length] = False
        kept[start + _even_places(times, most)] = True
    lengths = np.minimum(tokens.lengths, most)
    return TokenArrays(tokens.values[kept], lengths, None if tokens.times is None else tokens.times[kept])


def _even_places(times: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Places of ``most`` different tokens, the nearest to even distances between the first and the last time."""
    if times[0] == times[-1]:  # all at once: even in number
        times = np.arange(len(times))
    wanted = np.linspace(times[0], times[-1], most)
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    nearest = np.where(wanted - times[after - 1] <= times[after] - wanted, after - 1, after)
    # Several may be nearest to the same token: each is then moved behind the one before, and none beyond the end.
    step = np.arange(most)
    apart = np.maximum.accumulate(nearest - step) + step
    apart = np.minimum(apart, len(times) - most + step)
    if most > 1:
        apart[-1] = len(times) - 1  # of several at the last time
    return apart
