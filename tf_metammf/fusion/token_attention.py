"""Multi-head attention to tokens that may not be there."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class TokenAttention(Layer):
    """:class:`tf_keras.layers.MultiHeadAttention` whose output is zero where there is nothing to attend to.

    Keras attends evenly to padding where all of a row is padding; here such a row adds nothing.

    Input: ``query [B, Q, units]``, ``keys [B, N, units]``, ``values [B, N, units]`` and ``mask``, bool ``[B, N]``.

    Output: ``[B, Q, units]``, with the attention ``[B, heads, Q, N]``.

    Args:
        units: Width of queries, keys, values and output.
        heads: Number of heads, each ``units / heads`` wide.
        kernel_initializer: Of all four maps.
        kernel_regularizer: Of all four maps.
        **options: Name, dtype and other arguments of a Keras layer.

    Reference: Vaswani et al., Attention Is All You Need, arXiv 1706.03762, section 3.2.
    """

    def __init__(
        self,
        units: int,
        heads: int,
        *,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.units = positive_integer("TokenAttention", "units", units)
        self.heads = positive_integer("TokenAttention", "heads", heads)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates the maps of queries, keys, values and output."""
        self.attention = keras.layers.MultiHeadAttention(
            self.heads,
            key_dim=max(1, self.units // self.heads),
            # float16 cannot add a large number to scores and stay finite.
            softmax_robust_masking=True,
            kernel_initializer=copied(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="attention",
        )
        # Keras makes these weights at the first call alone, which is too late for weights that are loaded.
        nothing = tf.zeros([1, 1, self.units], self.compute_dtype)
        self.attention(nothing, nothing)
        super().build(input_shape)

    def call(
        self, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What the queries attend to, ``[B, Q, units]``, and how much, ``[B, heads, Q, N]``."""
        found, weights = self.attention(
            query, values, keys, attention_mask=mask[:, tf.newaxis, :], return_attention_scores=True
        )
        some = tf.reduce_any(mask, axis=1)[:, tf.newaxis, tf.newaxis]
        weights = tf.where(mask[:, tf.newaxis, tf.newaxis, :], weights, tf.zeros_like(weights))
        return tf.where(some, found, tf.zeros_like(found)), weights

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def head_count(layer: str, heads: Any, units: int) -> int:
    """A number of heads that ``token_units`` is a multiple of.

    Raises:
        InvalidInputError: It is not.
    """
    heads = positive_integer(layer, "heads", heads)
    if units % heads:
        raise InvalidInputError(
            f"{layer}: heads is {heads} and token_units is {units}; expected token_units that are a multiple of heads."
        )
    return heads


def masked_softmax(scores: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax over the last axis where ``mask`` is True; zeros elsewhere, and where it is False everywhere."""
    weights = tf.nn.softmax(tf.where(mask, scores, scores.dtype.min), axis=-1)
    return tf.where(mask, weights, tf.zeros_like(weights))
