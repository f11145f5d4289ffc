"""MetaMMF's fusion: a network of its own for every item, generated from the item's features."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.modalities import Features, Presence, side_by_side
from tf_metammf.fusion.fusion_layer import PUBLISHED_UNITS, FusionLayer
from tf_metammf.fusion.meta_dense import MetaDense
from tf_metammf.fusion.meta_information import MetaInformation
from tf_metammf.layers.layer_arguments import copied, not_negative, optional_positive_integer, positive_integer

STARTS = ("random", "static")
"""What the generated part of kernels begins as."""


@keras.saving.register_keras_serializable("tf_metammf")
class MetaFusion(FusionLayer):
    """Fuses the modalities of every item by a network generated for that item.

    ``h = MetaInformation(x)`` once, then ``x_l = leaky_relu(x_(l-1) W_l(h))`` through the layers
    :class:`tf_metammf.MetaDense`, with no activation after the last. ``x`` holds the modalities
    side by side, in the alphabetical order of their names.

    With ``start="static"`` training begins with a static fusion and departs from it where that lowers the loss:
    every layer is that of :class:`tf_metammf.ConcatenationFusion`, bias included, plus a generated part that begins as
    zero (``B = 0``, as low-rank adapters do: LoRA, arXiv 2106.09685).

    Input: float ``[B, width]`` by modality, or one tensor ``[B, F]`` of modalities already side
    by side, which then has no mask.

    Mask: bool ``[B]`` by modality, True where present. The meta information sees it: an item
    that lacks a modality may get another network. None means that all are present.

    Output: float ``[B, units[-1]]``.

    Args:
        units: Width of each fusion layer. Defaults to (1024, 512, 256, 32), as published.
        meta_units: Width S of the meta information. Defaults to 5, as published.
        rank: Rank R of the CP decomposition of every layer, or None for full tensors. Defaults
            to 16, as published.
        meta_hidden_units: Hidden width of the extractor. Defaults to None, which is F, as published.
        adapter_rank: That of every :class:`tf_metammf.MetaDense`. Defaults to 0, for no adapters.
        start: ``"random"`` (published): the generated part of every kernel begins as large as the static one.
            ``"static"``: it begins as zero, and layers have biases. Defaults to ``"random"``.
        normalize_meta: Whether the meta information of every item has mean square 1. Defaults to False, as published.
        generated_l2: Factor of ``0.5 * sum(weights ** 2)`` over the factors ``B`` of all layers, or over the tensors,
            which is added to the loss: fusion is dynamic only as far as that lowers the loss by more. Defaults to 0.
        negative_slope: Slope of LeakyReLU below zero. Defaults to 0.01.
        kernel_initializer: Of the static kernels and of the extractor. Defaults to ``"glorot_uniform"``.
        tensor_initializer: Of the tensors, or of their factors. Defaults to ``"lecun_normal"``;
            see :class:`tf_metammf.MetaDense` on the scale this gives.
        kernel_regularizer: Of the static kernels and of the kernels of the extractor.
        tensor_regularizer: Of the tensors, or of their factors.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable, or the input does not keep the contract
            of :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Reference: Liu et al., Dynamic Multimodal Fusion via Meta-Learning Towards Micro-Video
    Recommendation, ACM TOIS 42(2), 2023, arXiv 2501.07110.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MetaFusion
        >>> fusion = MetaFusion(units=(16, 8), meta_units=4, rank=2)
        >>> videos = {"visual": tf.ones([5, 32]), "acoustic": tf.ones([5, 12])}
        >>> fusion(videos).shape
        TensorShape([5, 8])
        >>> mask = {"visual": tf.ones([5], tf.bool), "acoustic": tf.zeros([5], tf.bool)}
        >>> fusion(videos, mask=mask).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        units: Any = PUBLISHED_UNITS,
        *,
        meta_units: int = 5,
        rank: int | None = 16,
        meta_hidden_units: int | None = None,
        adapter_rank: int = 0,
        start: str = "random",
        normalize_meta: bool = False,
        generated_l2: float = 0.0,
        negative_slope: float = 0.01,
        kernel_initializer: Any = "glorot_uniform",
        tensor_initializer: Any = "lecun_normal",
        kernel_regularizer: Any = None,
        tensor_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            units,
            negative_slope=negative_slope,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            **options,
        )
        self.meta_units = positive_integer("MetaFusion", "meta_units", meta_units)
        self.rank = optional_positive_integer("MetaFusion", "rank", rank)
        self.adapter_rank = int(not_negative("adapter_rank", adapter_rank))
        self.meta_hidden_units = optional_positive_integer("MetaFusion", "meta_hidden_units", meta_hidden_units)
        if start not in STARTS:
            raise unknown_name("start", start, STARTS)
        self.start = start
        self.normalize_meta = bool(normalize_meta)
        self.generated_l2 = float(not_negative("generated_l2", generated_l2))
        self.tensor_initializer = keras.initializers.get(tensor_initializer)
        self.tensor_regularizer = keras.regularizers.get(tensor_regularizer)

    def build(self, input_shape: Any) -> None:
        """Creates the extractor and the fusion layers."""
        super().build(input_shape)
        width = sum(self.widths)
        self.meta_information = self._built(
            MetaInformation(
                self.meta_units,
                self.meta_hidden_units,
                modalities=len(self.modalities),
                normalize=self.normalize_meta,
                kernel_initializer=copied(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="meta_information",
            ),
            [None, width],
        )
        self.fusion_layers = [
            self._built(self._fusion_layer(position), [[None, inputs], [None, self.meta_units]])
            for position, inputs in enumerate([width, *self.units[:-1]])
        ]

    def call(self, inputs: Features, mask: Presence | None = None, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]``; ``training`` makes no difference."""
        meta_information = self.extract_meta_information(inputs, mask)
        fused = side_by_side(inputs)
        for layer in self.fusion_layers[:-1]:
            fused = tf.nn.leaky_relu(layer((fused, meta_information)), alpha=self.negative_slope)
        return self.fusion_layers[-1]((fused, meta_information))

    def extract_meta_information(self, inputs: Features, mask: Presence | None = None) -> tf.Tensor:
        """Meta information ``[B, meta_units]`` of the items.

        Raises:
            InvalidInputError: The layer has no weights yet, or the input does not fit it.
        """
        if not self.built:
            raise InvalidInputError(f'MetaFusion "{self.name}" has no weights yet. Call it on features first.')
        self._check(inputs)
        features = side_by_side(inputs)
        return self.meta_information(features, absence=self._absence(features, mask))

    def kernels(self, inputs: Features, mask: Presence | None = None) -> list[tf.Tensor]:
        """The kernels of every item, one tensor ``[B, in, out]`` a fusion layer.

        For inspection of a few items: nothing in this project computes with them.

        Raises:
            InvalidInputError: The layer has no weights yet, or the input does not fit it.
        """
        meta_information = self.extract_meta_information(inputs, mask)
        return [layer.kernel(meta_information) for layer in self.fusion_layers]

    def kernel_coordinates(self, inputs: Features, mask: Presence | None = None) -> tf.Tensor:
        """Coordinates of the items in which distances are those of their kernels, float32 ``[B, meta_units]``.

        With all kernels of an item as one long vector, ``|k_i - k_j| = |y_i - y_j|``: the kernels depend on the meta
        information linearly, so ``y = h G^(1/2)`` with the sum ``G`` of the layers' :meth:`MetaDense.gram_matrix`. No
        kernel is built.

        Raises:
            InvalidInputError: The layer has no weights yet, or the input does not fit it.
        """
        meta_information = tf.cast(self.extract_meta_information(inputs, mask), tf.float32)
        gram = tf.add_n([tf.cast(layer.gram_matrix(), tf.float32) for layer in self.fusion_layers])
        values, vectors = tf.linalg.eigh(gram)
        return tf.matmul(meta_information, vectors * tf.sqrt(tf.maximum(values, 0.0)))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "meta_units": self.meta_units,
            "rank": self.rank,
            "adapter_rank": self.adapter_rank,
            "meta_hidden_units": self.meta_hidden_units,
            "start": self.start,
            "normalize_meta": self.normalize_meta,
            "generated_l2": self.generated_l2,
            "tensor_initializer": keras.initializers.serialize(self.tensor_initializer),
            "tensor_regularizer": keras.regularizers.serialize(self.tensor_regularizer),
        }

    def _absence(self, features: tf.Tensor, mask: Presence | None) -> tf.Tensor | None:
        if mask is not None:
            return 1.0 - self._presence(mask)
        if not self.modalities:
            return None
        # Zeros, so that every weight has a gradient: Keras warns in training of one that has none.
        return tf.zeros([tf.shape(features)[0], len(self.modalities)], self.compute_dtype)

    def _fusion_layer(self, position: int) -> MetaDense:
        return MetaDense(
            self.units[position],
            self.rank,
            use_bias=self.start == "static",
            adapter_rank=self.adapter_rank,
            generated_initializer="zeros" if self.start == "static" else None,
            generated_regularizer=keras.regularizers.L2(0.5 * self.generated_l2) if self.generated_l2 else None,
            kernel_initializer=copied(self.kernel_initializer),
            tensor_initializer=copied(self.tensor_initializer),
            kernel_regularizer=self.kernel_regularizer,
            tensor_regularizer=self.tensor_regularizer,
            dtype=self.dtype_policy,
            name=f"meta_dense_{position}",
        )
