"""The edges that a training step predicts, and leaves out of the graph it predicts them with."""

import tensorflow as tf

from tf_metammf.graphs.nodes import UsersAndItems


class TargetEdges:
    """The edges between the users and the items of a batch, each once.

    A pair of the training split is an edge of the graph, so propagation shows a model what it is asked for, which no
    test pair is. Without these edges it sees of every pair what it will see of a new one.

    Args:
        users: Dense user ids, int64 ``[B]``.
        items: Dense item ids, int64 ``[B]``; pairs may repeat.
        item_count: Number of items of the graph.

    Attributes:
        keys: ``user * item_count + item``, ascending, int64 ``[n]``.
    """

    def __init__(self, users: tf.Tensor, items: tf.Tensor, *, item_count: int) -> None:
        self._item_count = item_count
        self.keys = tf.sort(tf.unique(self._keys(users, items)).y)

    def contain(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Whether the pairs of these ids, any shape, are among them."""
        return found_in(self.keys, self._keys(users, items))[1]

    def degrees_without(self, degrees: UsersAndItems) -> UsersAndItems:
        """Degrees ``[users, 1]`` and ``[items, 1]`` of the graph that lacks them, if every pair is an edge of it."""
        return lowered(degrees, (self.keys // self._item_count, self.keys % self._item_count))

    def _keys(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return tf.cast(users, tf.int64) * self._item_count + tf.cast(items, tf.int64)


def lowered(degrees: UsersAndItems, ends: UsersAndItems) -> UsersAndItems:
    """Degrees ``[users, 1]`` and ``[items, 1]``, less by one for every edge between these ends, but at least 0."""
    of_users, of_items = (
        tf.maximum(tf.tensor_scatter_nd_sub(degree, end[:, tf.newaxis], tf.ones([tf.size(end), 1])), 0.0)
        for degree, end in zip(degrees, ends, strict=True)
    )
    return of_users, of_items


def found_in(ascending: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where values of any shape stand among ascending numbers of at least 0, int32, and whether they do, bool."""
    flat = tf.reshape(values, [-1])
    position = tf.searchsorted(ascending, flat)
    is_there = tf.gather(tf.concat([ascending, [-1]], axis=0), position) == flat
    return tf.reshape(position, tf.shape(values)), tf.reshape(is_there, tf.shape(values))
