"""Endless batches of preferences, from any step on, beside those of interactions."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_metammf.records.input_share import InputShare
from tf_metammf.records.preferences import Preferences

_STREAM = 0x9AE5
"""Sets the seeds of preferences apart from those of interactions and samplers."""


def preference_batches(
    preferences: Preferences,
    *,
    batch_size: int,
    rejected: int,
    seed: int,
    first_step: int = 0,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches of preferences, every preference once in a pass; a batch may cross the border of two passes.

    What step ``n`` gets depends on the seed and ``n`` alone, so a training that is resumed sees what an uninterrupted
    one would have seen.

    Args:
        preferences: The preferences, one at least.
        batch_size: Preferences of a step.
        rejected: Rejected items of each, at most: where there are more, as many are drawn.
        seed: Seed of the order and of the draws.
        first_step: Steps that are over.
        input_context: Delivers only the part of an input pipeline, in batches for one replica.

    Returns:
        An endless dataset with elements ``{"user": int64 [P], "chosen": int64 [P], "rejected": int64 [P, K],
        "there": bool [P, K]}``, and ``"weight": float32 [P]`` where preferences have weights. ``K`` is ``rejected`` or
        the most that any preference has; an item that is not there is the chosen one.

    Raises:
        InvalidInputError: ``batch_size`` is below 1 or no multiple of the number of replicas.
    """
    share = InputShare.of(batch_size, input_context)
    padded = preferences.padded()
    columns: dict[str, Any] = {"user": preferences.user, "chosen": preferences.chosen, "rejected": padded}
    if preferences.weight is not None:
        columns["weight"] = np.asarray(preferences.weight, np.float32)
    tables = {name: tf.constant(column) for name, column in columns.items()}
    count, most = len(preferences), padded.shape[1]
    begin = first_step * batch_size
    seed = (seed + _STREAM) % 2**31

    @tf.autograph.experimental.do_not_convert
    def order(number: tf.Tensor) -> tf.data.Dataset:
        rows = tf.range(count, dtype=tf.int64)
        shuffled = tf.random.experimental.stateless_shuffle(rows, seed=tf.stack([tf.constant(seed, tf.int64), number]))
        return tf.data.Dataset.from_tensor_slices(shuffled)

    @tf.autograph.experimental.do_not_convert
    def batch(step: tf.Tensor, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        found = {name: tf.gather(table, rows) for name, table in tables.items()}
        if most > rejected:
            draws = tf.random.stateless_uniform([batch_size, most], seed=tf.stack([tf.constant(seed, tf.int64), step]))
            _, places = tf.math.top_k(tf.where(found["rejected"] >= 0, draws, -1.0), rejected)
            found["rejected"] = tf.gather(found["rejected"], places, batch_dims=1)
        found["there"] = found["rejected"] >= 0
        found["rejected"] = tf.where(found["there"], found["rejected"], found["chosen"][:, tf.newaxis])
        return found

    passes = tf.data.Dataset.counter(begin // count).flat_map(order).skip(begin % count)
    batches = passes.batch(batch_size, drop_remainder=True)
    batches = tf.data.Dataset.zip((tf.data.Dataset.counter(first_step), batches))
    batches = batches.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches if share.replicas == 1 else _parts(batches, share)


def _parts(batches: tf.data.Dataset, share: InputShare) -> tf.data.Dataset:
    """The batches of the replicas of this pipeline, one after another."""
    first = share.pipeline * share.batches_a_step

    @tf.autograph.experimental.do_not_convert
    def cut(batch: dict[str, tf.Tensor]) -> tf.data.Dataset:
        parts = {
            name: tf.reshape(column, [share.replicas, share.replica_batch_size, *column.shape[1:]])
            for name, column in batch.items()
        }
        own = {name: part[first : first + share.batches_a_step] for name, part in parts.items()}
        return tf.data.Dataset.from_tensor_slices(own)

    return batches.flat_map(cut)
