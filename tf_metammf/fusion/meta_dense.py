"""Dense layer that generates a kernel of its own for every row."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.modalities import feature_width
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, not_negative, optional_positive_integer, positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class MetaDense(Layer):
    """Dense layer whose kernel is generated for every row from its meta information.

    ``y = activation(x W(h))`` with ``W(h) = M + sum_s h[s] T[s]``: a static kernel ``M [in, out]``,
    the same for all rows, plus a combination of ``S`` kernels ``T [S, in, out]`` by the meta
    information ``h [S]`` of the row. With a ``rank`` R the tensor is CP-decomposed,
    ``T[s] = sum_r C[s, r] a_r b_r^T`` with ``A [in, R]``, ``B [R, out]`` and ``C [S, R]``.

    No kernel of a row is ever built. By the distributive law

    * with a rank, ``x W(h) = x M + ((x A) * (h C)) B``, which costs ``O(R (in + out))`` a row
      beside the one product with ``M``;
    * without, ``x W(h) = x M + sum_s h[s] (x T[s])``, which is ``S`` products more.

    Initial scale: for features and meta information of mean square 1, the generated part of the
    output has variance 1 whatever in, out, S and R are, because the default initialiser divides
    the variance by the fan-in: S * in for ``T``; in, S and R for the factors. ``M`` gives
    ``2 in / (in + out)``. So both parts count from the first step.

    Input: a pair of ``x``, float ``[B, in]``, and ``h``, float ``[B, S]``.

    Output: float ``[B, units]``.

    Args:
        units: Width of the output.
        rank: Rank R of the CP decomposition, or None (default) for the full tensor.
        activation: Activation of the output. Defaults to None, which is the identity.
        use_bias: Whether a bias, which begins as zero, is added to the output, as :class:`tf_keras.layers.Dense` does.
            Defaults to False, as published.
        adapter_rank: Rank r of a product of ``[in, r]`` and ``[r, out]`` that is added to the static kernel and begins
            as zero: a trained layer is adapted by it alone (LoRA, arXiv 2106.09685). Defaults to 0, for none.
        kernel_initializer: Of the static kernel. Defaults to ``"glorot_uniform"``.
        tensor_initializer: Of the tensor, or of each factor. Defaults to ``"lecun_normal"``.
        generated_initializer: Of the tensor, or of ``B`` alone. Defaults to None, which is ``tensor_initializer``. With
            ``"zeros"`` training begins with the static kernel alone, as low-rank adapters do (LoRA), and every other
            weight has a gradient once ``B`` has left zero.
        kernel_regularizer: Of the static kernel.
        tensor_regularizer: Of the tensor, or of each factor.
        generated_regularizer: Of the tensor, or of ``B`` alone. Defaults to None, which is ``tensor_regularizer``.
        kernel_constraint: Of the static kernel.
        tensor_constraint: Of the tensor, or of each factor.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: ``units`` or ``rank`` is not an integer of at least 1, or the input is
            not a pair of ``[batch, width]``.

    Reference: Liu et al., Dynamic Multimodal Fusion via Meta-Learning Towards Micro-Video
    Recommendation, ACM TOIS 42(2), 2023, arXiv 2501.07110.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MetaDense
        >>> layer = MetaDense(units=3, rank=2)
        >>> features, meta_information = tf.ones([5, 4]), tf.ones([5, 2])
        >>> layer((features, meta_information)).shape
        TensorShape([5, 3])
        >>> layer.count_params()  # M [4, 3], A [4, 2], B [2, 3], C [2, 2]
        30
    """

    def __init__(
        self,
        units: int,
        rank: int | None = None,
        *,
        activation: Any = None,
        use_bias: bool = False,
        adapter_rank: int = 0,
        kernel_initializer: Any = "glorot_uniform",
        tensor_initializer: Any = "lecun_normal",
        generated_initializer: Any = None,
        kernel_regularizer: Any = None,
        tensor_regularizer: Any = None,
        generated_regularizer: Any = None,
        kernel_constraint: Any = None,
        tensor_constraint: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = positive_integer("MetaDense", "units", units)
        self.rank = optional_positive_integer("MetaDense", "rank", rank)
        self.use_bias = bool(use_bias)
        self.adapter_rank = int(not_negative("adapter_rank", adapter_rank))
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.tensor_initializer = keras.initializers.get(tensor_initializer)
        self.generated_initializer = keras.initializers.get(generated_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.tensor_regularizer = keras.regularizers.get(tensor_regularizer)
        self.generated_regularizer = keras.regularizers.get(generated_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.tensor_constraint = keras.constraints.get(tensor_constraint)

    def build(self, input_shape: Any) -> None:
        """Creates the static kernel, and the tensor or its factors."""
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 2:
            raise InvalidInputError(
                f"MetaDense: the input has the shapes {input_shape}, expected a pair: features [batch, in] and "
                "meta information [batch, S]."
            )
        width = feature_width("MetaDense", "the first input", input_shape[0])
        meta_units = feature_width("MetaDense", "the meta information", input_shape[1])
        self.input_spec = [
            keras.layers.InputSpec(ndim=2, axes={-1: width}),
            keras.layers.InputSpec(ndim=2, axes={-1: meta_units}),
        ]
        self.static_kernel = self.add_weight(
            name="static_kernel",
            shape=(width, self.units),
            initializer=copied(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        if self.adapter_rank:
            self.adapter_a = self.add_weight(
                name="adapter_a", shape=(width, self.adapter_rank), initializer=copied(self.kernel_initializer)
            )
            self.adapter_b = self.add_weight(
                name="adapter_b", shape=(self.adapter_rank, self.units), initializer="zeros"
            )
        if self.rank is None:
            self.tensor = self._generating_weight("tensor", (meta_units, width, self.units), last=True)
        else:
            self.factor_a = self._generating_weight("factor_a", (width, self.rank))
            self.factor_b = self._generating_weight("factor_b", (self.rank, self.units), last=True)
            self.factor_c = self._generating_weight("factor_c", (meta_units, self.rank))
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """``activation(x W(h))``, ``[B, units]``, of the pair ``x [B, in]``, ``h [B, S]``."""
        features, meta_information = (tf.cast(values, self.compute_dtype) for values in inputs)
        generate = self._full if self.rank is None else self._decomposed
        generated = generate(features, meta_information)
        static = tf.matmul(features, self.static_kernel)
        if self.adapter_rank:
            static += tf.matmul(tf.matmul(features, self.adapter_a), self.adapter_b)
        if self.use_bias:
            static += self.bias
        return self.activation(static + generated)

    def _full(self, features: tf.Tensor, meta_information: tf.Tensor) -> tf.Tensor:
        # One batched product [S, B, out], as fast as S products and leaner than one with T laid
        # out as [in, S * out], which would copy T in every step, forward and backward.
        products = tf.matmul(features[tf.newaxis], self.tensor)
        return tf.reduce_sum(products * tf.transpose(meta_information)[:, :, tf.newaxis], axis=0)

    def _decomposed(self, features: tf.Tensor, meta_information: tf.Tensor) -> tf.Tensor:
        coordinates = tf.matmul(features, self.factor_a) * tf.matmul(meta_information, self.factor_c)
        return tf.matmul(coordinates, self.factor_b)

    def kernel(self, meta_information: tf.Tensor) -> tf.Tensor:
        """The kernels ``W(h) [B, in, units]`` of meta information ``h [B, S]``.

        For inspection only: it takes ``in * units`` values a row. Nothing in this project computes with it.

        Raises:
            InvalidInputError: The layer has no weights yet.
        """
        if not self.built:
            raise InvalidInputError(f'MetaDense "{self.name}" has no weights yet. Call it on features first.')
        meta_information = tf.cast(meta_information, self.static_kernel.dtype)
        static = self.static_kernel
        if self.adapter_rank:
            static = static + tf.matmul(self.adapter_a, self.adapter_b)
        if self.rank is None:
            return static + tf.einsum("bs,sio->bio", meta_information, self.tensor)
        coordinates = tf.matmul(meta_information, self.factor_c)
        return static + tf.einsum("br,ir,ro->bio", coordinates, self.factor_a, self.factor_b)

    def gram_matrix(self) -> tf.Tensor:
        """Inner products ``<T[s], T[t]>`` of the generating kernels, float32 ``[S, S]``.

        So the distance of the kernels of two rows is ``|W(h) - W(g)|^2 = (h - g)^T G (h - g)``. With a rank,
        ``G = C ((A^T A) * (B B^T)) C^T``.

        Raises:
            InvalidInputError: The layer has no weights yet.
        """
        if not self.built:
            raise InvalidInputError(f'MetaDense "{self.name}" has no weights yet. Call it on features first.')
        if self.rank is None:
            tensor = tf.reshape(self.tensor, [self.tensor.shape[0], -1])
            return tf.matmul(tensor, tensor, transpose_b=True)
        products = tf.matmul(self.factor_a, self.factor_a, transpose_a=True)
        products *= tf.matmul(self.factor_b, self.factor_b, transpose_b=True)
        return tf.matmul(tf.matmul(self.factor_c, products), self.factor_c, transpose_b=True)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[B, units]``."""
        return tf.TensorShape([tf.TensorShape(input_shape[0])[0], self.units])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "rank": self.rank,
            "use_bias": self.use_bias,
            "adapter_rank": self.adapter_rank,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "tensor_initializer": keras.initializers.serialize(self.tensor_initializer),
            "generated_initializer": keras.initializers.serialize(self.generated_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "tensor_regularizer": keras.regularizers.serialize(self.tensor_regularizer),
            "generated_regularizer": keras.regularizers.serialize(self.generated_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "tensor_constraint": keras.constraints.serialize(self.tensor_constraint),
        }

    def _generating_weight(self, name: str, shape: tuple[int, ...], *, last: bool = False) -> tf.Variable:
        """A weight of what generates kernels; ``last`` is the one that makes the generated part zero where it is."""
        initializer, regularizer = self.tensor_initializer, self.tensor_regularizer
        if last and self.generated_initializer is not None:
            initializer = self.generated_initializer
        if last and self.generated_regularizer is not None:
            regularizer = self.generated_regularizer
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=copied(initializer),
            regularizer=regularizer,
            constraint=self.tensor_constraint,
        )
