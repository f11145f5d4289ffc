"""How long the gradient of a training step is."""

from collections.abc import Sequence

import tensorflow as tf


def gradient_norm(gradients: Sequence[tf.Tensor | tf.IndexedSlices | None]) -> tf.Tensor:
    """L2 norm of all gradients together, ``sqrt(sum over weights of |g|^2)``.

    Rows of an embedding that occur several times in a batch are added up first, as the optimiser does;
    ``tf.linalg.global_norm`` would take each for a weight of its own.

    Args:
        gradients: One for each weight; None for one that does not matter to the loss.

    Returns:
        float32 scalar.
    """
    return tf.sqrt(tf.add_n([_square(gradient) for gradient in gradients if gradient is not None]))


def _square(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    if isinstance(gradient, tf.IndexedSlices):
        rows, position = tf.unique(gradient.indices)
        gradient = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    return tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)))
