"""Diffusion over rows of interactions: what a user would have had, denoised from what the user has."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.encoders.built_dense import built_dense
from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer

TIME_UNITS = 10


class InteractionDiffusion(Layer):
    """A Gaussian diffusion of interaction rows whose reverse steps are an MLP (Wang et al., DiffRec, SIGIR 2023,
    section 3, as DiffMM takes it).

    With ``x_0`` the row of a user, 0 or 1, and ``t = 1 ... T``:

    * ``1 - g_t = noise_scale (low + (t - 1) / (T - 1) (high - low))``, and
      ``q(x_t | x_0) = N(sqrt(g_t) x_0, (1 - g_t) I)``;
    * the prediction ``p(x_t, t)`` of ``x_0`` is ``W_2 tanh(W_1 [x_t ; sinusoids of t] + b_1) + b_2``;
    * the loss is the mean over rows of ``w_t |p(x_t, t) - x_0|^2``, with ``t`` uniform. ``w_t`` is 1 for
      ``t = 1`` and ``(g_(t-1) / (1 - g_(t-1)) - g_t / (1 - g_t)) / 2`` above, as in the bound of the likelihood.

    Args:
        items: Width of a row.
        hidden_units: Width of the hidden layer. Defaults to 1000.
        steps: ``T``, at least 2. Defaults to 5.
        noise_scale: Defaults to 0.1.
        noise_low: ``low``. Defaults to 1e-4.
        noise_high: ``high``. Defaults to 0.02.
        **options: Name and other arguments of a Keras layer.

    Raises:
        InvalidInputError: There are fewer than two steps, or there is no noise.

    Attributes:
        kept: ``g_t`` for ``t = 0 ... T``, where ``g_0`` is 1.
        weights_of_steps: ``w_t`` for ``t = 1 ... T``.
    """

    def __init__(
        self,
        items: int,
        *,
        hidden_units: int = 1000,
        steps: int = 5,
        noise_scale: float = 0.1,
        noise_low: float = 1e-4,
        noise_high: float = 0.02,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.items = items
        self.steps = positive_integer("InteractionDiffusion", "steps", steps)
        if steps < 2 or not noise_scale > 0:
            raise InvalidInputError(
                f"InteractionDiffusion: steps is {steps} and noise_scale {noise_scale}, expected at least 2 steps and "
                "noise above 0."
            )
        noise = noise_scale * np.linspace(noise_low, noise_high, self.steps)
        self.kept: NDArray[np.float64] = np.concatenate([[1.0], 1 - noise])
        ratio = self.kept[1:] / noise
        self.weights_of_steps: NDArray[np.float64] = np.concatenate([[1.0], (ratio[:-1] - ratio[1:]) / 2])
        hidden_units = positive_integer("InteractionDiffusion", "hidden_units", hidden_units)
        self.hidden = built_dense(f"{self.name}_hidden", items + TIME_UNITS, hidden_units, activation="tanh")
        self.out = built_dense(f"{self.name}_out", hidden_units, items)

    def predicted(self, rows: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """``p(x_t, t)``, ``[n, items]``, of rows ``x_t`` ``[n, items]`` and ``t`` ``[n]``."""
        return self.out(self.hidden(tf.concat([rows, sinusoids(step)], axis=1)))

    def noised(self, rows: tf.Tensor, step: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """``sqrt(g_t) x_0 + sqrt(1 - g_t) noise``, ``[n, items]``."""
        kept = tf.gather(tf.constant(self.kept, tf.float32), step)[:, tf.newaxis]
        return tf.sqrt(kept) * rows + tf.sqrt(1 - kept) * noise

    def losses(self, rows: tf.Tensor, predicted: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """``w_t |p - x_0|^2`` of every row, ``[n]``."""
        weights = tf.gather(tf.constant(self.weights_of_steps, tf.float32), step - 1)
        return weights * tf.reduce_sum(tf.square(predicted - rows), axis=1)

    def denoised(self, rows: tf.Tensor) -> tf.Tensor:
        """Rows after all reverse steps from ``T`` to 1, each the mean of ``q(x_(t-1) | x_t, x_0 = p(x_t, t))``.

        Args:
            rows: ``x_T``, ``[n, items]``.
        """
        for step in range(self.steps, 0, -1):
            before, kept = self.kept[step - 1], self.kept[step]
            of_step = kept / before
            prediction = self.predicted(rows, tf.fill([tf.shape(rows)[0]], step))
            rows = (np.sqrt(of_step) * (1 - before) * rows + np.sqrt(before) * (1 - of_step) * prediction) / (1 - kept)
        return rows


def sinusoids(step: tf.Tensor) -> tf.Tensor:
    """Cosines and sines of a step at falling frequencies (Vaswani et al., NeurIPS 2017), ``[n, TIME_UNITS]``."""
    half = TIME_UNITS // 2
    frequencies = tf.constant(10_000.0 ** (-np.arange(half) / half), tf.float32)
    angles = tf.cast(step, tf.float32)[:, tf.newaxis] * frequencies
    return tf.concat([tf.cos(angles), tf.sin(angles)], axis=1)
