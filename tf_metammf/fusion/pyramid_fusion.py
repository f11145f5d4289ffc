"""Fusion over time by a pyramid: convolutions over, and averages of, parts of the time."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.fusion.embedded_fusion import EmbeddedFusion
from tf_metammf.fusion.token_embedding import EmbeddedTokens
from tf_metammf.layers.layer_arguments import copied, positive_integer

Branches = Literal["both", "pooling", "convolution"]
"""Which branches there are."""

POOLED_PARTS, READ_PARTS = (1, 2, 3, 6), (1, 2, 3)
"""Into how many parts time is divided by the pooling branch, and by the read-out."""

KERNELS = (3, 5, 7)
"""Slots that the convolutions see."""


@keras.saving.register_keras_serializable("tf_metammf")
class PyramidFusion(EmbeddedFusion):
    """All modalities side by side on one grid of time, without one that comes first.

    The time of an item, from 0 to the end of its longest modality, is divided into ``slots``. ``Z_m[k]`` is the mean of
    the embedded tokens of modality m in slot k, 0 where there is none; a modality of one token, and the stand-in of an
    absent one, is in every slot. With ``D`` for a dense layer of ``token_units`` and ``N`` for layer normalisation,

        U = [Z_1; ...; Z_M] W
        P = U + N(D(sum over g in 1, 2, 3, 6 of a_g * parts_g(N(D(U)))))         pooling branch
        K = N(D(V + DW_3(V) + DW_5(V) + DW_7(V))), V = N(D(U))                   convolution branch
        H = S * sigmoid(G_2 relu(G_1 mean(S))), S = GELU(D(P + K))               channel gate
        fused = MLP([parts_1(H); parts_2(H); parts_3(H)])

    ``parts_g`` are means over the slots of g equal parts; ``a_g`` a learned factor for each channel; ``DW_k`` a
    depthwise convolution over k slots. The read-out keeps the means of the whole, the halves and the thirds apart, so
    the order is not lost. Slots without any token count in no mean.

    Where all modalities are vectors, all slots are the same, and the channel gate is what is left: take
    :class:`tf_metammf.ConcatenationFusion` with ``channel_gate``.

    Slots are shares of the length of an item, not seconds. Give all modalities times, or none: a modality without times
    has times from 0 to 1, which would be in the first slot beside one with seconds.

    Input: token sequences, or vectors ``[B, width]``, by modality. Output: float ``[B, units[-1]]``.

    Args:
        units: Widths of the read-out, a perceptron. Defaults to (64,), which is one linear map.
        slots: Number of slots, a multiple of 6. Defaults to 12.
        reduction: By how much the channel gate is narrower inside. Defaults to 8.
        branches: ``"both"`` (default), ``"pooling"`` or ``"convolution"``; the other is left out of the sum.
        token_units: Width of embedded tokens. Defaults to 64.
        dropout: Share of values dropped before the read-out in training. Defaults to 0.1.
        **options: As :class:`tf_metammf.fusion.fusion_layer.FusionLayer`.

    Raises:
        InvalidInputError: An argument or the input is not acceptable.

    Reference: Li et al., U3M: Unbiased Multiscale Modal Fusion Model for Multimodal Semantic Segmentation, arXiv
    2405.15365, is the idea, for pictures; the channel gate is that of Hu et al., arXiv 1709.01507. The equations for
    time are those of this project.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import PyramidFusion
        >>> from tf_metammf.records import TokenSequences
        >>> frames = TokenSequences(tf.ones([5, 4, 3]), tf.constant([4, 2, 1, 1, 3], tf.int64), tf.zeros([5, 4]))
        >>> PyramidFusion(units=(8,), token_units=16)({"visual": frames, "textual": tf.ones([5, 12])}).shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        units: Any = (64,),
        *,
        slots: int = 12,
        reduction: int = 8,
        branches: Branches = "both",
        token_units: int = 64,
        dropout: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(units, token_units=token_units, dropout=dropout, **options)
        self.slots = positive_integer("PyramidFusion", "slots", slots)
        if self.slots % 6:
            raise InvalidInputError(f"PyramidFusion: slots is {slots}, expected a multiple of 6.")
        if branches not in get_args(Branches):
            raise unknown_name("branches", branches, get_args(Branches))
        self.reduction = positive_integer("PyramidFusion", "reduction", reduction)
        self.branches = branches

    def build(self, input_shape: Any) -> None:
        """Creates the branches, the gate and the read-out."""
        super().build(input_shape)
        units = self.token_units
        self.joined = self._dense("joined", units, width=len(self.modalities) * units)
        if self.branches != "convolution":
            self.pooling_in, self.pooling_out = self._pointwise("pooling_in"), self._pointwise("pooling_out")
            self.part_factors = self.add_weight("part_factors", (len(POOLED_PARTS), units), initializer="ones")
        if self.branches != "pooling":
            self.convolution_in = self._pointwise("convolution_in")
            self.convolution_out = self._pointwise("convolution_out")
            self.convolutions = [self._depthwise(width) for width in KERNELS]
        self.combined = self._dense("combined", units, width=units, activation="gelu")
        inside = max(1, units // self.reduction)
        self.gate_in = self._dense("gate_in", inside, width=units, rank=2, use_bias=False, activation="relu")
        self.gate_out = self._dense("gate_out", units, width=inside, rank=2, use_bias=False, activation="sigmoid")
        self.read_out = self._read_out(sum(READ_PARTS) * units)

    def fuse(self, tokens: list[EmbeddedTokens], *, training: bool | None = None) -> tf.Tensor:
        """Fused vectors ``[B, units[-1]]`` of embedded tokens."""
        shares = slot_shares(tokens, self.slots)
        filled = tf.reduce_any(tf.stack([tf.reduce_any(share > 0, axis=2) for share in shares]), axis=0)
        on_grid = [
            tf.einsum("bst,btd->bsd", tf.cast(share, self.compute_dtype), one.values)
            for share, one in zip(shares, tokens, strict=True)
        ]
        joined = self.joined(tf.concat(on_grid, axis=2))
        total = self._convolved(joined, filled) + self._pooled(joined, filled)
        summed = self.combined(total)
        gate = self.gate_out(self.gate_in(self._parts(summed, filled, 1)[:, 0]))
        gated = self._dropped(summed * gate[:, tf.newaxis, :], training=training)
        parts = tf.concat([self._parts(gated, filled, number) for number in READ_PARTS], axis=1)
        return self.read_out(tf.reshape(parts, [-1, sum(READ_PARTS) * self.token_units]))

    def _pooled(self, joined: tf.Tensor, filled: tf.Tensor) -> tf.Tensor:
        if self.branches == "convolution":
            return tf.zeros_like(joined)
        inside = _applied(self.pooling_in, joined)
        factors = tf.unstack(tf.cast(self.part_factors, self.compute_dtype))
        spread = [
            factor * tf.repeat(self._parts(inside, filled, number), self.slots // number, axis=1)
            for factor, number in zip(factors, POOLED_PARTS, strict=True)
        ]
        return joined + _applied(self.pooling_out, tf.add_n(spread))

    def _convolved(self, joined: tf.Tensor, filled: tf.Tensor) -> tf.Tensor:
        if self.branches == "pooling":
            return tf.zeros_like(joined)
        inside = _applied(self.convolution_in, joined)
        inside = tf.where(filled[:, :, tf.newaxis], inside, tf.zeros_like(inside))
        seen = [convolution(inside) for convolution in self.convolutions]
        return _applied(self.convolution_out, tf.add_n([inside, *seen]))

    def _parts(self, values: tf.Tensor, filled: tf.Tensor, number: int) -> tf.Tensor:
        """Means over the filled slots of ``number`` equal parts, ``[B, number, token_units]``; 0 for an empty part."""
        counted = tf.cast(filled, values.dtype)[:, :, tf.newaxis]
        shape = [-1, number, self.slots // number]
        sums = tf.reduce_sum(tf.reshape(values * counted, [*shape, self.token_units]), axis=2)
        return sums / tf.maximum(tf.reduce_sum(tf.reshape(counted, [*shape, 1]), axis=2), 1)

    def _pointwise(self, name: str) -> list[keras.layers.Layer]:
        return [self._dense(name, self.token_units, width=self.token_units), self._normalization(f"{name}_norm")]

    def _depthwise(self, width: int) -> keras.layers.DepthwiseConv1D:
        kernel = {
            "depthwise_initializer": copied(self.kernel_initializer),
            "depthwise_regularizer": self.kernel_regularizer,
        }
        shape, name = [None, self.slots, self.token_units], f"depthwise_{width}"
        return self._made(keras.layers.DepthwiseConv1D, width, padding="same", name=name, shape=shape, **kernel)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "slots": self.slots,
            "reduction": self.reduction,
            "branches": self.branches,
        }


def slot_shares(tokens: Sequence[EmbeddedTokens], slots: int) -> list[tf.Tensor]:
    """How much of each token a slot has, float32 ``[B, slots, T]`` for every modality: 1 in sum for a filled slot.

    Args:
        tokens: Tokens of every modality.
        slots: Number of slots.
    """
    end = tf.reduce_max(tf.stack([_end(one) for one in tokens]), axis=0)[:, tf.newaxis]
    found = []
    for one in tokens:
        # A time that is a border in exact arithmetic belongs behind it.
        slot = tf.cast(tf.floor(slots * one.times / end + 1e-4), tf.int32)
        inside = tf.one_hot(tf.clip_by_value(slot, 0, slots - 1), slots, on_value=True, off_value=False, axis=1)
        single = tf.reduce_sum(tf.cast(one.there, tf.int32), axis=1) == 1
        inside = (inside | single[:, tf.newaxis, tf.newaxis]) & one.there[:, tf.newaxis, :]
        counts = tf.cast(inside, tf.float32)
        found.append(tf.math.divide_no_nan(counts, tf.reduce_sum(counts, axis=2, keepdims=True)))
    return found


def _end(one: EmbeddedTokens) -> tf.Tensor:
    """Seconds at which the last token of each item ends, ``[B]``: as long as the others; tiny for a single token."""
    number = tf.reduce_sum(tf.cast(one.there, tf.float32), axis=1)
    last = tf.reduce_max(tf.where(one.there, one.times, 0.0), axis=1)
    first = tf.reduce_min(tf.where(one.there, one.times, one.times.dtype.max), axis=1)
    step = tf.math.divide_no_nan(last - first, number - 1)
    # A single token says nothing of the length: the others decide.
    return tf.where(number > 1, tf.maximum(last + step, 1e-6), 1e-6)


def _applied(layers: Sequence[keras.layers.Layer], values: tf.Tensor) -> tf.Tensor:
    for layer in layers:
        values = layer(values)
    return values
