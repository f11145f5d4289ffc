"""A gate for every value of a vector, opened or closed by the whole vector."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class ChannelGate(Layer):
    """Squeeze and excitation of a vector: ``y = x * sigmoid(relu(x G_1) G_2)``.

    ``G_1 [width, max(1, width / reduction)]`` and ``G_2`` back, both without a bias. It begins near ``y = x / 2``.

    Input and output: float ``[B, width]``.

    Args:
        reduction: By how much the gate is narrower inside. Defaults to 8.
        kernel_initializer: Of ``G_1`` and ``G_2``. Defaults to ``"glorot_uniform"``.
        kernel_regularizer: Of both.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``reduction`` is not an integer of at least 1.

    Reference: Hu et al., Squeeze-and-Excitation Networks, arXiv 1709.01507. A vector has no places to be averaged over,
    so its values are the channels.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf.fusion.channel_gate import ChannelGate
        >>> ChannelGate(reduction=4)(tf.ones([5, 8])).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        reduction: int = 8,
        *,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.reduction = positive_integer("ChannelGate", "reduction", reduction)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates both kernels."""
        width = int(tf.TensorShape(input_shape)[-1])
        inside = max(1, width // self.reduction)
        self.kernels = [
            self.add_weight(
                name=f"kernel_{place}",
                shape=shape,
                initializer=copied(self.kernel_initializer),
                regularizer=self.kernel_regularizer,
            )
            for place, shape in enumerate([(width, inside), (inside, width)])
        ]
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """``[B, width]``, each value times its gate."""
        inwards, outwards = self.kernels
        return inputs * tf.sigmoid(tf.matmul(tf.nn.relu(tf.matmul(inputs, inwards)), outwards))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "reduction": self.reduction,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
