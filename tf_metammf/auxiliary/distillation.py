"""Distillation: what trained models know, learned by another one, and by each of its modalities alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import tensorflow as tf
import tf_keras as keras

from tf_metammf.auxiliary.auxiliary_loss import AuxiliaryLoss, ItemViews
from tf_metammf.auxiliary.balance import balance_weights
from tf_metammf.auxiliary.settings import DistillationSettings
from tf_metammf.auxiliary.softened_scores import contrast, divergence, mean_probabilities
from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.layers.layer_arguments import not_negative
from tf_metammf.layers.placement import placed, rows_of
from tf_metammf.layers.positions import positions_of
from tf_metammf.layers.replicas import mean_over_batch, replica_count


class Distillation(AuxiliaryLoss):
    """Learns from trained models, as a whole and by each modality alone (MIND, arXiv 2502.01158).

    A teacher is its two tables, ``e_u^T`` and ``e_i^T``, see :class:`tf_metammf.auxiliary.teacher.Teacher`. One that
    looks at a single modality ``m`` of several that the student has teaches the student's embedding of an item of
    which ``m`` alone is present, ``e_jm``; all others teach its embedding of the whole item, ``e_j``. With the distinct
    items ``J`` of the batch, those that have ``m``, ``J_m``, and a sample ``I`` of the catalogue::

        s_m(u, j) = e_u . e_jm             s(u, j) = e_u . e_j
        q_m(j|u)  = 1/K sum_k softmax_{j in J_m}(s_mk^T(u, j) / t)
        loss = sum_m head_weight w_m ( (1 - alpha) L_m + alpha KL(q_m || softmax_{J_m}(s_m / t)) )
             + response_weight KL(q || softmax_J(s / t))
             + feature_weight sum_k mean_{i in I} ( 1 - cos(R_k c_i, e_i^Tk) )

    ``L_m`` is the softmax loss of the interactions by the modality alone, over the rows whose item has it; each item
    of ``J_m`` counts once. A modality without a teacher has ``L_m`` alone, and modalities are looked at alone where
    they have a teacher, or where there is no teacher at all. ``c_i`` is the fused vector (of ``m`` alone where the
    teacher looks at ``m``), and ``R_k`` a learned map, because the axes of a teacher mean nothing to others. The sample
    has items without interactions, so a teacher's knowledge of them is learned, too. Items that a teacher knows
    nothing about are left out. ``w_m`` is 1, or with ``balance="utilization"`` that of
    :func:`tf_metammf.auxiliary.balance.balance_weights`.

    With ``ensemble`` the teachers of single modalities teach whole items as well, as one teacher whose scores are the
    sums of theirs.

    Hinton's factor ``t^2`` is left out: the objective has the same temperature, so the gradients have the same scale.

    Metrics of the model: ``distillation/response`` and ``distillation/NAME``, divergences in nats,
    ``distillation/features``, the mean of ``1 - cos``, ``alone/NAME``, the loss ``L_m``, and ``balance/NAME``.

    Args:
        teachers: The trained models. Defaults to none.
        head_weight: Factor of what modalities learn alone; 0 for nothing. Defaults to 0.5.
        alpha: Share of the teachers in that, in [0, 1]. Defaults to 0.5.
        response_weight: Factor of the divergence of the scores. Defaults to 3.
        feature_weight: Factor of the distance of the vectors. Defaults to 1.
        temperature: ``t``, above 0. Defaults to 0.2.
        items: Items of the sample of the catalogue; 0 for those of the batch. Defaults to 512.
        balance: ``"none"`` or ``"utilization"``. Defaults to ``"none"``.
        ensemble: Whether teachers of single modalities teach whole items together. Defaults to False.
        **options: Of a Keras layer.

    Raises:
        InvalidInputError: An argument is out of range.
    """

    Settings = DistillationSettings

    uses_embeddings = True

    def __init__(
        self,
        *,
        teachers: Sequence[Teacher] = (),
        head_weight: float = 0.5,
        alpha: float = 0.5,
        response_weight: float = 3.0,
        feature_weight: float = 1.0,
        temperature: float = 0.2,
        items: int = 512,
        balance: Literal["none", "utilization"] = "none",
        ensemble: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not (temperature > 0 and math.isfinite(temperature)):
            raise InvalidInputError(f"temperature is {temperature}, expected a number above 0.")
        if not 0 <= alpha <= 1:
            raise InvalidInputError(f"alpha is {alpha}, expected a share from 0 to 1.")
        if balance not in ("none", "utilization"):
            raise InvalidInputError(f'balance is "{balance}", expected none or utilization.')
        self.head_weight, self.alpha = not_negative("head_weight", head_weight), alpha
        self.response_weight = not_negative("response_weight", response_weight)
        self.feature_weight = not_negative("feature_weight", feature_weight)
        self.temperature, self.balance, self.ensemble = temperature, balance, ensemble
        self.sampled_items = int(not_negative("items", items)) if teachers and feature_weight else 0
        of_one = [teacher for teacher in teachers if teacher.modality is not None]
        together = [Teacher.together(of_one)] if ensemble and len(of_one) > 1 else []
        self._tables = [_Tables(teacher) for teacher in (*teachers, *together)]
        self._maps: dict[str, keras.layers.Dense] = {}
        self._measured: dict[str, keras.metrics.Mean] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the maps to the vectors of the teachers."""
        self._of_modality: dict[str, list[_Tables]] = {name: [] for name in sorted(self.widths)}
        self._of_whole: list[_Tables] = []
        for tables in self._tables:
            name = tables.modality
            if name is not None and name in self._of_modality and len(self.widths) > 1:
                tables.alone = name
                self._of_modality[name].append(tables)
            else:
                self._of_whole.append(tables)
        for number, tables in enumerate(self._tables if self.feature_weight else []):
            layer = keras.layers.Dense(tables.width, use_bias=False, name=f"map_{number}", dtype=tf.float32)
            layer.build((None, int(input_shape[-1])))
            self._maps[str(number)] = tables.map = layer
        self._alone = [name for name, taught in self._of_modality.items() if taught or not self._tables]
        if not self.head_weight or len(self.widths) < 2:
            self._alone = []
        names = [f"alone/{name}" for name in self._alone]
        names += [f"distillation/{name}" for name in self._alone if self._of_modality[name]]
        names += [f"balance/{name}" for name in self._balanced]
        names += ["distillation/response"] if self._of_whole and self.response_weight else []
        names += ["distillation/features"] if self._maps else []
        # Assigned as a whole: Keras finds metrics when an attribute is set.
        self._measured = {name: keras.metrics.Mean(name=name) for name in names}
        super().build(input_shape)

    def call(self, batch: Batch, seen: ItemViews, sampled: ItemViews | None, *, training: bool) -> tf.Tensor:
        """The loss, a scalar: the part of this replica."""
        users, positive = batch["user_embedding"], positions_of(batch["item"], seen.items)
        weights = self._balance(users, seen, positive)
        losses = [
            self.head_weight * weights.get(name, 1.0) * self._modality_loss(name, batch, users, seen, positive)
            for name in self._alone
        ]
        if self._of_whole and self.response_weight:
            scores = tf.matmul(users, seen.embeddings, transpose_b=True)
            everything = tf.ones_like(seen.items, tf.bool)
            distance = self._taught(self._of_whole, batch, seen, scores, everything, name="response")
            losses.append(self.response_weight * distance)
        if self._maps:
            losses.append(self.feature_weight * self._feature_loss(seen if sampled is None else sampled))
        return tf.add_n(losses) if losses else tf.constant(0.0)

    @property
    def _balanced(self) -> list[str]:
        return self._alone if self.balance == "utilization" else []

    def _modality_loss(
        self, name: str, batch: Batch, users: tf.Tensor, seen: ItemViews, positive: tf.Tensor
    ) -> tf.Tensor:
        present = seen.presence[name]
        scores = tf.matmul(users, seen.embed(only(name, seen.presence)), transpose_b=True)
        having = tf.cast(tf.gather(present, positive), tf.float32)
        rows = contrast(scores, positive, present, temperature=self.temperature)
        weights = having * batch["weight"] if "weight" in batch else having
        loss = mean_over_batch(tf.where(having > 0, rows, 0.0), weights)
        self._measured[f"alone/{name}"].update_state(loss * replica_count())
        if not self._of_modality[name]:
            return loss
        distance = self._taught(self._of_modality[name], batch, seen, scores, present, name=name)
        return (1 - self.alpha) * loss + self.alpha * distance

    def _taught(
        self,
        teachers: list["_Tables"],
        batch: Batch,
        seen: ItemViews,
        scores: tf.Tensor,
        present: tf.Tensor,
        *,
        name: str,
    ) -> tf.Tensor:
        """The divergence of the scores of the student from those of its teachers, mean over the batch."""
        for teacher in teachers:
            present &= rows_of(teacher.taught, seen.items)
        wanted = mean_probabilities(
            [teacher.scores(batch["user"], seen.items) for teacher in teachers], present, temperature=self.temperature
        )
        rows = divergence(wanted, scores, present, temperature=self.temperature)
        mean = mean_over_batch(rows, batch.get("weight"))
        self._measured[f"distillation/{name}"].update_state(mean * replica_count())
        return mean

    def _feature_loss(self, view: ItemViews) -> tf.Tensor:
        losses = []
        for tables in self._tables:
            taught = rows_of(tables.taught, view.items)
            fused = view.fused
            if tables.alone is not None:
                taught &= view.presence[tables.alone]
                fused = view.fuse(only(tables.alone, view.presence))
            mapped = tf.math.l2_normalize(tables.map(tf.cast(fused, tf.float32)), axis=-1)
            wanted = tf.math.l2_normalize(rows_of(tables.items, view.items), axis=-1)
            distance = tf.where(taught, 1 - tf.reduce_sum(mapped * wanted, axis=-1), 0.0)
            count = tf.reduce_sum(tf.cast(taught, tf.float32))
            losses.append(tf.math.divide_no_nan(tf.reduce_sum(distance), count))
        loss = tf.add_n(losses)
        self._measured["distillation/features"].update_state(loss / len(losses))
        return loss / replica_count()

    def _balance(self, users: tf.Tensor, seen: ItemViews, positive: tf.Tensor) -> dict[str, tf.Tensor]:
        if not self._balanced:
            return {}
        weights = balance_weights(users, seen, positive, names=self._balanced)
        for name, weight in weights.items():
            self._measured[f"balance/{name}"].update_state(weight)
        return weights


class _Tables:
    """A teacher on the device."""

    map: keras.layers.Dense
    alone: str | None = None
    """The modality of the student that it teaches, or None where it teaches whole items."""

    def __init__(self, teacher: Teacher) -> None:
        self.modality, self.width = teacher.modality, teacher.width
        self._users, self.items, self.taught = (
            placed(tf.constant(table)) for table in (teacher.users, teacher.items, teacher.taught)
        )

    def scores(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows_of(self._users, users), rows_of(self.items, items), transpose_b=True)


def only(name: str, presence: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The presence of items of which one modality alone is looked at, where they have it."""
    return {each: present if each == name else tf.zeros_like(present) for each, present in presence.items()}
