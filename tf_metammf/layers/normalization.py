"""Standardisation of features: the same numbers whatever their unit."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import ArrayLike

from tf_metammf.layers.layer import Layer

_KERAS_LEAST_VARIANCE = 1e-14
"""Keras' layer of this name, which earlier versions used, divides by a deviation of at least 1e-7."""


def standardized(features: tf.Tensor, mean: Any, variance: Any) -> tf.Tensor:
    """``(features - mean) / sqrt(variance)``, float32 ``[n, width]``; 0 where the variance is 0.

    It is computed in float64: in float32, squares overflow above 1e19 and vanish below 1e-19, and a mean of 1e8 is
    rounded to a multiple of 8.

    Args:
        features: Floating-point, ``[n, width]``.
        mean: float64 ``[width]``.
        variance: float64 ``[width]``.
    """
    mean, variance = tf.cast(mean, tf.float64), tf.cast(variance, tf.float64)
    scale = tf.math.divide_no_nan(tf.ones_like(variance), tf.sqrt(variance))
    return tf.cast((tf.cast(features, tf.float64) - mean) * scale, tf.float32)


@keras.saving.register_keras_serializable("tf_metammf")
class Normalization(Layer):
    """:func:`standardized` with statistics that are saved with the model.

    It stands where ``tf_keras.layers.Normalization`` stood in earlier versions, under the same name in weights
    files, and reads those. A feature that never varies becomes 0, for new items too: nothing was learned about it.

    Input: floating-point ``[B, width]``.

    Output: float32 ``[B, width]``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **options})

    def build(self, input_shape: Any) -> None:
        """Creates the statistics: mean 0 and variance 1."""
        width = tf.TensorShape(input_shape)[-1]
        # Checkpoints of earlier versions have float32 values under the names that Keras gave them.
        self._statistics = [
            self.add_weight(name, shape=(width,), dtype=tf.float64, initializer=initializer, trainable=False)
            for name, initializer in (("training_mean", "zeros"), ("training_variance", "ones"))
        ]
        super().build(input_shape)

    @property
    def adapt_mean(self) -> tf.Variable:
        """Mean of every feature, float64 ``[width]``."""
        return self._statistics[0]

    @property
    def adapt_variance(self) -> tf.Variable:
        """Variance of every feature, float64 ``[width]``."""
        return self._statistics[1]

    def set_statistics(self, mean: ArrayLike, variance: ArrayLike) -> None:
        """Fixes mean and variance, ``[width]`` each."""
        self.adapt_mean.assign(np.asarray(mean, np.float64))
        self.adapt_variance.assign(np.asarray(variance, np.float64))

    def finalize_state(self) -> None:
        """Does nothing: unlike Keras' layer, this one derives nothing from the statistics before it is called."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Standardised features ``[B, width]``."""
        return standardized(inputs, self.adapt_mean, self.adapt_variance)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """That of the input."""
        return tf.TensorShape(input_shape)

    def load_own_variables(self, store: Any) -> None:
        """Reads the statistics, also those of files of earlier versions, with what Keras made of them."""
        mean, variance = (np.asarray(store[key], np.float64) for key in ("0", "1"))
        if "2" in store:  # Keras' layer counts its rows, too
            variance = np.maximum(variance, _KERAS_LEAST_VARIANCE)
        self.set_statistics(mean, variance)
