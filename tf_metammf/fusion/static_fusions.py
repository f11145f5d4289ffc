"""Static fusions: the same network for every item, to compare MetaMMF with."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.modalities import Features, Presence, side_by_side
from tf_metammf.fusion.channel_gate import ChannelGate
from tf_metammf.fusion.dense_stack import DenseStack
from tf_metammf.fusion.fusion_layer import PUBLISHED_UNITS, FusionLayer
from tf_metammf.layers.layer_arguments import copied, optional_positive_integer


class StaticFusion(FusionLayer):
    """A fusion made of ordinary dense layers. Arguments, input and output: see :class:`FusionLayer`."""

    def _dense_stack(self, name: str, *, units: tuple[int, ...], width: int) -> DenseStack:
        stack = DenseStack(
            units,
            negative_slope=self.negative_slope,
            kernel_initializer=copied(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )
        return self._built(stack, [None, width])


@keras.saving.register_keras_serializable("tf_metammf")
class ConcatenationFusion(StaticFusion):
    """Concatenation and an MLP: :class:`tf_metammf.MetaFusion` with static kernels alone, and biases.

    ``y = W_L leaky_relu(... leaky_relu(W_1 [x_1; ...; x_M] + b_1) ...) + b_L``.

    With ``channel_gate``, ``y * sigmoid(G_2 relu(G_1 y))`` takes the place of ``y``: squeeze and excitation, in which
    all values together open or close each one. It is what is left of :class:`tf_metammf.PyramidFusion` where items have
    vectors, and not sequences.

    The mask is accepted and not used: a stand-in is the same vector for all items that lack the
    modality, so through ``W_1`` it already is whatever an input for the absence could add.

    Input, mask and output as for :class:`tf_metammf.MetaFusion`; ``inputs`` may be one tensor.

    Args:
        units: Width of each layer. Defaults to (1024, 512, 256, 32), those of the paper.
        channel_gate: By how much the gate is narrower inside than the last layer; None, which is the default, for no
            gate.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument or the input is not acceptable.

    Reference: symmetric concatenation with a channel gate is what Li et al., U3M, arXiv 2405.15365, fuse with at one
    place of a picture; the gate is that of Hu et al., arXiv 1709.01507.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import ConcatenationFusion
        >>> videos = {"visual": tf.ones([5, 32]), "acoustic": tf.ones([5, 12])}
        >>> ConcatenationFusion(units=(16, 8))(videos).shape
        TensorShape([5, 8])
    """

    def __init__(self, units: Any = PUBLISHED_UNITS, *, channel_gate: int | None = None, **options: Any) -> None:
        super().__init__(units, **options)
        self.channel_gate = optional_positive_integer("ConcatenationFusion", "channel_gate", channel_gate)

    def build(self, input_shape: Any) -> None:
        """Creates the layers."""
        super().build(input_shape)
        self.dense_stack = self._dense_stack("dense_stack", units=self.units, width=sum(self.widths))
        self.gate = None if self.channel_gate is None else self._gate(self.channel_gate)

    def call(self, inputs: Features, mask: Presence | None = None, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]``; ``mask`` and ``training`` make no difference."""
        self._check(inputs)
        fused = self.dense_stack(side_by_side(inputs))
        return fused if self.gate is None else self.gate(fused)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "channel_gate": self.channel_gate}

    def _gate(self, reduction: int) -> ChannelGate:
        gate = ChannelGate(
            reduction,
            kernel_initializer=copied(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="channel_gate",
        )
        return self._built(gate, [None, self.units[-1]])


class ProjectionFusion(StaticFusion):
    """A weighted sum of projections, one of each modality.

    ``y = sum_m w_m * p_m`` with ``p_m = MLP_m(x_m)``, an MLP of the given widths for each modality.
    A subclass says what the weights are; an absent modality always has the weight zero, so an item
    without any modality gets the vector zero.
    """

    has_modality_weights = True

    def build(self, input_shape: Any) -> None:
        """Creates the projections."""
        if not isinstance(input_shape, Mapping):
            raise InvalidInputError(
                f"{type(self).__name__}: the input is one tensor of shape {input_shape}, expected a dictionary of "
                "features by modality name: modalities are projected each on its own."
            )
        super().build(input_shape)
        self.projections = [
            self._dense_stack(f"projection_{position}", units=self.units, width=width)
            for position, width in enumerate(self.widths)
        ]

    def call(
        self, inputs: Mapping[str, tf.Tensor], mask: Presence | None = None, training: bool | None = None
    ) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]``; ``training`` makes no difference."""
        self._check(inputs)
        projected = tf.stack(
            [projection(inputs[name]) for name, projection in zip(self.modalities, self.projections, strict=True)],
            axis=1,
        )
        presence = tf.ones_like(projected[:, :, 0]) if mask is None else self._presence(mask)
        return tf.reduce_sum(self._modality_weights(inputs, projected, presence) * projected, axis=1)

    def weights_by_modality(self) -> dict[str, list[tf.Variable]]:
        """The projection of each modality, by its name."""
        return {name: each.trainable_weights for name, each in zip(self.modalities, self.projections, strict=True)}

    def _modality_weights(
        self, inputs: Mapping[str, tf.Tensor], projected: tf.Tensor, presence: tf.Tensor
    ) -> tf.Tensor:
        """Weights, ``[B, M, 1]`` or ``[B, M, units[-1]]``.

        Args:
            inputs: ``[B, width]`` by modality.
            projected: ``[B, M, units[-1]]``.
            presence: 1 where present, 0 elsewhere, ``[B, M]``.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable("tf_metammf")
class SumFusion(ProjectionFusion):
    """Mean of the projections of the modalities an item has.

    ``y = sum_m present_m p_m / sum_m present_m``. The sum is divided by the number of modalities so
    that vectors of items that lack one are as long as the others. See :class:`ProjectionFusion`.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import SumFusion
        >>> videos = {"visual": tf.ones([5, 32]), "acoustic": tf.ones([5, 12])}
        >>> SumFusion(units=(16, 8))(videos).shape
        TensorShape([5, 8])
    """

    def _modality_weights(
        self, inputs: Mapping[str, tf.Tensor], projected: tf.Tensor, presence: tf.Tensor
    ) -> tf.Tensor:
        number = tf.reduce_sum(presence, axis=1, keepdims=True)
        return (presence / tf.maximum(number, 1.0))[:, :, tf.newaxis]


@keras.saving.register_keras_serializable("tf_metammf")
class GatedFusion(ProjectionFusion):
    """Sum of the projections, each value behind a gate that all modalities open or close.

    ``y = sum_m present_m sigmoid(G_m [x_1; ...; x_M] + g_m) * p_m``, the gated multimodal unit of
    Arevalo et al., Gated Multimodal Units for Information Fusion, arXiv 1702.01992, with an MLP in
    place of its tanh projection. See :class:`ProjectionFusion`.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import GatedFusion
        >>> videos = {"visual": tf.ones([5, 32]), "acoustic": tf.ones([5, 12])}
        >>> GatedFusion(units=(16, 8))(videos).shape
        TensorShape([5, 8])
    """

    def build(self, input_shape: Any) -> None:
        """Creates the projections and the gates."""
        super().build(input_shape)
        gates = len(self.widths) * self.units[-1]
        self.gates = self._dense_stack("gates", units=(gates,), width=sum(self.widths))

    def _modality_weights(
        self, inputs: Mapping[str, tf.Tensor], projected: tf.Tensor, presence: tf.Tensor
    ) -> tf.Tensor:
        gates = tf.sigmoid(self.gates(side_by_side(inputs)))
        return tf.reshape(gates, tf.shape(projected)) * presence[:, :, tf.newaxis]


@keras.saving.register_keras_serializable("tf_metammf")
class AttentionFusion(ProjectionFusion):
    """Sum of the projections, weighted by attention over the modalities an item has.

    ``y = sum_m a_m p_m`` with ``a = softmax_m(v . tanh(V p_m + b) + c)`` over the present modalities,
    ``V [units[-1], units[-1]]`` and ``v`` shared by all of them; after Hori et al., Attention-Based
    Multimodal Fusion for Video Description, ICCV 2017. See :class:`ProjectionFusion`.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import AttentionFusion
        >>> videos = {"visual": tf.ones([5, 32]), "acoustic": tf.ones([5, 12])}
        >>> AttentionFusion(units=(16, 8))(videos).shape
        TensorShape([5, 8])
    """

    def build(self, input_shape: Any) -> None:
        """Creates the projections and the scoring layers."""
        super().build(input_shape)
        self.attention = self._dense_stack("attention", units=(self.units[-1],), width=self.units[-1])
        self.score = self._dense_stack("score", units=(1,), width=self.units[-1])

    def _modality_weights(
        self, inputs: Mapping[str, tf.Tensor], projected: tf.Tensor, presence: tf.Tensor
    ) -> tf.Tensor:
        scores = self.score(tf.tanh(self.attention(projected)))
        present = presence[:, :, tf.newaxis]
        attention = tf.nn.softmax(tf.where(present > 0, scores, scores.dtype.min), axis=1)
        # Where nothing is present the softmax is uniform; the product makes those weights zero too.
        return attention * present
