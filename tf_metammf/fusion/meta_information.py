"""Meta information: what tells the fusion layers how to fuse an item."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.modalities import feature_width
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, optional_positive_integer, positive_integer

_LEAST_SQUARE = 1e-6
"""Keeps rows of zeros zero."""


@keras.saving.register_keras_serializable("tf_metammf")
class MetaInformation(Layer):
    """Extracts the meta information of an item from its features.

    ``h = relu(x K_1 + absence P + b_1) K_2 + b_2`` with ``K_1 [F, hidden]`` and
    ``K_2 [hidden, units]``. ``absence [B, M]`` is 1 where the item lacks a modality. Its kernel ``P``
    starts at zero, so that training begins with the published extractor, and with every modality
    present the layer equals that extractor exactly.

    With ``normalize``, every row is then divided by the root of its mean square (RMS), so that how much of an item's
    kernel is generated does not depend on the size of its features: ``h / sqrt(mean_s(h[s]^2) + 1e-6)``.

    Input: ``x``, float ``[B, F]``, the features of all modalities side by side.

    Output: float ``[B, units]``.

    Args:
        units: Width S of the meta information.
        hidden_units: Width of the hidden layer. Defaults to None, which is F, as published.
        modalities: Number M of modalities whose absence the layer can be told. Defaults to 0.
        normalize: Whether every row is divided by the root of its mean square. Defaults to False, as published.
        kernel_initializer: Of ``K_1`` and ``K_2``. Defaults to ``"glorot_uniform"``.
        bias_initializer: Of ``b_1`` and ``b_2``. Defaults to ``"zeros"``.
        kernel_regularizer: Of ``K_1``, ``K_2`` and ``P``.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``units`` or ``hidden_units`` is not an integer of at least 1,
            ``modalities`` is negative, or ``absence`` is given to a layer without modalities.

    Reference: Liu et al., Dynamic Multimodal Fusion via Meta-Learning Towards Micro-Video
    Recommendation, ACM TOIS 42(2), 2023, arXiv 2501.07110. The absence term is an addition.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MetaInformation
        >>> MetaInformation(units=5)(tf.ones([3, 44])).shape
        TensorShape([3, 5])
    """

    def __init__(
        self,
        units: int,
        hidden_units: int | None = None,
        *,
        modalities: int = 0,
        normalize: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = positive_integer("MetaInformation", "units", units)
        self.hidden_units = optional_positive_integer("MetaInformation", "hidden_units", hidden_units)
        self.modalities = 0 if modalities == 0 else positive_integer("MetaInformation", "modalities", modalities)
        self.normalize = bool(normalize)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates the two layers and, where there are modalities, the kernel of their absence."""
        width = feature_width("MetaInformation", "the input", input_shape)
        hidden_units = self.hidden_units or width
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: width})
        self.hidden_kernel = self._kernel("hidden_kernel", (width, hidden_units))
        self.hidden_bias = self._bias("hidden_bias", hidden_units)
        self.kernel = self._kernel("kernel", (hidden_units, self.units))
        self.bias = self._bias("bias", self.units)
        if self.modalities:
            self.absence_kernel = self.add_weight(
                name="absence_kernel",
                shape=(self.modalities, hidden_units),
                initializer="zeros",
                regularizer=self.kernel_regularizer,
            )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, absence: tf.Tensor | None = None) -> tf.Tensor:
        """Meta information ``[B, units]`` of features ``[B, F]``.

        Args:
            inputs: Features of all modalities side by side.
            absence: float ``[B, M]``, 1 where a modality is missing; None where all are present.
        """
        hidden = tf.matmul(tf.cast(inputs, self.compute_dtype), self.hidden_kernel) + self.hidden_bias
        if absence is not None:
            hidden += self._of_absence(absence)
        meta_information = tf.matmul(tf.nn.relu(hidden), self.kernel) + self.bias
        return _of_mean_square_one(meta_information) if self.normalize else meta_information

    def _of_absence(self, absence: tf.Tensor) -> tf.Tensor:
        if not self.modalities:
            raise InvalidInputError(
                f'MetaInformation "{self.name}" is given absence but was made for 0 modalities. '
                "Pass modalities=M to its constructor."
            )
        return tf.matmul(tf.cast(absence, self.compute_dtype), self.absence_kernel)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[B, units]``."""
        return tf.TensorShape([tf.TensorShape(input_shape)[0], self.units])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "hidden_units": self.hidden_units,
            "modalities": self.modalities,
            "normalize": self.normalize,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _kernel(self, name: str, shape: tuple[int, int]) -> tf.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=copied(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
        )

    def _bias(self, name: str, units: int) -> tf.Variable:
        return self.add_weight(name=name, shape=(units,), initializer=copied(self.bias_initializer))


def _of_mean_square_one(rows: tf.Tensor) -> tf.Tensor:
    # In float32: squares of 16 bits overflow or vanish.
    values = tf.cast(rows, tf.float32) if rows.dtype.size < 4 else rows
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(values), axis=-1, keepdims=True) + _LEAST_SQUARE)
    return tf.cast(values * scale, rows.dtype)
