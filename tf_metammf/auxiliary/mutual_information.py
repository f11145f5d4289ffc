"""InfoNCE between fused vectors and modalities: a bound on the information that they share."""

import math
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.auxiliary.auxiliary_loss import AuxiliaryLoss, ItemViews
from tf_metammf.auxiliary.settings import MutualInformationSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.layers.dropout import new_generator, uniform
from tf_metammf.layers.layer_arguments import not_negative, positive_integer


class MutualInformation(AuxiliaryLoss):
    """InfoNCE between the fused vector of an item and each of its modalities (Self-MI, arXiv 2311.03785).

    For the distinct items ``I_m`` of the batch and of a sample of the catalogue that have modality ``m``::

        z_i  = g(c_i) / |g(c_i)|            y_im = h_m(x_im) / |h_m(x_im)|
        L_m  = -1/2 mean_{i in I_m} ( log softmax_{j in I_m}(z_i . y_jm / t)_i
                                    + log softmax_{j in I_m}(y_im . z_j / t)_i )
        loss = weight * min(1, step / warm_up) * sum_m L_m

    ``c_i`` is fused from what modality dropout leaves of the item, at least one modality, while ``x_im`` is whole:
    otherwise the fusion could copy a modality through and learn nothing that is shared. ``g`` and ``h_m`` are linear.
    Absent modalities are left out, never replaced by stand-ins, which are all alike.

    ``log N_m - L_m`` is a lower bound on the mutual information in nats (van den Oord et al., arXiv 1807.03748), with
    ``N_m = |I_m|``; it cannot pass ``log N_m - log(1 + (N_m - 1) exp(-2 / t))``. Both are metrics of the model:
    ``information/NAME`` and ``information_ceiling/NAME``.

    The loss keeps what modalities share and pushes out what only one of them knows, so it helps where users respond to
    the former and hurts where they respond to the latter. With ``contrast="fused_views"`` two vectors fused from
    different parts of an item are contrasted instead (CoMM, arXiv 2409.07402), which keeps what is not shared, too.

    Args:
        weight: Factor of the loss, above 0. Defaults to 0.03.
        contrast: ``"modalities"`` or ``"fused_views"``. Defaults to ``"modalities"``.
        temperature: ``t``, above 0. Defaults to 0.2.
        units: Width of ``z`` and ``y``. Defaults to 64.
        items: Items of the sample of the catalogue, which need no interactions; 0 for none. Defaults to 512.
        modality_dropout: Probability that a modality is left out of what is fused. Defaults to 0.3.
        warm_up: Steps until the full weight; 0 for none. Defaults to 200.
        **options: Of a Keras layer.

    Raises:
        InvalidInputError: An argument is out of range.
    """

    Settings = MutualInformationSettings

    def __init__(
        self,
        *,
        weight: float = 0.03,
        contrast: Literal["modalities", "fused_views"] = "modalities",
        temperature: float = 0.2,
        units: int = 64,
        items: int = 512,
        modality_dropout: float = 0.3,
        warm_up: int = 200,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not (weight > 0 and math.isfinite(weight)):
            raise InvalidInputError(f"weight is {weight}, expected a number above 0.")
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InvalidInputError(f"temperature is {temperature}, expected a number above 0.")
        if not 0 <= modality_dropout < 1:
            raise InvalidInputError(f"modality_dropout is {modality_dropout}, expected a number from 0 to below 1.")
        if contrast not in ("modalities", "fused_views"):
            raise InvalidInputError(f'contrast is "{contrast}", expected modalities or fused_views.')
        self.weight, self.contrast, self.temperature = weight, contrast, temperature
        self.units = positive_integer("MutualInformation", "units", units)
        self.sampled_items = int(not_negative("items", items))
        self.modality_dropout, self.warm_up = modality_dropout, int(not_negative("warm_up", warm_up))
        self._generator = new_generator()
        self._heads: dict[str, keras.layers.Dense] = {}
        self._bounds: dict[str, tuple[keras.metrics.Mean, keras.metrics.Mean]] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the linear maps of the fused vector and of the modalities."""
        self._fused_head = self._head("fused", int(input_shape[-1]))
        self._steps = self.add_weight(
            "steps",
            (),
            dtype=tf.int64,
            initializer="zeros",
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        if self.contrast == "modalities":
            self._heads = {name: self._head(name, width) for name, width in sorted(self.widths.items())}
        # Assigned as a whole: Keras finds metrics when an attribute is set.
        self._bounds = {
            name: (
                keras.metrics.Mean(name=f"information/{name}"),
                keras.metrics.Mean(name=f"information_ceiling/{name}"),
            )
            for name in self._heads or ("fused_views",)
        }
        super().build(input_shape)

    def call(self, batch: Batch, seen: ItemViews, sampled: ItemViews | None, *, training: bool) -> tf.Tensor:
        """The loss, a scalar; in a training step, a step of the warm-up."""
        views = [seen] if sampled is None else [seen, sampled]
        rows = _first_of_each(tf.concat([view.items for view in views], axis=0))
        presence = {name: _joined([view.presence[name] for view in views], rows) for name in seen.presence}
        if self.contrast == "fused_views":
            one, two = (self._fused(views, rows) for _ in range(2))
            everywhere = tf.reduce_any(tf.stack(list(presence.values())), axis=0)
            loss = self._info_nce(one, two, everywhere, name="fused_views")
        else:
            fused = self._fused(views, rows)
            loss = tf.add_n(
                [
                    self._info_nce(
                        fused,
                        _unit(head(_joined([tf.cast(view.features[name], tf.float32) for view in views], rows))),
                        presence[name],
                        name=name,
                    )
                    for name, head in self._heads.items()
                ]
            )
        return self.weight * self._warmth(training) * loss

    def _head(self, name: str, width: int) -> keras.layers.Dense:
        head = keras.layers.Dense(self.units, use_bias=False, name=f"head_{name}", dtype=tf.float32)
        head.build((None, width))
        return head

    def _fused(self, views: list[ItemViews], rows: tf.Tensor) -> tf.Tensor:
        """Unit vectors of the items, fused from what dropout leaves of them."""
        fused = [tf.cast(view.fuse(self._dropped(view)), tf.float32) for view in views]
        return _unit(self._fused_head(_joined(fused, rows)))

    def _dropped(self, view: ItemViews) -> dict[str, tf.Tensor]:
        """Presence with modalities dropped; an item that would lose all keeps those it has."""
        if not self.modality_dropout:
            return dict(view.presence)
        names = sorted(view.presence)
        present = tf.stack([view.presence[name] for name in names], axis=1)
        kept = present & (uniform(self._generator, tf.shape(present)) >= self.modality_dropout)
        kept = tf.where(tf.reduce_any(kept, axis=1, keepdims=True), kept, present)
        return dict(zip(names, tf.unstack(kept, num=len(names), axis=1), strict=True))

    def _info_nce(self, one: tf.Tensor, two: tf.Tensor, present: tf.Tensor, *, name: str) -> tf.Tensor:
        """``L_m`` over the items that are present; 0 where there are fewer than two."""
        logits = tf.matmul(one, two, transpose_b=True) / self.temperature
        absent = tf.constant(np.float32(-np.inf))
        matched = tf.linalg.diag_part(logits)
        forward = tf.reduce_logsumexp(tf.where(present[tf.newaxis], logits, absent), axis=1)
        backward = tf.reduce_logsumexp(tf.where(present[:, tf.newaxis], logits, absent), axis=0)
        each = tf.where(present, (forward + backward) / 2 - matched, 0.0)
        count = tf.reduce_sum(tf.cast(present, tf.float32))
        loss = tf.where(count > 1, tf.math.divide_no_nan(tf.reduce_sum(each), count), 0.0)
        estimate, ceiling = self._bounds[name]
        estimate.update_state(tf.math.log(tf.maximum(count, 1.0)) - loss)
        others = tf.maximum(count - 1.0, 0.0) * math.exp(-2 / self.temperature)
        ceiling.update_state(tf.math.log(tf.maximum(count, 1.0)) - tf.math.log1p(others))
        return loss

    def _warmth(self, training: bool) -> tf.Tensor:
        if not self.warm_up:
            return tf.constant(1.0)
        warmth = tf.minimum(1.0, tf.cast(self._steps, tf.float32) / self.warm_up)
        if training:
            self._steps.assign_add(1)
        return warmth


def _first_of_each(items: tf.Tensor) -> tf.Tensor:
    """Rows in which each item is first: an item twice would be its own negative."""
    distinct, group = tf.unique(items)
    rows = tf.range(tf.size(items))
    return tf.math.unsorted_segment_min(rows, group, tf.size(distinct))


def _joined(parts: list[tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.concat(parts, axis=0), rows)


def _unit(values: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(values, axis=-1)
