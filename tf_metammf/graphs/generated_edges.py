"""Edges from every user to a few items that a model chose, which change while it is trained."""

import tensorflow as tf

from tf_metammf.graphs.nodes import UsersAndItems


def generated_sums(chosen: tf.Tensor, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
    """``sum over i in N(u) of x_i / sqrt(|N(u)| |N(i)|)`` for every user, and the same for every item.

    Args:
        chosen: Items of every user, each once, int32 ``[users, k]``; -1 for none.
        users: float32 ``[users, width]``.
        items: float32 ``[items, width]``.
    """
    is_edge = tf.cast(chosen >= 0, tf.float32)
    place = tf.maximum(chosen, 0)
    count = tf.shape(items)[0]
    of_users = tf.reduce_sum(is_edge, axis=1)
    of_items = tf.math.unsorted_segment_sum(tf.reshape(is_edge, [-1]), tf.reshape(place, [-1]), count)
    weights = is_edge * tf.math.rsqrt(tf.maximum(of_users[:, tf.newaxis] * tf.gather(of_items, place), 1.0))
    to_items = tf.reshape(weights[..., tf.newaxis] * users[:, tf.newaxis], [-1, users.shape[-1]])
    return (
        tf.einsum("uk,ukd->ud", weights, tf.gather(items, place)),
        tf.math.unsorted_segment_sum(to_items, tf.reshape(place, [-1]), count),
    )
