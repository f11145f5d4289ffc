"""Fusion over time by learned queries, which attend to the tokens of all modalities."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.fusion.embedded_fusion import EmbeddedFusion
from tf_metammf.fusion.token_attention import head_count
from tf_metammf.fusion.token_embedding import EmbeddedTokens, frequency_count
from tf_metammf.fusion.token_layers import TokenBlock
from tf_metammf.layers.layer_arguments import not_negative, positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class QueryFusion(EmbeddedFusion):
    """Learned queries that attend to all tokens of all modalities at once.

    ``Z`` are the embedded tokens of an item, of all modalities, one after another, and ``Q = Q_0 [K, token_units]`` the
    same learned queries for every item. In each of the blocks

        Q <- Q + MHA(LN Q; keys LN Z, values Z)    over the tokens that are there
        Q <- Q + MHA(LN Q; LN Q)                   where K > 1
        Q <- Q + FFN(LN Q)                         GELU, 2 token_units wide

    and the fused vector is ``MLP([q_1; ...; q_K])``. Tokens of absent modalities are not attended to; an item without
    any modality has the vector of the queries alone. For vectors it is multi-head attention over the modalities.

    Input: token sequences, or vectors ``[B, width]``, by modality. Output: float ``[B, units[-1]]``.

    Args:
        units: Widths of the read-out, a perceptron. Defaults to (64,), which is one linear map.
        queries: Number K of queries: of things to look for in a video, each with a slot of its own. Defaults to 4.
        blocks: Number of blocks. Defaults to 1.
        heads: Heads of the attention; ``token_units`` is a multiple. Defaults to 4.
        diversity: Factor of ``mean over k != l of cos(q_k, q_l) ** 2`` of ``Q_0``, which is added to the loss so that
            queries do not learn the same thing. Defaults to 1e-4.
        token_units: Width of embedded tokens. Defaults to 64.
        frequencies: Sinusoids of the time; 0 leaves times out. Defaults to 16.
        dropout: Share of values dropped behind attention and hidden layers in training. Defaults to 0.1.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument or the input is not acceptable.

    Reference: the hub of Chen et al., MMICT: Boosting Multi-Modal Fine-Tuning with In-Context Examples, arXiv
    2312.06363, is the idea; queries as in Jaegle et al., Perceiver, arXiv 2103.03206. The diversity term follows Wang
    et al., MISSRec, arXiv 2308.11175. The equations are those of this project.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import QueryFusion
        >>> from tf_metammf.records import TokenSequences
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> fusion = QueryFusion(units=(8,), queries=2, token_units=16)
        >>> fusion({"visual": frames, "textual": tf.ones([5, 12])}).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        units: Any = (64,),
        *,
        queries: int = 4,
        blocks: int = 1,
        heads: int = 4,
        diversity: float = 1e-4,
        frequencies: int = 16,
        token_units: int = 64,
        dropout: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(units, token_units=token_units, dropout=dropout, **options)
        self.frequencies = frequency_count("QueryFusion", frequencies)
        self.queries = positive_integer("QueryFusion", "queries", queries)
        self.blocks = positive_integer("QueryFusion", "blocks", blocks)
        self.heads = head_count("QueryFusion", heads, self.token_units)
        self.diversity = not_negative("QueryFusion: diversity", diversity)

    def build(self, input_shape: Any) -> None:
        """Creates the queries and the blocks."""
        super().build(input_shape)
        self.query_vectors = self.add_weight(
            name="queries",
            shape=(self.queries, self.token_units),
            initializer=keras.initializers.RandomNormal(stddev=0.5),
            regularizer=DiverseRows(self.diversity) if self.diversity and self.queries > 1 else None,
        )
        shape = [None, self.queries, self.token_units]
        self.query_blocks = [
            self._block(QueryBlock, self.heads, shape=shape, name=f"block_{place}") for place in range(self.blocks)
        ]
        self.read_out = self._read_out(self.queries * self.token_units)

    def fuse(self, tokens: list[EmbeddedTokens], *, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]`` of embedded tokens."""
        queries, _ = self._asked(tokens, training=training)
        return self.read_out(tf.reshape(queries, [-1, self.queries * self.token_units]))

    def attend(self, tokens: list[EmbeddedTokens]) -> list[tf.Tensor]:
        """Attention of the last block, the mean over queries and heads."""
        _, attention = self._asked(tokens, training=False)
        weights = tf.reduce_mean(attention, axis=[1, 2])
        return tf.split(weights, [tf.shape(one.there)[1] for one in tokens], axis=1)

    def _asked(self, tokens: list[EmbeddedTokens], *, training: bool | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Queries after the blocks ``[B, K, token_units]``, and the attention of the last ``[B, heads, K, N]``."""
        values = tf.concat([one.values for one in tokens], axis=1)
        mask = tf.concat([one.mask for one in tokens], axis=1)
        queries = tf.cast(self.query_vectors, self.compute_dtype)[tf.newaxis]
        queries = tf.tile(queries, [tf.shape(values)[0], 1, 1])
        attention = None
        for block in self.query_blocks:
            queries, attention = block(queries, values, mask, training=training)
        return queries, attention

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "queries": self.queries,
            "blocks": self.blocks,
            "frequencies": self.frequencies,
            "heads": self.heads,
            "diversity": self.diversity,
        }


@keras.saving.register_keras_serializable("tf_metammf")
class QueryBlock(TokenBlock):
    """A block of :class:`QueryFusion`. Arguments: see :class:`tf_metammf.fusion.token_layers.TokenBlock`."""

    def build(self, input_shape: Any) -> None:
        """Creates attentions and normalisations."""
        super().build(input_shape)
        self.talks = input_shape[1] > 1
        self.norm_queries, self.norm_tokens = self._normalization("norm_queries"), self._normalization("norm_tokens")
        self.attention = self._attention("attention")
        if self.talks:
            self.norm_self, self.self_attention = self._normalization("norm_self"), self._attention("self_attention")

    def call(
        self, queries: tf.Tensor, tokens: tf.Tensor, mask: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Queries ``[B, K, token_units]`` after the block, and their attention to the tokens ``[B, heads, K, N]``."""
        found, attention = self.attention(self.norm_queries(queries), self.norm_tokens(tokens), tokens, mask)
        queries += self._dropped(found, training=training)
        if self.talks:
            normal = self.norm_self(queries)
            found, _ = self.self_attention(normal, normal, normal, tf.ones(tf.shape(normal)[:2], tf.bool))
            queries += self._dropped(found, training=training)
        return self.fed_forward(queries, training=training), attention


@keras.saving.register_keras_serializable("tf_metammf")
class DiverseRows(keras.regularizers.Regularizer):
    """``factor * mean over k != l of cos(w_k, w_l) ** 2`` of the rows of a weight: 0 where they are orthogonal.

    Args:
        factor: Of the mean.
    """

    def __init__(self, factor: float) -> None:
        self.factor = float(factor)

    def __call__(self, weight: tf.Tensor) -> tf.Tensor:
        """The penalty, a scalar."""
        directions = tf.math.l2_normalize(weight, axis=1)
        cosines = tf.matmul(directions, directions, transpose_b=True)
        rows = int(weight.shape[0])
        between = tf.reduce_sum(tf.square(cosines)) - tf.reduce_sum(tf.square(tf.linalg.diag_part(cosines)))
        return self.factor * between / (rows * (rows - 1))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"factor": self.factor}
