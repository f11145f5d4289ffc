"""The Keras layers that fusions over time are made of, each with its weights."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.fusion.token_attention import TokenAttention, head_count
from tf_metammf.layers.dropout import dropout as dropped
from tf_metammf.layers.dropout import new_generator
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import copied, positive_integer, share
from tf_metammf.layers.training_switch import in_training


class TokenLayers(Layer):
    """A layer over tokens of one width, which makes other layers in its ``build``.

    Args:
        token_units: Width of tokens.
        dropout: Share of values dropped in training, in [0, 1).
        kernel_initializer: Of kernels.
        kernel_regularizer: Of kernels.
        **options: Name, dtype and other arguments of a Keras layer.
    """

    token_units: int
    dropout: float
    generator: tf.random.Generator
    kernel_initializer: Any
    kernel_regularizer: Any

    def _dropped(self, values: tf.Tensor, *, training: bool | None) -> tf.Tensor:
        return in_training(training, lambda: dropped(self.generator, values, self.dropout), lambda: values)

    def _made(self, kind: type[keras.layers.Layer], *arguments: Any, shape: Any, **options: Any) -> Any:
        """A layer with weights for inputs of a shape."""
        layer = kind(*arguments, dtype=self.dtype_policy, **options)
        # Without the scope, weights of several parts would share a name, which HDF5 files refuse.
        with tf.name_scope(layer.name):
            layer.build(shape)
        return layer

    def _with_kernel(self, kind: type[keras.layers.Layer], *arguments: Any, shape: Any, **options: Any) -> Any:
        """The same of a layer that has a kernel."""
        kernel = {
            "kernel_initializer": copied(self.kernel_initializer),
            "kernel_regularizer": self.kernel_regularizer,
        }
        return self._made(kind, *arguments, shape=shape, **kernel, **options)

    def _dense(self, name: str, units: int, *, width: int, rank: int = 3, **options: Any) -> keras.layers.Dense:
        """A dense layer over the last of ``rank`` axes."""
        shape = [*[None] * (rank - 1), width]
        return self._with_kernel(keras.layers.Dense, units, name=name, shape=shape, **options)

    def _normalization(self, name: str) -> keras.layers.LayerNormalization:
        """Normalisation of every token."""
        shape = [None, None, self.token_units]
        return self._made(keras.layers.LayerNormalization, name=name, epsilon=1e-5, shape=shape)


class TokenBlock(TokenLayers):
    """Attention and a hidden layer, as blocks of a transformer have them. Subclasses say in which order.

    Args:
        token_units: Width of tokens.
        heads: Heads of the attention; ``token_units`` is a multiple.
        dropout: Share of values dropped in training, in [0, 1).
        kernel_initializer: Of kernels.
        kernel_regularizer: Of kernels.
        **options: Name, dtype and other arguments of a Keras layer.
    """

    def __init__(
        self,
        token_units: int,
        heads: int,
        *,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **options})
        name = type(self).__name__
        self.token_units = positive_integer(name, "token_units", token_units)
        self.heads = head_count(name, heads, self.token_units)
        self.dropout = share(name, "dropout", dropout)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.generator = new_generator()

    def build(self, input_shape: Any) -> None:
        """Creates the hidden layer, 2 ``token_units`` wide; subclasses create the rest."""
        self.norm_hidden = self._normalization("norm_hidden")
        self.hidden = self._dense("hidden", 2 * self.token_units, width=self.token_units, activation="gelu")
        self.output_of_hidden = self._dense("output", self.token_units, width=2 * self.token_units)
        super().build(input_shape)

    def fed_forward(self, values: tf.Tensor, *, training: bool | None) -> tf.Tensor:
        """``x + FFN(LN x)``."""
        hidden = self.output_of_hidden(self.hidden(self.norm_hidden(values)))
        return values + self._dropped(hidden, training=training)

    def _attention(self, name: str) -> TokenAttention:
        shape = [None, None, self.token_units]
        return self._with_kernel(TokenAttention, self.token_units, self.heads, name=name, shape=shape)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "token_units": self.token_units,
            "heads": self.heads,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
