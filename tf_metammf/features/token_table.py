"""The token sequences of one modality of all items, on the device."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.layers.placement import placed, rows_of
from tf_metammf.layers.row_blocks import stacked
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.token_sequences import TokenSequences, padded_length, relative_times


class TokenTable:
    """Token sequences of every item, end to end and without padding, looked up by dense item id.

    Args:
        tokens: The sequences.
        dtype: Type of the values on the device.

    Attributes:
        width: Values of a token.
        most: Tokens of the longest sequence.
    """

    def __init__(self, tokens: TokenArrays, *, dtype: type[np.floating]) -> None:
        self.width, self.most = tokens.width, max(tokens.most, 1)
        count = max(len(tokens.values), 1)  # of a row of zeros where no item has a token, so that lookups have one
        self._values = placed(stacked(_blocks(tokens.values, count), rows=count, width=self.width, dtype=dtype))
        self._times = None if tokens.times is None else placed(tf.constant(_filled(tokens.times, count)))
        self._lengths = placed(tf.constant(tokens.lengths))
        self._starts = placed(tf.constant(tokens.starts))
        self._last = count - 1

    def lookup(self, items: tf.Tensor) -> TokenSequences:
        """The sequences of dense item ids ``[n]``, with zeros for padding."""
        lengths = rows_of(self._lengths, items)
        padded = padded_length(lengths, self.most)
        index = tf.range(padded, dtype=tf.int64)[tf.newaxis, :]
        inside = index < lengths[:, tf.newaxis]
        places = tf.where(inside, rows_of(self._starts, items)[:, tf.newaxis] + index, self._last)
        found = rows_of(self._values, places)
        values = tf.where(inside[:, :, tf.newaxis], found, tf.zeros_like(found))
        if self._times is None:
            return TokenSequences(values, lengths, relative_times(lengths, padded))
        times = tf.where(inside, rows_of(self._times, places), 0.0)
        return TokenSequences(values, lengths, times)

    def blocks(self, size: int) -> Iterator[TokenSequences]:
        """The sequences of all items by dense id, ``size`` after ``size``."""
        items = int(self._lengths.shape[0])
        for first in range(0, items, size):
            yield self.lookup(tf.range(first, min(first + size, items), dtype=tf.int64))


def _blocks(values: NDArray[Any], count: int) -> list[NDArray[Any]]:
    return [_filled(values, count)] if len(values) < count else [values]


def _filled(rows: NDArray[Any], count: int) -> NDArray[Any]:
    return rows if len(rows) == count else np.zeros((count, *rows.shape[1:]), rows.dtype)
