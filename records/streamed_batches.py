"""Epochs of batches of a split that does not fit into memory."""

import tensorflow as tf

from tf_metammf.records.batches import Batch, BatchPlan
from tf_metammf.records.examples import parse_blocks
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.record_stream import records_in_memory, shared_records, shuffled_in_buffer, stream_seed

BLOCKS_MIXED = 64
"""Blocks whose interactions are permuted together, after the buffer has mixed the blocks."""


def streamed_batches(record_set: RecordSet, split: str, plan: BatchPlan, *, memory_budget: int) -> tf.data.Dataset:
    """Batches straight from the shards, approximately shuffled.

    Shards are interleaved in an order of their own in every epoch, their blocks mixed in a buffer
    that takes half of the budget, the interactions of :data:`BLOCKS_MIXED` blocks permuted
    together, and cut into batches. Every interaction comes once an epoch.

    Args:
        record_set: The record set.
        split: Name of the split.
        plan: Which batches to make.
        memory_budget: Bytes.

    Returns:
        A dataset; its cardinality is known if one pipeline reads everything.
    """
    share, metadata = plan.share, record_set.metadata
    shards, names = record_set.interaction_shards(split), plan.columns(metadata)
    entry = metadata.splits[split]
    buffer = records_in_memory(entry.shards, memory_budget // 2)
    steps = plan.steps(entry.interactions)
    sizes = _batch_sizes(plan, entry.interactions)

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        shuffle_seed = plan.shuffle_seed
        if shuffle_seed is None:
            blocks = shared_records(shards, share, seed=None)
        else:
            blocks = shared_records(shards, share, seed=stream_seed(shuffle_seed, epoch, 0))
            blocks = shuffled_in_buffer(blocks, seed=stream_seed(shuffle_seed, epoch, 1), size=buffer)

        def columns(number: tf.Tensor, records: tf.Tensor) -> Batch:
            found = parse_blocks(records, metadata)
            parsed = {name: found[name] for name in names}
            if shuffle_seed is None:
                return parsed
            return _permuted(parsed, seed=stream_seed(shuffle_seed, epoch, number + 2))

        groups = blocks.batch(BLOCKS_MIXED).enumerate()
        interactions = groups.map(columns, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = interactions.rebatch(sizes, drop_remainder=plan.drop_remainder)
        if not plan.samples:
            return batches
        return batches.enumerate().map(
            lambda delivered, batch: plan.with_samples(batch, epoch=epoch, number=share.batch_number(delivered)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    batches = plan.epoch_numbers().flat_map(epoch_batches)
    if plan.epochs is None:
        return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    if share.replicas == 1:
        return batches.apply(tf.data.experimental.assert_cardinality(plan.epochs * steps))
    return batches


def _batch_sizes(plan: BatchPlan, interactions: int) -> int | tf.Tensor:
    """Interactions of a batch of one replica: the same for all, or one for each of an epoch.

    Pipelines that read parts of the shards end their epochs at different steps, so a step has more than what is left
    of one.
    """
    share = plan.share
    if share.pipelines > 1 or not plan.joins_rest(interactions):
        return share.replica_batch_size
    steps = plan.steps(interactions)
    bounds = share.rows(tf.range(steps * share.replicas, dtype=tf.int64), interactions, steps)
    return bounds[1] - bounds[0]


def _permuted(columns: Batch, *, seed: tf.Tensor) -> Batch:
    interactions = tf.shape(columns["user"], out_type=tf.int64)[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(interactions), seed)
    return {name: tf.gather(column, order) for name, column in columns.items()}
