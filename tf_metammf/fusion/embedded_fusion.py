"""What the fusions over time of this project share: embedded tokens, a read-out, and attention that can be shown."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.modalities import Presence, presence_matrix
from tf_metammf.features.token_features import ModalityFeatures, tokens_of
from tf_metammf.fusion.dense_stack import DenseStack
from tf_metammf.fusion.token_embedding import EmbeddedTokens, TokenEmbedding
from tf_metammf.fusion.token_fusion import TokenFusion
from tf_metammf.fusion.token_layers import TokenBlock, TokenLayers
from tf_metammf.layers.dropout import new_generator
from tf_metammf.layers.layer_arguments import positive_integer, share
from tf_metammf.records.token_sequences import TokenSequences


class EmbeddedFusion(TokenFusion, TokenLayers):
    """A fusion over time that begins with a :class:`tf_metammf.fusion.token_embedding.TokenEmbedding`.

    A subclass makes its weights in ``build`` and defines :meth:`fuse`; where it has attention, :meth:`attend`, too.

    Input: :class:`tf_metammf.records.TokenSequences` by modality, or vectors ``[B, width]``, each of which is a
    sequence of one token. Padding may hold anything, even NaN.

    Args:
        units: Widths of the layers of the read-out, the last of which is that of the fused vector. Defaults to (64,).
        token_units: Width of embedded tokens. Defaults to 64.
        dropout: Share of values that are dropped after each attention and each hidden layer in training. Defaults
            to 0.1.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument is not acceptable, or the input is not a dictionary.
    """

    has_modality_weights = True

    frequencies: int = 0
    """Sinusoids of the time that are added to tokens."""

    def __init__(
        self,
        units: Any = (64,),
        *,
        token_units: int = 64,
        dropout: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(units, **options)
        name = type(self).__name__
        self.token_units = positive_integer(name, "token_units", token_units)
        self.dropout = share(name, "dropout", dropout)
        self.generator = new_generator()

    def build(self, input_shape: Any) -> None:
        """Creates the embedding of tokens; subclasses create the rest."""
        if not isinstance(input_shape, Mapping):
            raise InvalidInputError(
                f"{type(self).__name__}: the input has the shape {input_shape}, expected a dictionary of token "
                "sequences or features by modality name."
            )
        super().build(input_shape)
        self._build_embedding(input_shape)

    def call(
        self,
        inputs: Mapping[str, ModalityFeatures],
        mask: Presence | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]``."""
        return self.fuse(self.embedded(inputs, mask), training=training)

    def embedded(self, inputs: Mapping[str, ModalityFeatures], mask: Presence | None = None) -> list[EmbeddedTokens]:
        """Embedded tokens of every modality, in the alphabetical order of their names.

        Raises:
            InvalidInputError: Modalities or widths differ from those the layer was built with.
        """
        self._check(inputs)
        if mask is not None:
            presence_matrix(mask, self.modalities)  # refuses other modalities
        return list(self.embedding(tokens_of(inputs), mask=None if mask is None else dict(mask)).values())

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The map of the tokens of each modality, by its name."""
        return self.embedding.weights_by_modality()

    @abstractmethod
    def fuse(self, tokens: list[EmbeddedTokens], *, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]`` of embedded tokens."""

    @property
    def attends(self) -> bool:
        """Whether it has attention: whether its class defines :meth:`attend`."""
        return type(self).attend is not EmbeddedFusion.attend

    def attend(self, tokens: list[EmbeddedTokens]) -> list[tf.Tensor]:
        """How much each token counts, ``[B, T]`` for every modality, 1 in sum over all of them.

        Raises:
            InvalidInputError: The fusion has no attention.
        """
        raise InvalidInputError(
            f"{type(self).__name__} has no attention. Use the fusion queries, crossmodal or metammf_tokens, or look at "
            "the shares of modalities."
        )

    def attention(self, inputs: Mapping[str, ModalityFeatures], mask: Presence | None = None) -> dict[str, tf.Tensor]:
        """How much the fusion attends to each token, float32 ``[B, T]`` by modality.

        Not negative, 0 in padding and for absent modalities, and 1 in sum over all tokens of an item, or 0 where it
        has none.

        Raises:
            InvalidInputError: The fusion has no attention, or no weights yet.
        """
        if not self.built:
            raise InvalidInputError(f'{type(self).__name__} "{self.name}" has no weights yet. Call it first.')
        tokens = self.embedded(inputs, mask)
        found = self.attend(tokens)
        shown = [
            tf.where(one.mask, tf.cast(weights, tf.float32), 0.0) for one, weights in zip(tokens, found, strict=True)
        ]
        total = tf.add_n([tf.reduce_sum(weights, axis=1, keepdims=True) for weights in shown])
        return {name: tf.math.divide_no_nan(w, total) for name, w in zip(self.modalities, shown, strict=True)}

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """``[B, units[-1]]``."""
        first = next(iter(input_shape.values()))
        items = tf.TensorShape(first.lengths if isinstance(first, TokenSequences) else first)[0]
        return tf.TensorShape([items, self.units[-1]])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "token_units": self.token_units,
            "dropout": self.dropout,
        }

    def _build_embedding(self, input_shape: Any) -> None:
        self.embedding: TokenEmbedding = self._with_kernel(
            TokenEmbedding, self.token_units, frequencies=self.frequencies, name="embedding", shape=input_shape
        )

    def _block(self, kind: type[TokenBlock], heads: int, *, shape: Any, **options: Any) -> Any:
        """A block of layers of this fusion's width and dropout."""
        return self._with_kernel(kind, self.token_units, heads, dropout=self.dropout, shape=shape, **options)

    def _read_out(self, width: int) -> DenseStack:
        """The layers from all that was read to the fused vector."""
        options = {"negative_slope": self.negative_slope, "name": "read_out"}
        return self._with_kernel(DenseStack, self.units, shape=[None, width], **options)
