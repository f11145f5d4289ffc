"""The serialized records of shards as one stream: in order, or shuffled in a bounded memory."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tf_metammf.records.input_share import InputShare
from tf_metammf.records.metadata import FileEntry

SHARDS_AT_ONCE = 16
"""Shards interleaved when shuffling. A fixed number, so that the order does not depend on the machine."""


def records_in_order(shards: Sequence[Path]) -> tf.data.Dataset:
    """Serialized records, shard after shard, in the order on disk."""
    return tf.data.TFRecordDataset([str(shard) for shard in shards])


def shared_records(shards: Sequence[Path], share: InputShare, *, seed: tf.Tensor | None) -> tf.data.Dataset:
    """Serialized records that one input pipeline reads; all pipelines together read every record once.

    Pipelines share the shards where there are enough of them, and else the records.

    Args:
        shards: All shards.
        share: Which pipeline this is.
        seed: ``[2]``; shards are interleaved in an order drawn with it. None keeps the order on disk.
    """
    paths = tf.constant([str(shard) for shard in shards], tf.string)
    if seed is not None:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(shards)), seed)
        paths = tf.gather(paths, order)
    files = tf.data.Dataset.from_tensor_slices(paths)
    by_file = len(shards) >= share.pipelines
    if by_file:
        files = files.shard(share.pipelines, share.pipeline)
    if seed is None:
        records = tf.data.TFRecordDataset(files)  # a third of the time that interleaving takes, if only one at once
    else:
        records = files.interleave(
            tf.data.TFRecordDataset,
            cycle_length=SHARDS_AT_ONCE,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    return records if by_file else records.shard(share.pipelines, share.pipeline)


def shuffled_in_buffer(records: tf.data.Dataset, *, seed: tf.Tensor, size: int) -> tf.data.Dataset:
    """Shuffles records in a buffer: exactly, if it holds all of them.

    Args:
        records: Serialized records.
        seed: ``[2]``. The order also depends on ``tf.random.set_seed``, if that is used.
        size: Records in the buffer.
    """
    number = tf.random.stateless_uniform([], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox")
    # While a pipeline is traced and the global seed is 0, TensorFlow compares the seeds with (0, 0), which a tensor
    # cannot be; without a global seed it does not.
    graph = tf.compat.v1.get_default_graph()
    global_seed, graph.seed = graph.seed, None
    try:
        return records.shuffle(size, seed=number, reshuffle_each_iteration=False)
    finally:
        graph.seed = global_seed


def records_in_memory(shards: Sequence[FileEntry], memory_budget: int) -> int:
    """How many records, of the largest kind in any shard, fit into that many bytes; at least 1."""
    largest = max((shard.bytes / shard.records for shard in shards if shard.records), default=1)
    return max(1, int(memory_budget / largest))


def stream_seed(seed: int | tf.Tensor, epoch: tf.Tensor, purpose: tf.Tensor | int) -> tf.Tensor:
    """A seed ``[2]`` for one purpose in one epoch, another one for every triple of numbers."""
    return tf.random.experimental.stateless_fold_in(tf.stack([seed, epoch]), purpose)


def delivered(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetches, with fixed parallelism.

    tf.data's autotuning (seen with TensorFlow 2.21) can hold up the end of an iteration until its
    background thread wakes, after up to a minute; and it brings nothing here.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
