"""Token sequences of a batch of items: several vectors an item, in the order of time."""

from typing import Any, Literal, NamedTuple, TypeAlias

import tensorflow as tf

FeatureForm: TypeAlias = Literal["vectors", "tokens"]
"""What is given of each modality: one vector an item, which is the mean over its tokens, or token sequences."""

LENGTH_STEP = 8
"""Batches are padded to a multiple of so many tokens, so that graphs and XLA see few lengths."""


class TokenSequences(NamedTuple):
    """Token sequences of one modality, padded to the same number ``T`` of tokens.

    A token is a vector for a moment of an item: a frame, a window of sound, a line of subtitles. The tokens of an item
    come first in its row, in the order of their times; what stands behind them is padding, which may hold anything.
    ``T`` is at least 1. An item that lacks the modality has the length 0.

    ``tf.data``, ``tf.function``, Keras layers and distribution strategies take it apart and put it together again, as
    they do with any named tuple.

    Attributes:
        values: float ``[n, T, width]``.
        lengths: int64 ``[n]``: the tokens of each item.
        times: float32 ``[n, T]``: when each token begins. In seconds on one clock for all modalities of an item; for a
            modality without times ``index / length``, which is from 0 up to 1.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf.records import TokenSequences
        >>> values = tf.constant([[[1.0], [3.0], [9.0]]])
        >>> frames = TokenSequences(values, lengths=tf.constant([2], tf.int64), times=tf.constant([[0.0, 0.5, 0.0]]))
        >>> frames.mask.numpy()
        array([[ True,  True, False]])
        >>> frames.means().numpy()
        array([[2.]], dtype=float32)
    """

    values: Any
    lengths: Any
    times: Any

    @property
    def mask(self) -> tf.Tensor:
        """bool ``[n, T]``: which places hold a token."""
        return tf.sequence_mask(self.lengths, tf.shape(self.values)[1])

    @property
    def width(self) -> int:
        """Values of a token."""
        return int(self.values.shape[-1])

    def without_padding(self) -> tf.Tensor:
        """Values ``[n, T, width]`` with zeros in the place of padding, even where that is NaN."""
        values = tf.convert_to_tensor(self.values)
        return tf.where(self.mask[:, :, tf.newaxis], values, tf.zeros_like(values))

    def means(self) -> tf.Tensor:
        """Mean over the tokens of each item, ``[n, width]``; zeros where there are none."""
        totals = tf.reduce_sum(self.without_padding(), axis=1)
        return totals / tf.cast(tf.maximum(self.lengths, 1), totals.dtype)[:, tf.newaxis]

    def rows(self, which: Any) -> "TokenSequences":
        """The sequences of some items: an index or a slice of the first axis, as tensors take it."""
        return TokenSequences(self.values[which], self.lengths[which], self.times[which])


def padded_length(lengths: tf.Tensor, most: int) -> tf.Tensor:
    """Tokens that a batch is padded to: its longest sequence, rounded up to 8, but between 1 and ``most``.

    Args:
        lengths: Tokens of each item, integer ``[n]``.
        most: Tokens of the longest sequence of all items.
    """
    longest = tf.reduce_max(tf.concat([tf.cast(lengths, tf.int64), [1]], axis=0))
    return tf.minimum(-(-longest // LENGTH_STEP) * LENGTH_STEP, max(most, 1))


def relative_times(lengths: tf.Tensor, padded: tf.Tensor) -> tf.Tensor:
    """Times of tokens that have none, ``index / length``, float32 ``[n, padded]``; 0 in padding."""
    index = tf.range(tf.cast(padded, tf.int64), dtype=tf.int64)[tf.newaxis, :]
    length = tf.maximum(tf.cast(lengths, tf.int64), 1)[:, tf.newaxis]
    inside = index < tf.cast(lengths, tf.int64)[:, tf.newaxis]
    return tf.where(inside, tf.cast(index, tf.float32) / tf.cast(length, tf.float32), 0.0)
