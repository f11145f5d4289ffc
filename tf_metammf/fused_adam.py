"""Adam whose update of a dense weight is one operation."""

from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable("tf_metammf")
class FusedAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, ICLR 2015), the same as Keras' to rounding, in one pass over a dense weight.

    ``m += (1 - b1) (g - m)``, ``v += (1 - b2) (g^2 - v)``, ``w -= a m / (sqrt(v) + epsilon)`` with
    ``a = learning_rate sqrt(1 - b2^t) / (1 - b1^t)``. Keras writes this as a dozen operations, each of which
    reads and writes tensors as large as the weight; TensorFlow has one that reads four and writes three, and
    no temporary. Sparse gradients, ``amsgrad`` and ``adaptive_epsilon`` are updated as Keras does.

    Args:
        **options: Those of :class:`tf_keras.optimizers.Adam`.
    """

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates a weight and its moments."""
        if isinstance(gradient, tf.IndexedSlices) or self.amsgrad or self.adaptive_epsilon:
            super().update_step(gradient, variable)
            return
        position = self._index_dict[self._var_key(variable)]
        step, beta_1, beta_2 = (
            tf.cast(value, variable.dtype) for value in (self.iterations + 1, self.beta_1, self.beta_2)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[position].handle,
            v=self._velocities[position].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )
