"""A batch that is shared by the replicas of a ``tf.distribute`` strategy: what each needs of the others.

The gradients that a strategy adds up over its replicas are those of one device with the whole batch, because
losses are sums over the part of a replica divided by the size of the whole. Outside of a strategy, and with one
replica, everything here is what it says without the word "all".
"""

import tensorflow as tf


def replica_count() -> int:
    """Replicas that share a batch."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def mean_over_batch(losses: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """The part of this replica in the mean of the losses of all replicas: they add up to ``sum w l / sum w``.

    A mean, and not ``sum w l / B``: what weights are counted in, seconds or minutes, changes nothing, so learning rate
    and penalties keep their meaning. Weights of 1 give the bits of the mean without weights.

    Args:
        losses: ``[B]``.
        weights: ``w``, at least 0, ``[B]``; by default all are 1. Where they add up to 0, so does the mean.
    """
    if weights is None:
        return tf.reduce_sum(losses) / tf.cast(tf.maximum(size_of_batch(losses), 1), losses.dtype)
    weights = tf.cast(weights, losses.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), sum_over_batch(weights))


def size_of_batch(values: tf.Tensor) -> tf.Tensor:
    """Number of values ``[B]`` of all replicas together, int32 ``[]``."""
    return _of_all_replicas(tf.size(values))


def sum_over_batch(values: tf.Tensor) -> tf.Tensor:
    """Sum of values ``[B]`` of all replicas together, without a gradient."""
    return _of_all_replicas(tf.reduce_sum(tf.stop_gradient(values)))


def _of_all_replicas(value: tf.Tensor) -> tf.Tensor:
    if replica_count() > 1:
        value = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)
    return value


def gathered(values: tf.Tensor) -> tf.Tensor:
    """Rows ``[B, ...]`` of all replicas, in their order; gradients go back to where the rows came from."""
    if replica_count() == 1:
        return values
    return tf.distribute.get_replica_context().all_gather(values, axis=0)


def first_row(rows: tf.Tensor) -> tf.Tensor:
    """Where the rows ``[B, ...]`` of this replica begin among those of :func:`gathered`, int32 ``[]``."""
    if replica_count() == 1:
        return tf.constant(0)
    context = tf.distribute.get_replica_context()
    sizes = context.all_gather(tf.shape(rows)[:1], axis=0)
    return tf.reduce_sum(sizes[: context.replica_id_in_sync_group])
