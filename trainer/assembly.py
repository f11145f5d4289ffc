"""From a configuration and a record set to a model, its data and its full ranking."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.fused_adam import FusedAdam
from tf_metammf.lazy_adam import LazyAdam
from tf_metammf.model import MetaMMF
from tf_metammf.objective_settings import ObjectiveSettings
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import METRICS
from tf_metammf.records.batches import BatchPlan
from tf_metammf.records.input_share import InputShare
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.negatives import NegativeSampler
from tf_metammf.records.reader import interactions
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.distribution.worker_group import WorkerGroup
from tf_metammf.trainer.graph_training import make_encoder_options, make_neighbour_sampler
from tf_metammf.trainer.memory import trains_on_whole_graph
from tf_metammf.trainer.part_checks import check_parts
from tf_metammf.trainer.training_data import TrainingData

DTYPE_POLICIES = {None: "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_model(configuration: Configuration, objective: keras.layers.Layer, data: TrainingData) -> MetaMMF:
    """The model of a configuration for the users, items and features of a record set.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """
    check_parts(configuration)
    settings, precision = configuration.model, configuration.training.mixed_precision
    if precision not in DTYPE_POLICIES:
        raise unknown_name("training.mixed_precision", str(precision), ["bfloat16", "float16"])
    if data.item_lookup is not None and objective.needs_all_items:
        raise InvalidInputError(
            f"objective.name is {configuration.objective.name}, which needs the features of all items in every step: "
            f"{data.feature_bytes / 2**30:.1f} GB, and training.feature_budget_gb is {data.feature_budget_gb:g}. "
            "Raise it, or take in_batch_softmax."
        )
    if data.item_lookup is not None and configuration.training.strategy == "parameter_server":
        raise InvalidInputError(
            f"the features take {data.feature_bytes / 2**30:.1f} GB, and training.feature_budget_gb is "
            f"{data.feature_budget_gb:g}. With parameter_server the servers hold them: raise the budget."
        )
    if data.item_lookup is not None and settings.encoder.uses_features:
        raise InvalidInputError(
            f"model.encoder.name is {settings.encoder.name}, which compares the features of all items: "
            f"{data.feature_bytes / 2**30:.1f} GB, and training.feature_budget_gb is {data.feature_budget_gb:g}. "
            "Raise it, or take an encoder out of mf, sage and lightgcn, without item_neighbours."
        )
    features, presence = data.item_features()
    return MetaMMF(
        data.record_set.metadata.users,
        features,
        objective,
        presence=presence,
        item_frequency=data.item_frequency,
        fusion=settings.fusion.name if settings.fusion.layer else None,
        fusion_options=settings.fusion.options,
        encoder=settings.encoder.name,
        encoder_options=make_encoder_options(settings.encoder, data),
        auxiliary=settings.auxiliary.name if settings.auxiliary.layer else None,
        auxiliary_options=settings.auxiliary.options,
        id_units=settings.id_units,
        combination=settings.combination,
        id_dropout=settings.id_dropout,
        modality_dropout=settings.modality_dropout,
        standardize=settings.standardize,
        normalize=settings.normalize,
        l2=settings.l2,
        jit_compile=configuration.training.jit_compile,
        dtype=DTYPE_POLICIES[precision],
    )


def make_objective(settings: ObjectiveSettings, data: TrainingData) -> keras.layers.Layer:
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
    return settings.layer_class()(**options)


def _require_contrast(settings: ObjectiveSettings, data: TrainingData) -> None:
    if not settings.contrasted:
        return
    _require_training_interactions(data)
    frequencies = {"item": data.item_frequency, "user": data.user_frequency}
    for kind in settings.contrasted:
        if np.count_nonzero(frequencies[kind]) < 2:
            raise InvalidInputError(
                f"{data.record_set.folder}: all training interactions are of one {kind}, so {settings.name} has "
                f"no other {kind} to tell it from. Convert data with at least two of each."
            )


def _require_training_interactions(data: TrainingData) -> None:
    if not len(data.train):
        raise InvalidInputError(f"{data.record_set.folder}: has no training interactions. Convert with another split.")


def make_optimizer(configuration: Configuration, metadata: Metadata) -> keras.optimizers.Optimizer:
    """Adam, lazy for large ID tables where a step leaves most of their rows alone."""
    settings = configuration.training
    if settings.lazy_rows is None or trains_on_whole_graph(configuration, metadata):
        return FusedAdam(settings.learning_rate)
    return LazyAdam(settings.learning_rate, lazy_rows=settings.lazy_rows)


def make_training_dataset(
    configuration: Configuration,
    data: TrainingData,
    *,
    first_epoch: int = 0,
    first_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """An endless stream of shuffled training batches, epoch after epoch, with negatives where the objective needs them.

    Args:
        configuration: Objective and training settings.
        data: The record set.
        first_epoch: The epoch to begin with.
        first_step: The step of that epoch to begin with.
        input_context: Delivers only the part of an input pipeline of a distributed training, in batches for one
            replica.

    Raises:
        InvalidInputError: There are no training interactions.
    """
    metadata = data.record_set.metadata
    _require_training_interactions(data)
    negatives = None
    if configuration.objective.samples_negatives:
        negatives = NegativeSampler(
            data.train,
            users=metadata.users,
            items=metadata.items,
            per_positive=configuration.objective.negatives_per_positive,
            popularity_power=configuration.objective.negative_popularity_power,
            seed=configuration.training.seed,
            user_ids=data.record_set.user_ids,
        )
    batches = interactions(
        data.record_set,
        "train",
        batch_size=configuration.training.batch_size,
        shuffle_seed=configuration.training.seed,
        epochs=None,
        first_epoch=first_epoch,
        negatives=negatives,
        smallest_batch=_smallest_batch(configuration),
        neighbours=make_neighbour_sampler(configuration, data),
        input_context=input_context,
        item_features=data.item_lookup,
    )
    if not first_step:
        return batches
    share = InputShare.of(configuration.training.batch_size, input_context)
    return batches.skip(first_step * share.batches_a_step)


def steps_of_epoch(configuration: Configuration, data: TrainingData) -> int:
    """Batches in an epoch of :func:`make_training_dataset`."""
    share = InputShare(configuration.training.batch_size)
    return BatchPlan(share, smallest_batch=_smallest_batch(configuration)).steps(len(data.train))


def _smallest_batch(configuration: Configuration) -> int:
    """A row alone in a batch has no other to be told from: the step would change weights by their penalties alone."""
    return 2 if configuration.objective.contrasts_batch else 1


class TrainingBatches:
    """The endless training batches of a run, from any step on.

    Those of its beginning are made at once, so that settings which do not fit are refused early, and kept until
    batches are asked for the first time.

    Args:
        configuration: Objective, sampler, batch size and seed.
        data: The record set.

    Raises:
        InvalidInputError: As :func:`make_training_dataset`.
    """

    def __init__(self, configuration: Configuration, data: TrainingData) -> None:
        self._configuration, self._data = configuration, data
        self._beginning: tf.data.Dataset | None = make_training_dataset(configuration, data)

    def beginning_at(
        self, epoch: int, step: int, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """The batches behind so many finished epochs, and finished steps of the next one."""
        beginning, self._beginning = self._beginning, None
        if beginning is not None and input_context is None and not epoch and not step:
            return beginning
        return make_training_dataset(
            self._configuration, self._data, first_epoch=epoch, first_step=step, input_context=input_context
        )


def make_server_dataset(configuration: Configuration, data: TrainingData) -> tf.data.Dataset:
    """The endless batches of one worker of parameter servers, in an order of its own.

    It is made in the coordinator and runs in every worker: each draws the seed of its order when it begins.
    """
    zero, end = tf.constant(0, tf.int64), tf.constant(2**31, tf.int64)
    # With seeds of 0 this operation draws anew in every process, whatever the global seed.
    seed = tf.raw_ops.RandomUniformInt(shape=tf.zeros([0], tf.int32), minval=zero, maxval=end)
    return interactions(
        data.record_set,
        "train",
        batch_size=configuration.training.batch_size,
        shuffle_seed=seed,
        epochs=None,
        smallest_batch=_smallest_batch(configuration),
        in_shards=True,
    )


def make_full_ranking(
    data: TrainingData,
    split: str,
    *,
    cutoffs: Sequence[int],
    metrics: Sequence[str] = METRICS,
    by_kind: bool = True,
    group: WorkerGroup | None = None,
) -> FullRanking:
    """Full ranking of a split: training items masked, and for the test split the validation items too.

    Args:
        data: The record set.
        split: The split whose interactions are to be found.
        cutoffs: K.
        metrics: Metrics to compute.
        by_kind: Whether to report warm and cold items apart.
        group: The processes that share the users; None for this one alone.

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
        group=group,
    )
