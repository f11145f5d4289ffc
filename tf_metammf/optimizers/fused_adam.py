"""Adam whose update of a weight is one operation."""

from typing import Any

import tensorflow as tf
import tf_keras as keras


@keras.saving.register_keras_serializable("tf_metammf")
class FusedAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, ICLR 2015), the same as Keras' to rounding, in one pass over each weight.

    ``m += (1 - b1) (g - m)``, ``v += (1 - b2) (g^2 - v)``, ``w -= a m / (sqrt(v) + epsilon)`` with
    ``a = learning_rate sqrt(1 - b2^t) / (1 - b1^t)``. Keras writes this as a dozen operations, each of which
    reads and writes tensors as large as the weight; TensorFlow has one that reads four and writes three. The
    gradient of an embedding is put into a table of zeros first: moments of rows that are not in a batch
    decay all the same, so every row is passed over anyway. With ``amsgrad`` or ``adaptive_epsilon``, which that
    operation does not know, it is Keras' Adam.

    It takes the arguments of ``tf_keras.optimizers.Adam``.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import FusedAdam
        >>> weight = tf.Variable([1.0])
        >>> steps = FusedAdam(learning_rate=0.1).apply_gradients([(tf.constant([2.0]), weight)])
        >>> round(float(weight[0]), 4)
        0.9
    """

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates a weight and its moments."""
        if not self._is_fused():
            super().update_step(gradient, variable)
            return
        if isinstance(gradient, tf.IndexedSlices):
            gradient = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
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

    def _is_fused(self) -> bool:
        return not (self.amsgrad or self.adaptive_epsilon)

    def _deduplicate_sparse_grad(self, grads: Any) -> Any:
        # Keras adds up the gradients of a row that occurs several times; putting them into the table does.
        return grads if self._is_fused() else super()._deduplicate_sparse_grad(grads)
