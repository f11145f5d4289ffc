"""Rows of the interaction matrix, dense, for some users at a time."""

import numpy as np
import tensorflow as tf

from tf_metammf.graphs.interaction_graph import InteractionGraph


class InteractionRows:
    """What users have, 0 or 1.

    Args:
        graph: The interactions, of which 8 bytes each are kept on the device.
    """

    def __init__(self, graph: InteractionGraph) -> None:
        self.items = graph.items
        ends = np.cumsum(np.bincount(graph.edge_user, minlength=graph.users))
        self._ends = tf.constant(np.concatenate([[0], ends]))
        self._items = tf.constant(graph.edge_item)

    def of(self, users: tf.Tensor) -> tf.Tensor:
        """Rows of dense user ids ``[n]``, float32 ``[n, items]``."""
        # Ragged tensors do the same, but not on a GPU.
        first = tf.gather(self._ends, users)
        counts = tf.gather(self._ends, users + 1) - first
        rows = tf.repeat(tf.range(tf.size(users, tf.int64)), counts)
        places_before = tf.cumsum(counts, exclusive=True)
        edges = tf.range(tf.size(rows, tf.int64)) + tf.gather(first - places_before, rows)
        places = tf.stack([rows, tf.cast(tf.gather(self._items, edges), tf.int64)], axis=1)
        shape = tf.stack([tf.size(users, tf.int64), tf.constant(self.items, tf.int64)])
        return tf.scatter_nd(places, tf.ones([tf.shape(places)[0]]), shape)
