"""Dense layers with LeakyReLU between them."""

from itertools import pairwise
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, layer_widths, share


@keras.saving.register_keras_serializable("tf_metammf")
class DenseStack(Layer):
    """Multi-layer perceptron: ``x_l = leaky_relu(x_(l-1) K_l + b_l)``, no activation after the last layer.

    Input: float ``[..., in]``.

    Output: float ``[..., units[-1]]``.

    Args:
        units: Width of each layer.
        negative_slope: Slope of LeakyReLU below zero, in [0, 1). Defaults to 0.01.
        kernel_initializer: Of every kernel. Defaults to ``"glorot_uniform"``; biases start at zero.
        kernel_regularizer: Of every kernel.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``units`` or ``negative_slope`` is not acceptable, or the width of the
            input is not known.
    """

    def __init__(
        self,
        units: Any,
        *,
        negative_slope: float = 0.01,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = layer_widths("DenseStack", "units", units)
        self.negative_slope = share("DenseStack", "negative_slope", negative_slope)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates kernels and biases."""
        width = tf.TensorShape(input_shape)[-1]
        if width is None:
            raise InvalidInputError(f"DenseStack: the input has shape {input_shape}, expected a known last dimension.")
        self.kernels = [
            self.add_weight(
                name=f"kernel_{position}",
                shape=shape,
                initializer=copied(self.kernel_initializer),
                regularizer=self.kernel_regularizer,
            )
            for position, shape in enumerate(pairwise([width, *self.units]))
        ]
        self.biases = [
            self.add_weight(name=f"bias_{position}", shape=(units,), initializer="zeros")
            for position, units in enumerate(self.units)
        ]
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """``[..., units[-1]]`` of ``[..., in]``."""
        outputs = tf.matmul(tf.cast(inputs, self.compute_dtype), self.kernels[0]) + self.biases[0]
        for kernel, bias in zip(self.kernels[1:], self.biases[1:], strict=True):
            outputs = tf.matmul(tf.nn.leaky_relu(outputs, alpha=self.negative_slope), kernel) + bias
        return outputs

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[..., units[-1]]``."""
        return tf.TensorShape(input_shape)[:-1].concatenate(self.units[-1])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": list(self.units),
            "negative_slope": self.negative_slope,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
