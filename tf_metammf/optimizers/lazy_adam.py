"""Adam that leaves alone the rows of an embedding table that a step does not use."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.layer_arguments import positive_integer
from tf_metammf.optimizers.fused_adam import FusedAdam

LAZY_ROWS = 100_000
"""Rows from which on a table is updated lazily, where nothing else is said."""


@keras.saving.register_keras_serializable("tf_metammf")
class LazyAdam(FusedAdam):
    """Adam (Kingma & Ba, ICLR 2015) whose step takes the time of the rows it uses, not of the table.

    For a row ``w`` with the gradient ``g`` in step ``t``::

        m <- beta_1 m + (1 - beta_1) g
        v <- beta_2 v + (1 - beta_2) g^2
        w <- w - learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Keras' Adam does this for all rows in every step, with ``g = 0`` where a row is not used, so that each
    step reads and writes three tables. Here the rows that a step does not use keep ``w``, ``m`` and ``v``. Only sparse
    gradients (``tf.IndexedSlices``, as embedding look-ups have) of tables with at least ``lazy_rows`` rows
    are treated so; everything else is updated as by :class:`FusedAdam`.

    Args:
        learning_rate: Step size. Defaults to 1e-3.
        lazy_rows: Rows from which on a table is updated lazily, at least 1. Defaults to :data:`LAZY_ROWS`.
        **options: Other arguments of ``tf_keras.optimizers.Adam``. ``jit_compile`` defaults to False here: XLA would
            compile the update again for every number of rows.

    Raises:
        InvalidInputError: ``lazy_rows`` is not an integer of at least 1, or ``amsgrad``, whose running
            maximum has no lazy form here, is asked for.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import LazyAdam
        >>> table = tf.Variable(tf.ones([3, 1]))
        >>> gradient = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([1]), tf.constant([3, 1]))
        >>> steps = LazyAdam(learning_rate=0.1, lazy_rows=1).apply_gradients([(gradient, table)])
        >>> table[:, 0].numpy().round(4)  # only row 1 changes
        array([1. , 0.9, 1. ], dtype=float32)
    """

    def __init__(self, learning_rate: Any = 1e-3, *, lazy_rows: int = LAZY_ROWS, **options: Any) -> None:
        super().__init__(learning_rate, **{"jit_compile": False, "name": "LazyAdam", **options})
        self.lazy_rows = positive_integer("LazyAdam", "lazy_rows", lazy_rows)
        if self.amsgrad:
            raise InvalidInputError("LazyAdam: amsgrad is True, expected False. Use tf_keras.optimizers.Adam for it.")

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates one weight; gradients of a row that occurs several times are added up."""
        if not isinstance(gradient, tf.IndexedSlices) or variable.shape[0] < self.lazy_rows:
            super().update_step(gradient, variable)
            return
        position = self._index_dict[self._var_key(variable)]
        momentum, velocity = self._momentums[position], self._velocities[position]
        rows, position_of_row = tf.unique(gradient.indices)
        values = tf.math.unsorted_segment_sum(gradient.values, position_of_row, tf.size(rows))
        step, learning_rate = (tf.cast(value, values.dtype) for value in (self.iterations + 1, self.learning_rate))
        rate = learning_rate * tf.sqrt(1 - tf.pow(self.beta_2, step)) / (1 - tf.pow(self.beta_1, step))
        # Gathers and scatters of the variables themselves: reading one whole would copy it in every later step.
        new_momentum = self.beta_1 * tf.gather(momentum, rows) + (1 - self.beta_1) * values
        new_velocity = self.beta_2 * tf.gather(velocity, rows) + (1 - self.beta_2) * tf.square(values)
        change = -rate * new_momentum / (tf.sqrt(new_velocity) + self.epsilon)
        momentum.scatter_update(tf.IndexedSlices(new_momentum, rows))
        velocity.scatter_update(tf.IndexedSlices(new_velocity, rows))
        variable.scatter_add(tf.IndexedSlices(change, rows))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "lazy_rows": self.lazy_rows}
