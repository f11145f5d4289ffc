"""The endless training batches of a run, from any step on, with the samplers that they need."""

from typing import Any, cast

import tensorflow as tf

from tf_metammf.objectives.settings import PreferenceSettings
from tf_metammf.records.input_share import InputShare
from tf_metammf.records.negatives import NegativeSampler
from tf_metammf.records.neighbours import NeighbourSampler
from tf_metammf.records.preference_batches import preference_batches
from tf_metammf.records.preference_shards import read_preferences
from tf_metammf.records.preferences import TRAINING
from tf_metammf.records.reader import interactions
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_data import TrainingData


class TrainingBatches:
    """The endless training batches of a run, from any step on.

    Samplers are made at once, so that interactions which leave nothing to sample are refused before there is a run
    directory, and serve all pipelines of the run.

    Args:
        plan: Objective, fan-outs, batch size and seed.
        data: The record set.

    Raises:
        InvalidInputError: A user has no item left to sample, or neighbours to sample are fewer than one.
    """

    def __init__(self, plan: TrainingPlan, data: TrainingData) -> None:
        self._plan, self._data = plan, data
        self._negatives = _negative_sampler(plan, data)
        self._neighbours = _neighbour_sampler(plan, data)
        takes = plan.configuration.objective.takes_preferences
        self._preferences = read_preferences(data.record_set, TRAINING) if takes else None

    def beginning_at(
        self, epoch: int = 0, step: int = 0, *, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """The batches behind so many finished epochs, and finished steps of the next one.

        Args:
            epoch: Finished epochs.
            step: Finished steps of the next one.
            input_context: Delivers only the part of an input pipeline of a distributed training, in batches for one
                replica.
        """
        batches = interactions(
            self._data.record_set,
            "train",
            batch_size=self._plan.batch_size,
            shuffle_seed=self._plan.configuration.training.seed,
            epochs=None,
            first_epoch=epoch,
            smallest_batch=self._plan.smallest_batch,
            negatives=self._negatives,
            neighbours=self._neighbours,
            input_context=input_context,
            item_features=self._data.item_lookup,
            weights=self._data.weighted,
        )
        if step:
            batches = batches.skip(step * InputShare.of(self._plan.batch_size, input_context).batches_a_step)
        if self._preferences is None:
            return batches
        objective = cast(PreferenceSettings, self._plan.configuration.objective)
        pairs = preference_batches(
            self._preferences,
            batch_size=objective.pairs,
            rejected=objective.rejected,
            seed=self._plan.configuration.training.seed,
            first_step=epoch * self._plan.steps + step,
            input_context=input_context,
        )
        both = tf.data.Dataset.zip((batches, pairs))
        return both.map(_with_preferences).prefetch(tf.data.AUTOTUNE)


@tf.autograph.experimental.do_not_convert
def _with_preferences(batch: dict[str, tf.Tensor], pairs: dict[str, tf.Tensor]) -> dict[str, Any]:
    return {**batch, "preference": pairs}


def _negative_sampler(plan: TrainingPlan, data: TrainingData) -> NegativeSampler | None:
    """The sampler of negatives, where the objective needs them."""
    objective = plan.configuration.objective
    if not objective.samples_negatives:
        return None
    return NegativeSampler(
        data.train,
        users=plan.metadata.users,
        items=plan.metadata.items,
        per_positive=objective.negatives_per_positive,
        popularity_power=objective.negative_popularity_power,
        seed=plan.configuration.training.seed,
        user_ids=data.record_set.user_ids,
    )


def _neighbour_sampler(plan: TrainingPlan, data: TrainingData) -> NeighbourSampler | None:
    """The sampler of neighbourhoods, where a step does not have the whole graph."""
    if plan.fan_outs is None:
        return None
    return NeighbourSampler(
        data.train,
        users=plan.metadata.users,
        items=plan.metadata.items,
        fan_outs=plan.fan_outs,
        seed=plan.configuration.training.seed,
    )


def make_server_dataset(plan: TrainingPlan, data: TrainingData) -> tf.data.Dataset:
    """The endless batches of one worker of parameter servers, in an order of its own.

    It is made in the coordinator and runs in every worker: each draws the seed of its order when it begins.
    """
    zero, end = tf.constant(0, tf.int64), tf.constant(2**31, tf.int64)
    # With seeds of 0 this operation draws anew in every process, whatever the global seed.
    seed = tf.raw_ops.RandomUniformInt(shape=tf.zeros([0], tf.int32), minval=zero, maxval=end)
    return interactions(
        data.record_set,
        "train",
        batch_size=plan.batch_size,
        shuffle_seed=seed,
        epochs=None,
        smallest_batch=plan.smallest_batch,
        weights=data.weighted,
        in_shards=True,
    )
