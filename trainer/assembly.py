"""From a plan and a record set to a model and its optimiser."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras as keras

from tf_metammf.auxiliary.settings import NoAuxiliarySettings
from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.settings import ObjectiveSettings
from tf_metammf.optimizers.fused_adam import FusedAdam
from tf_metammf.optimizers.lazy_adam import LazyAdam
from tf_metammf.trainer.configuration.sections import ModelConfiguration
from tf_metammf.trainer.frozen_base import is_of_adapter
from tf_metammf.trainer.modality_training import make_updates
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.user_histories import UserHistories

DTYPE_POLICIES = {None: "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_model(
    plan: TrainingPlan,
    data: TrainingData,
    teachers: Sequence[Teacher] | None = None,
    *,
    reference: Teacher | None = None,
) -> MetaMMF:
    """The model of a plan for the users, items and features of a record set.

    Args:
        plan: The plan.
        data: The record set.
        teachers: What the auxiliary loss learns from, where it learns from trained runs. Where there are None, the
            model is not for training and goes without that loss.
        reference: What an objective that takes preferences is held to; None where the model is not for training.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """
    settings, training = plan.configuration.model, plan.configuration.training
    objective = make_objective(plan.configuration.objective, data, reference)
    features, presence = _item_features(data)
    auxiliary, auxiliary_options = settings.auxiliary, dict(settings.auxiliary.options)
    if auxiliary.takes_teachers:
        auxiliary_options["teachers"] = teachers
        auxiliary = NoAuxiliarySettings() if teachers is None else auxiliary
    graph: dict[str, Any] = {"graph": data.interaction_graph()} if settings.encoder.graph else {}
    return MetaMMF(
        data.record_set.metadata.users,
        features,
        objective,
        presence=presence,
        item_frequency=data.item_frequency,
        fusion=settings.fusion.name if settings.fusion.layer else None,
        fusion_options=settings.fusion.options,
        encoder=settings.encoder.name,
        encoder_options=settings.encoder.options | graph,
        auxiliary=auxiliary.name if auxiliary.layer else None,
        auxiliary_options=auxiliary_options if auxiliary.layer else None,
        id_units=settings.id_units,
        combination=settings.combination,
        id_dropout=settings.id_dropout,
        modality_dropout=settings.modality_dropout,
        modality_heads=settings.modality_heads,
        adapters=settings.adapters,
        adapter_units=settings.adapter_units,
        standardize=settings.standardize,
        normalize=settings.normalize,
        l2=settings.l2,
        jit_compile=training.jit_compile,
        histories=_histories(settings, data),
        user_id_dropout=settings.user_id_dropout,
        dtype=DTYPE_POLICIES[training.mixed_precision],
    )


def _histories(settings: ModelConfiguration, data: TrainingData) -> UserHistories | None:
    """The training items of users, where they attend to them."""
    if not settings.has_histories:
        return None
    return UserHistories(
        data.train.user,
        data.train.item,
        user_count=data.record_set.metadata.users,
        most=settings.history_items,
        timestamps=data.train.timestamp,
    )


def _item_features(data: TrainingData) -> tuple[Any, Any]:
    """Features and presence as the model takes them, which also has to know of sequences whose means it is given."""
    features, presence = data.item_features()
    if data.form == "tokens" or not data.sequences or not isinstance(features, Mapping):
        return features, presence
    return FeatureTable(features, presence, tokens=data.sequences), None


def make_compiled_model(
    plan: TrainingPlan, data: TrainingData, teachers: Sequence[Teacher] = (), *, reference: Teacher | None = None
) -> MetaMMF:
    """The model of a plan with its optimiser, ready for ``fit``.

    Args:
        plan: The plan.
        data: The record set.
        teachers: What the auxiliary loss learns from, where it learns from trained runs.
        reference: What an objective that takes preferences is held to.

    Raises:
        InvalidInputError: As :func:`make_model`.
    """
    model = make_model(plan, data, teachers, reference=reference)
    if plan.configuration.training.freeze == "base":
        model.freeze(weight for weight in model.trainable_weights if not is_of_adapter(weight))
    model.compile(optimizer=make_optimizer(plan))
    updates = make_updates(plan.configuration.training, model)
    if updates is None:
        model.optimizer.build(model.trainable_variables)
    else:
        model.weight_updates = updates
        updates.build(model)
    model.logs_gradient_norm = plan.configuration.training.tensorboard == "all"
    return model


def make_objective(
    settings: ObjectiveSettings, data: TrainingData, reference: Teacher | None = None
) -> keras.layers.Layer:
    """The objective of a configuration for the frequencies of a record set.

    Raises:
        InvalidInputError: A number is not acceptable, the class of a user's own is no objective, or the training
            interactions leave an item or a user nothing to be told apart from.
    """
    _require_contrast(settings, data)
    options = dict(settings.options)
    if settings.takes_item_frequency:
        options["item_frequency"] = data.item_frequency
    if settings.takes_user_frequency:
        options["user_frequency"] = data.user_frequency
    if settings.takes_preferences:
        options["reference"] = reference
    return settings.layer_class()(**options)


def _require_contrast(settings: ObjectiveSettings, data: TrainingData) -> None:
    frequencies = {"item": data.item_frequency, "user": data.user_frequency} if settings.contrasted else {}
    for kind in settings.contrasted:
        found = np.count_nonzero(frequencies[kind])
        if found < 2:
            which = f"all training interactions are of one {kind}" if found else "there are no training interactions"
            raise InvalidInputError(
                f"{data.record_set.folder}: {which}, so {settings.name} has no "
                f"other {kind} to compare with. Convert data with at least two of each."
            )


def make_optimizer(plan: TrainingPlan) -> keras.optimizers.Optimizer:
    """Adam, lazy for large ID tables where a step leaves most of their rows alone."""
    learning_rate = plan.configuration.training.learning_rate
    if plan.lazy_rows is None:
        return FusedAdam(learning_rate)
    return LazyAdam(learning_rate, lazy_rows=plan.lazy_rows)
