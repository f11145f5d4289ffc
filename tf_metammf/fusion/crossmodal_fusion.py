"""Fusion over time in which the tokens of a modality attend to those of the others."""

from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import unknown_name
from tf_metammf.fusion.embedded_fusion import EmbeddedFusion
from tf_metammf.fusion.token_attention import head_count, masked_softmax
from tf_metammf.fusion.token_embedding import EmbeddedTokens, frequency_count
from tf_metammf.fusion.token_layers import TokenBlock
from tf_metammf.layers.layer_arguments import copied, positive_integer

SourceLevels = Literal["first", "same", "all"]
"""Which levels of another modality are attended to."""

Source = tuple[tf.Tensor, tf.Tensor]
"""Tokens ``[B, N, token_units]`` of a level of another modality, and how much it counts, ``[B]``."""


@keras.saving.register_keras_serializable("tf_metammf")
class CrossmodalFusion(EmbeddedFusion):
    """A transformer whose tokens attend to those of the other modalities, whatever their rates.

    ``H_m^0`` are the embedded tokens of modality m. In layer ``l = 1 ... layers``, all modalities at once,

        A_m = sum over n, j of w_mnj MHA_mn(LN H_m^(l-1); keys LN H_n^j, values H_n^j)
        G_m = H_m^(l-1) + A_m
        C_m = G_m + Conv(LN G_m)                   width 3, over neighbours in time
        H_m^l = C_m + FFN(LN C_m)                  GELU, 2 token_units wide

    over the other modalities n that the item has and the levels j: 0 for ``source_levels="first"``, ``l - 1`` for
    ``"same"``, ``0 ... l - 1`` for ``"all"``. The ``w_mnj`` are a softmax over (n, j) of learned numbers; ``MHA_mn`` is
    the same for all j, so that the three have equally many weights but for those. In the end every modality is
    averaged with the weights ``softmax_t(q_m . LN H_m^L[t] / sqrt(token_units))``, with a learned ``q_m`` each, and
    the fused vector is ``MLP([pooled_1; ...; pooled_M])``. In the place of an absent modality stands its stand-in,
    which others do not attend to.

    The costliest of the fusions over time: attentions grow with the square of the number of modalities, and each with
    the product of the numbers of tokens.

    Input: token sequences, or vectors ``[B, width]``, by modality. Output: float ``[B, units[-1]]``.

    Args:
        units: Widths of the read-out, a perceptron. Defaults to (64,), which is one linear map.
        layers: Number of layers. Defaults to 2.
        source_levels: ``"first"``, ``"same"`` or ``"all"`` (default), as above.
        heads: Heads of the attention; ``token_units`` is a multiple. Defaults to 4.
        token_units: Width of embedded tokens. Defaults to 64.
        frequencies: Sinusoids of the time; 0 leaves times out. Defaults to 16.
        dropout: Share of values dropped behind attention and hidden layers in training. Defaults to 0.1.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument or the input is not acceptable.

    Reference: Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, arXiv 1906.00295, has
    keys of the first level; Ma et al., Multi-scale Cooperative Multimodal Transformers, arXiv 2206.07981, keys of
    several. The equations are those of this project.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import CrossmodalFusion
        >>> from tf_metammf.records import TokenSequences
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> fusion = CrossmodalFusion(units=(8,), layers=1, token_units=16)
        >>> fusion({"visual": frames, "textual": tf.ones([5, 12])}).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        units: Any = (64,),
        *,
        layers: int = 2,
        source_levels: SourceLevels = "all",
        heads: int = 4,
        frequencies: int = 16,
        token_units: int = 64,
        dropout: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(units, token_units=token_units, dropout=dropout, **options)
        self.frequencies = frequency_count("CrossmodalFusion", frequencies)
        if source_levels not in get_args(SourceLevels):
            raise unknown_name("source_levels", source_levels, get_args(SourceLevels))
        self.layers = positive_integer("CrossmodalFusion", "layers", layers)
        self.source_levels = source_levels
        self.heads = head_count("CrossmodalFusion", heads, self.token_units)

    def build(self, input_shape: Any) -> None:
        """Creates the layers and the read-out."""
        super().build(input_shape)
        places = range(len(self.modalities))
        shape = [None, None, self.token_units]
        self.crossmodal_blocks = [
            self._block(
                CrossmodalBlock, self.heads, sources=len(places) - 1, shape=shape, name=f"block_{layer}_{place}"
            )
            for layer in range(self.layers)
            for place in places
        ]
        self.level_weights = [
            self.add_weight(
                name=f"level_weights_{layer}",
                shape=(len(places), len(places), len(self._levels(layer))),
                initializer="zeros",
            )
            for layer in range(self.layers)
        ]
        self.pooling_norms = [self._normalization(f"pooling_norm_{place}") for place in places]
        self.pooling_queries = self.add_weight(
            name="pooling_queries",
            shape=(len(places), self.token_units),
            initializer=copied(self.kernel_initializer),
        )
        self.read_out = self._read_out(len(places) * self.token_units)

    def fuse(self, tokens: list[EmbeddedTokens], *, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]`` of embedded tokens."""
        values = self._transformed(tokens, training=training)
        pooled = [
            tf.einsum("bt,btd->bd", weights, one)
            for weights, one in zip(self._pooling(tokens, values), values, strict=True)
        ]
        return self.read_out(tf.concat(pooled, axis=1))

    def attend(self, tokens: list[EmbeddedTokens]) -> list[tf.Tensor]:
        """Weights with which the tokens of each modality are averaged in the end; all modalities count the same."""
        return self._pooling(tokens, self._transformed(tokens, training=False))

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The map of the tokens of each modality, its blocks and its normalisation."""
        found = super().weights_by_modality()
        for place, name in enumerate(self.modalities):
            blocks = self.crossmodal_blocks[place :: len(self.modalities)]
            for layer in (*blocks, self.pooling_norms[place]):
                found[name] = [*found[name], *layer.trainable_weights]
        return found

    def _pooling(self, tokens: list[EmbeddedTokens], values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Weights ``[B, T]`` of the average over each modality."""
        queries = tf.unstack(tf.cast(self.pooling_queries, self.compute_dtype) * self.token_units**-0.5)
        return [
            masked_softmax(tf.linalg.matvec(norm(one), query), of.there)
            for norm, one, query, of in zip(self.pooling_norms, values, queries, tokens, strict=True)
        ]

    def _transformed(self, tokens: list[EmbeddedTokens], *, training: bool | None) -> list[tf.Tensor]:
        """Tokens ``[B, T, token_units]`` of every modality after all layers."""
        levels = [[one.values for one in tokens]]
        for layer in range(self.layers):
            levels.append(self._next_level(layer, tokens, levels, training=training))
        return levels[-1]

    def _next_level(
        self,
        layer: int,
        tokens: list[EmbeddedTokens],
        levels: list[list[tf.Tensor]],
        *,
        training: bool | None,
    ) -> list[tf.Tensor]:
        """Tokens of every modality after one more layer."""
        shares = self._level_shares(layer, tokens)
        modalities = range(len(tokens))
        found = []
        for target in modalities:
            others = [source for source in modalities if source != target]
            sources = [
                [
                    (levels[level][source], shares[:, target, source, place])
                    for place, level in enumerate(self._levels(layer))
                ]
                for source in others
            ]
            masks = [tokens[source].mask for source in others]
            block = self.crossmodal_blocks[layer * len(tokens) + target]
            found.append(block(levels[-1][target], tokens[target].there, sources, masks, training=training))
        return found

    def _levels(self, layer: int) -> list[int]:
        """Levels of the sources that a layer attends to."""
        return {"first": [0], "same": [layer], "all": list(range(layer + 1))}[self.source_levels]

    def _level_shares(self, layer: int, tokens: list[EmbeddedTokens]) -> tf.Tensor:
        """``w_mnj`` of every item, ``[B, M, M, levels]``: 0 for the target itself and for absent sources."""
        logits = tf.cast(self.level_weights[layer], self.compute_dtype)
        modalities, levels = len(tokens), int(logits.shape[-1])
        present = tf.stack([one.present for one in tokens], axis=1)
        others = ~tf.eye(modalities, dtype=tf.bool)[tf.newaxis]
        counted = tf.repeat((others & present[:, tf.newaxis, :])[..., tf.newaxis], levels, axis=3)
        flat = [-1, modalities, modalities * levels]
        logits = tf.tile(logits[tf.newaxis], [tf.shape(present)[0], 1, 1, 1])
        return tf.reshape(masked_softmax(tf.reshape(logits, flat), tf.reshape(counted, flat)), tf.shape(counted))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "layers": self.layers,
            "source_levels": self.source_levels,
            "frequencies": self.frequencies,
            "heads": self.heads,
        }


@keras.saving.register_keras_serializable("tf_metammf")
class CrossmodalBlock(TokenBlock):
    """One layer of :class:`CrossmodalFusion` for the tokens of one modality.

    Args:
        token_units: Width of tokens.
        heads: Heads of each attention.
        sources: Number of other modalities.
        **options: As :class:`tf_metammf.fusion.token_layers.TokenBlock`.
    """

    def __init__(self, token_units: int, heads: int, *, sources: int, **options: Any) -> None:
        super().__init__(token_units, heads, **options)
        self.sources = sources

    def build(self, input_shape: Any) -> None:
        """Creates an attention for each source, and the convolution over neighbours."""
        super().build(input_shape)
        if self.sources:
            self.norm_queries, self.norm_keys = self._normalization("norm_queries"), self._normalization("norm_keys")
        self.attentions = [self._attention(f"attention_{place}") for place in range(self.sources)]
        self.norm_neighbours = self._normalization("norm_neighbours")
        self.neighbours = self._with_kernel(
            keras.layers.Conv1D, self.token_units, 3, padding="same", name="neighbours", shape=input_shape
        )

    def call(
        self,
        values: tf.Tensor,
        there: tf.Tensor,
        sources: list[list[Source]],
        masks: list[tf.Tensor],
        training: bool | None = None,
    ) -> tf.Tensor:
        """Tokens ``[B, T, token_units]`` after the layer.

        Args:
            values: Tokens of the modality, ``[B, T, token_units]``.
            there: bool ``[B, T]``: which of them are no padding.
            sources: Levels of every other modality, tokens ``[B, N, token_units]`` with their factor ``[B]``.
            masks: bool ``[B, N]``: which tokens of every other modality are attended to.
            training: Whether the call belongs to training.
        """
        gathered = tf.zeros_like(values)
        for attention, levels, mask in zip(self.attentions, sources, masks, strict=True):
            queries = self.norm_queries(values)
            for keys, factor in levels:
                found, _ = attention(queries, self.norm_keys(keys), keys, mask)
                gathered += factor[:, tf.newaxis, tf.newaxis] * found
        values += self._dropped(gathered, training=training)
        normal = self.norm_neighbours(values)
        context = self.neighbours(tf.where(there[:, :, tf.newaxis], normal, tf.zeros_like(normal)))
        return self.fed_forward(values + self._dropped(context, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "sources": self.sources}
