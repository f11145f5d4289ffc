"""From a configuration and a record set to a model, its data and its full ranking."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.metric_names import METRICS
from tf_metammf.model import MetaMMF
from tf_metammf.objectives import BPR, FullSoftmax, InBatchSoftmax
from tf_metammf.ranking import FullRanking
from tf_metammf.records.negatives import NegativeSampler
from tf_metammf.records.reader import interactions
from tf_metammf.trainer.configuration import Configuration, ModelConfiguration, ObjectiveConfiguration
from tf_metammf.trainer.graph_training import make_encoder_options, make_neighbour_sampler
from tf_metammf.trainer.training_data import TrainingData

OBJECTIVES = ("in_batch_softmax", "full_softmax", "bpr")


def make_model(configuration: ModelConfiguration, objective: keras.layers.Layer, data: TrainingData) -> MetaMMF:
    """The model of a configuration for the users, items and features of a record set.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """
    fusion = configuration.fusion
    options: dict[str, object] = {"units": tuple(fusion.units)}
    if fusion.name == "metammf":
        options |= {"meta_units": fusion.meta_units, "rank": fusion.rank}
    if data.item_lookup is not None and objective.needs_all_items:
        raise InvalidInputError(
            f"objective.name is full_softmax, which needs the features of all items in every step: "
            f"{data.feature_bytes / 2**30:.1f} GB, and training.feature_budget_gb is {data.feature_budget_gb:g}. "
            "Raise it, or take in_batch_softmax."
        )
    features, presence = data.item_features()
    return MetaMMF(
        data.record_set.metadata.users,
        features,
        objective,
        presence=presence,
        item_frequency=data.item_frequency,
        fusion=None if fusion.name == "none" else fusion.name,
        fusion_options=options,
        encoder=configuration.encoder,
        encoder_options=make_encoder_options(configuration, data),
        id_units=configuration.id_units,
        combination=configuration.combination,
        id_dropout=configuration.id_dropout,
        modality_dropout=configuration.modality_dropout,
        standardize=configuration.standardize,
        normalize=configuration.normalize,
        l2=configuration.l2,
    )


def make_objective(configuration: ObjectiveConfiguration, item_frequency: NDArray[np.int64]) -> keras.layers.Layer:
    """The objective of a configuration.

    Raises:
        InvalidInputError: The name is unknown.
    """
    match configuration.name:
        case "in_batch_softmax":
            return InBatchSoftmax(item_frequency, temperature=configuration.temperature)
        case "full_softmax":
            return FullSoftmax(item_frequency, temperature=configuration.temperature)
        case "bpr":
            return BPR(temperature=configuration.temperature)
    raise unknown_name("objective", configuration.name, OBJECTIVES)


def make_training_dataset(configuration: Configuration, data: TrainingData) -> tf.data.Dataset:
    """An endless stream of shuffled training batches, epoch after epoch, with negatives where the objective needs them.

    Raises:
        InvalidInputError: There are no training interactions.
    """
    metadata = data.record_set.metadata
    if not len(data.train):
        raise InvalidInputError(f"{data.record_set.folder}: has no training interactions. Convert with another split.")
    negatives = None
    if configuration.objective.name == "bpr":
        negatives = NegativeSampler(
            data.train,
            users=metadata.users,
            items=metadata.items,
            per_positive=configuration.objective.negatives,
            popularity_power=configuration.objective.popularity_power,
            seed=configuration.training.seed,
        )
    return interactions(
        data.record_set,
        "train",
        batch_size=configuration.training.batch_size,
        shuffle_seed=configuration.training.seed,
        epochs=None,
        negatives=negatives,
        neighbours=make_neighbour_sampler(configuration, data),
        item_features=data.item_lookup,
    )


def make_full_ranking(
    data: TrainingData, split: str, *, cutoffs: Sequence[int], metrics: Sequence[str] = METRICS, by_kind: bool = True
) -> FullRanking:
    """Full ranking of a split: training items masked, and for the test split the validation items too.

    Args:
        data: The record set.
        split: The split whose interactions are to be found.
        cutoffs: K.
        metrics: Metrics to compute.
        by_kind: Whether to report warm and cold items apart.

    Raises:
        InvalidInputError: The split is unknown or has no interactions.
    """
    masked = {"train": [], "validation": ["train"], "test": ["train", "validation"]}.get(split, ["train"])
    metadata = data.record_set.metadata
    if split in metadata.splits and not metadata.splits[split].interactions:
        raise InvalidInputError(f'{data.record_set.folder}: the split "{split}" is empty. Convert with another split.')
    return FullRanking(
        data.interactions_of(split),
        users=metadata.users,
        items=metadata.items,
        masked=[data.interactions_of(other) for other in masked],
        cutoffs=cutoffs,
        metrics=metrics,
        warm_items=data.warm_items if by_kind else None,
    )
