"""What a layer does in training alone, whether Python or a tensor says that it is training."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def in_training(training: Any, then: Callable[[], tf.Tensor], otherwise: Callable[[], tf.Tensor]) -> tf.Tensor:
    """One of two results; layers are traced as they are written, so that ``if`` does not take a tensor.

    Args:
        training: A bool, None for False, or a bool tensor.
        then: Makes the result in training.
        otherwise: Makes the result at any other time, of the same shape and type.
    """
    if tf.is_tensor(training):
        return tf.cond(tf.cast(training, tf.bool), then, otherwise)
    return then() if training else otherwise()
