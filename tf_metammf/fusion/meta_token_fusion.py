"""MetaMMF over time: every video has a network of its own, generated from its sequences."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.modalities import Presence
from tf_metammf.features.token_features import ModalityFeatures
from tf_metammf.fusion.crossmodal_fusion import CrossmodalFusion
from tf_metammf.fusion.embedded_fusion import EmbeddedFusion
from tf_metammf.fusion.meta_dense import MetaDense
from tf_metammf.fusion.pyramid_fusion import PyramidFusion
from tf_metammf.fusion.query_fusion import QueryFusion
from tf_metammf.fusion.token_attention import masked_softmax
from tf_metammf.fusion.token_embedding import EmbeddedTokens, frequency_count
from tf_metammf.layers.layer_arguments import copied, optional_positive_integer, positive_integer

Meta = Literal["queries", "pyramid", "crossmodal"]
"""Which fusion extracts the meta information."""

EXTRACTORS: dict[str, type[EmbeddedFusion]] = {
    "queries": QueryFusion,
    "pyramid": PyramidFusion,
    "crossmodal": CrossmodalFusion,
}


@keras.saving.register_keras_serializable("tf_metammf")
class MetaTokenFusion(EmbeddedFusion):
    """MetaMMF whose meta information comes from token sequences, and whose generated network looks at them.

    With the embedded tokens ``z_m[t]`` of an item,

        h = MLP(E(z))                                            meta information [meta_units]
        a_m[t] = softmax_t(z_m[t] . (Q_m h + b_m) / sqrt(token_units))
        p_m = sum over t of a_m[t] z_m[t]
        y = leaky_relu(... [p_1; ...; p_M] W_1(h) ...) W_L(h)

    ``E`` is a fusion over time that says what kind of video it is (``meta``); ``Q_m`` and the kernels ``W_l(h)`` of
    :class:`tf_metammf.MetaDense` are generated: so every video has its own attention over time in every modality, and
    its own network over what was found. ``Q_m`` and ``b_m`` start at zero, so that training begins with the means
    of the sequences. Of an absent modality the stand-in is fused, as MetaMMF does.

    Input: token sequences, or vectors ``[B, width]``, by modality. Output: float ``[B, units[-1]]``.

    Args:
        units: Widths of the generated layers. Defaults to (64,).
        meta: The extractor E: ``"queries"`` (default), ``"pyramid"`` or ``"crossmodal"``, with their defaults.
        meta_units: Width S of the meta information. Defaults to 5.
        rank: Rank of the CP decomposition of every layer, or None for full tensors. Defaults to 16.
        token_units: Width of embedded tokens; a multiple of 4, the heads of the extractors. Defaults to 64.
        frequencies: Sinusoids of the time; 0 leaves times out. Defaults to 16. The pyramid has none.
        dropout: As of the extractor. Defaults to 0.1.
        tensor_initializer: Of the tensors, or of their factors. Defaults to ``"lecun_normal"``.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument or the input is not acceptable.

    Reference: Liu et al., Dynamic Multimodal Fusion via Meta-Learning Towards Micro-Video Recommendation, ACM TOIS
    42(2), 2023, arXiv 2501.07110, for vectors. Sequences, and the generated attention, are additions of this project.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MetaTokenFusion
        >>> from tf_metammf.records import TokenSequences
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> fusion = MetaTokenFusion(units=(16, 8), token_units=16, rank=2)
        >>> fusion({"visual": frames, "textual": tf.ones([5, 12])}).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        units: Any = (64,),
        *,
        meta: Meta = "queries",
        meta_units: int = 5,
        rank: int | None = 16,
        tensor_initializer: Any = "lecun_normal",
        frequencies: int = 16,
        token_units: int = 64,
        dropout: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(units, token_units=token_units, dropout=dropout, **options)
        self.frequencies = frequency_count("MetaTokenFusion", frequencies)
        if meta not in get_args(Meta):
            raise unknown_name("meta", meta, get_args(Meta))
        self.meta = meta
        self.meta_units = positive_integer("MetaTokenFusion", "meta_units", meta_units)
        self.rank = optional_positive_integer("MetaTokenFusion", "rank", rank)
        self.tensor_initializer = keras.initializers.get(tensor_initializer)

    def build(self, input_shape: Any) -> None:
        """Creates the extractor and what is generated."""
        super().build(input_shape)
        places = range(len(self.modalities))
        self.looking = [self._looking(place) for place in places]
        self.fusion_layers = [
            self._generated(place, width)
            for place, width in enumerate([len(places) * self.token_units, *self.units[:-1]])
        ]

    def embedded(self, inputs: Mapping[str, ModalityFeatures], mask: Presence | None = None) -> list[EmbeddedTokens]:
        """Tokens of every modality as the extractor embeds them."""
        self._check(inputs)
        return self.extractor.embedded(inputs, mask)

    def fuse(self, tokens: list[EmbeddedTokens], *, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]`` of embedded tokens."""
        meta_information = self.extractor.fuse(tokens, training=training)
        weights = self._attention(tokens, meta_information)
        pooled = [tf.einsum("bt,btd->bd", share, one.values) for share, one in zip(weights, tokens, strict=True)]
        fused = tf.concat(pooled, axis=1)
        for layer in self.fusion_layers[:-1]:
            fused = tf.nn.leaky_relu(layer((fused, meta_information)), alpha=self.negative_slope)
        return self.fusion_layers[-1]((fused, meta_information))

    def attend(self, tokens: list[EmbeddedTokens]) -> list[tf.Tensor]:
        """The generated attention of each modality; all modalities count the same."""
        return self._attention(tokens, self.extractor.fuse(tokens, training=False))

    def extract_meta_information(
        self, inputs: Mapping[str, ModalityFeatures], mask: Presence | None = None
    ) -> tf.Tensor:
        """Meta information ``[B, meta_units]`` of the items.

        Raises:
            InvalidInputError: The layer has no weights yet, or the input does not fit it.
        """
        if not self.built:
            raise InvalidInputError(f'MetaTokenFusion "{self.name}" has no weights yet. Call it on features first.')
        return self.extractor.fuse(self.embedded(inputs, mask), training=False)

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The map of the tokens of each modality, what else the extractor has of it, and what is looked for in it."""
        of_extractor = self.extractor.weights_by_modality()
        return {
            name: [*of_extractor[name], *looking.trainable_weights]
            for name, looking in zip(self.modalities, self.looking, strict=True)
        }

    def _attention(self, tokens: list[EmbeddedTokens], meta_information: tf.Tensor) -> list[tf.Tensor]:
        """Weights ``[B, T]`` of the average over each modality."""
        scale = self.token_units**-0.5
        return [
            masked_softmax(tf.linalg.matvec(one.values, scale * looking(meta_information)), one.there)
            for looking, one in zip(self.looking, tokens, strict=True)
        ]

    def _build_embedding(self, input_shape: Any) -> None:
        """Makes the extractor, whose embedding is used for all."""
        options: dict[str, Any] = {"token_units": self.token_units, "dropout": self.dropout}
        if self.meta != "pyramid":
            options["frequencies"] = self.frequencies
        units = (self.token_units, self.meta_units)
        self.extractor: EmbeddedFusion = self._with_kernel(
            EXTRACTORS[self.meta],
            units,
            negative_slope=self.negative_slope,
            name="extractor",
            shape=input_shape,
            **options,
        )

    def _looking(self, place: int) -> keras.layers.Dense:
        """From the meta information to what is looked for in a modality: nothing at first."""
        options = {"kernel_initializer": "zeros", "kernel_regularizer": self.kernel_regularizer}
        shape, name = [None, self.meta_units], f"looking_{place}"
        return self._made(keras.layers.Dense, self.token_units, name=name, shape=shape, **options)

    def _generated(self, place: int, width: int) -> MetaDense:
        options = {"tensor_initializer": copied(self.tensor_initializer), "name": f"generated_{place}"}
        shape = [[None, width], [None, self.meta_units]]
        return self._with_kernel(MetaDense, self.units[place], self.rank, shape=shape, **options)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "meta": self.meta,
            "meta_units": self.meta_units,
            "frequencies": self.frequencies,
            "rank": self.rank,
            "tensor_initializer": keras.initializers.serialize(self.tensor_initializer),
        }
