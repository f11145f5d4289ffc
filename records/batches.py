"""Epochs of batches: what they have in common, and those of columns in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.epoch_steps import epoch_steps
from tf_metammf.records.examples import interaction_columns
from tf_metammf.records.input_share import InputShare
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.negatives import NegativeSampler
from tf_metammf.records.neighbours import NeighbourSampler

Batch = dict[str, Any]


@dataclass(frozen=True)
class BatchPlan:
    """Which batches of interactions to make, whatever they are made from.

    Attributes:
        share: The part of every batch that this pipeline delivers.
        shuffle_seed: Seed of the order of every epoch; None keeps the order on disk.
        epochs: Number of epochs; None for endless epochs.
        first_epoch: Number of the first epoch.
        drop_remainder: Whether to leave out the last, smaller batch of an epoch.
        smallest_batch: Interactions that the last batch of an epoch needs; fewer join the batch before it.
        negatives: Sampler of the negatives of every batch, or None.
        neighbours: Sampler of the neighbourhood of every batch, or None.
        weights: Whether batches have the weights of interactions, where there are any.
    """

    share: InputShare
    shuffle_seed: int | tf.Tensor | None = None
    epochs: int | None = 1
    first_epoch: int = 0
    drop_remainder: bool = False
    smallest_batch: int = 1
    negatives: NegativeSampler | None = None
    neighbours: NeighbourSampler | None = None
    weights: bool = True

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 0:
            raise InvalidInputError(f"epochs is {self.epochs}, expected at least 0, or None for endless epochs.")
        if self.first_epoch < 0:
            raise InvalidInputError(f"first_epoch is {self.first_epoch}, expected at least 0.")

    def steps(self, interactions: int) -> int:
        """Global batches of an epoch of that many interactions.

        Raises:
            InvalidInputError: There would be none, for ever.
        """
        batch_size = self.share.batch_size
        steps = epoch_steps(
            interactions, batch_size, drop_remainder=self.drop_remainder, smallest_batch=self.smallest_batch
        )
        if steps == 0 and self.epochs is None:
            raise InvalidInputError(
                f"{interactions} interactions make no batch of {batch_size}, so endless epochs would yield "
                "nothing. Choose a smaller batch_size, or drop_remainder=False."
            )
        return steps

    def joins_rest(self, interactions: int) -> bool:
        """Whether the last batch of so many interactions is larger than the others."""
        return not self.drop_remainder and self.steps(interactions) * self.share.batch_size < interactions

    def epoch_numbers(self) -> tf.data.Dataset:
        """Numbers of the epochs, int64."""
        if self.epochs is None:
            return tf.data.Dataset.counter(self.first_epoch)
        return tf.data.Dataset.range(self.first_epoch, self.first_epoch + self.epochs)

    @property
    def samples(self) -> bool:
        """Whether anything is sampled for a batch."""
        return self.negatives is not None or self.neighbours is not None

    def columns(self, metadata: Metadata) -> tuple[str, ...]:
        """Names of the columns of a batch, before anything is sampled."""
        return tuple(name for name in interaction_columns(metadata) if self.weights or name != "weight")

    def with_samples(self, batch: Batch, *, epoch: tf.Tensor, number: tf.Tensor) -> Batch:
        """Adds what is sampled to a batch: ``negative``, then ``neighbourhood``."""
        if self.negatives is not None:
            seed = self.negatives.batch_seed(epoch, number)
            batch = {**batch, "negative": self.negatives.sample(batch["user"], seed)}
        if self.neighbours is not None:
            seed = self.neighbours.batch_seed(epoch, number)
            items = needed_items(batch)
            batch = {**batch, "neighbourhood": self.neighbours.sample(batch["user"], items, seed)}
        return batch


def needed_items(batch: Batch) -> tf.Tensor:
    """Dense ids of the items a model needs for a batch, each once: of the neighbourhood, else positives, negatives."""
    if "neighbourhood" in batch:
        return batch["neighbourhood"]["item"]
    negatives = [tf.reshape(batch["negative"], [-1])] if "negative" in batch else []
    return tf.unique(tf.concat([batch["item"], *negatives], axis=0)).y


def side_by_side(columns: Mapping[str, tf.Tensor], names: Sequence[str]) -> tf.Tensor:
    """Columns as one table, int64 ``[interactions, columns]``: ids and times as they are, of weights their bits."""
    of_int64 = dict(columns)
    if "weight" in names:
        of_int64["weight"] = tf.cast(tf.bitcast(columns["weight"], tf.int32), tf.int64)
    return tf.stack([of_int64[name] for name in names], axis=1)


def in_memory_batches(table: tf.Tensor, names: Sequence[str], plan: BatchPlan) -> tf.data.Dataset:
    """Batches of interactions in memory, in a new exact permutation for every epoch.

    The permutation of the next epoch is made while this one is delivered.

    Args:
        table: int64 ``[interactions, columns]``, of weights their bits, see :func:`side_by_side`; so picking an
            interaction reads one place of memory and not one a column.
        names: Names of the columns.
        plan: Which batches to make.

    Returns:
        A dataset of known cardinality.
    """
    share, total = plan.share, int(table.shape[0])
    steps = plan.steps(total)
    delivered = steps * share.batches_a_step
    used = steps * share.batch_size if plan.drop_remainder else total

    @tf.autograph.experimental.do_not_convert
    def with_order(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = tf.range(total, dtype=tf.int64)
        if plan.shuffle_seed is None:
            return epoch, order
        return epoch, tf.random.experimental.stateless_shuffle(order, seed=tf.stack([plan.shuffle_seed, epoch]))

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(epoch: tf.Tensor, order: tf.Tensor) -> tf.data.Dataset:
        def batch(position: tf.Tensor) -> Batch:
            number = share.batch_number(position)
            first, end = share.rows(number, used, steps)
            rows = tf.ensure_shape(order[first:end], [share.replica_batch_size if plan.drop_remainder else None])
            columns = dict(zip(names, tf.unstack(tf.gather(table, rows), axis=1), strict=True))
            if "weight" in columns:
                columns["weight"] = tf.bitcast(tf.cast(columns["weight"], tf.int32), tf.float32)
            return plan.with_samples(columns, epoch=epoch, number=number)

        return tf.data.Dataset.range(delivered).map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    batches = plan.epoch_numbers().map(with_order).prefetch(1).flat_map(epoch_batches)
    cardinality = tf.data.INFINITE_CARDINALITY if plan.epochs is None else plan.epochs * delivered
    return batches.apply(tf.data.experimental.assert_cardinality(cardinality))
