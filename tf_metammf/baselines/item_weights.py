"""Scores by the items of a user: a sparse matrix of weights between items."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Borrowed, LendingBaseline
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.sparse_product import compressed_rows, sparse_product


class ItemWeights(LendingBaseline):
    """``score(u, i) = sum of w_ij`` over the items ``j`` of the user, where every item ``i`` has ``n`` weights.

    Args:
        graph: The training interactions.
        neighbours: Weights of each item; at most those of all other items are kept.
        **options: Name and other arguments of a Keras model.

    Attributes:
        neighbours: ``j`` of the weights of every item, in their order, int64 ``[items, n]``.
        similarity: ``w_ij``, float32 ``[items, n]``.
        borrowed: Items that are scored as sums of others; None where there are none.
    """

    borrowed: Borrowed | None = None

    def __init__(self, graph: InteractionGraph, neighbours: int, **options: Any) -> None:
        super().__init__(**options)
        shape = (graph.items, max(min(neighbours, graph.items - 1), 0))
        self._shape = [graph.items, graph.items]
        self.neighbours = self.add_weight("neighbours", shape, dtype=tf.int64, trainable=False)
        self.similarity = self.add_weight("similarity", shape, trainable=False)
        self._items_of_users = tf.constant(graph.edge_item)
        self._offsets = tf.constant(np.append(0, np.cumsum(graph.user_degree[:, 0])).astype(np.int64))

    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """Sums of the weights to the items of each user."""
        count = tf.size(users, tf.int64)
        lengths = tf.gather(self._offsets, users + 1) - tf.gather(self._offsets, users)
        columns = tf.repeat(tf.range(count), lengths)
        within = tf.range(tf.size(columns, tf.int64)) - tf.repeat(tf.cumsum(lengths, exclusive=True), lengths)
        items = tf.gather(self._items_of_users, tf.gather(tf.gather(self._offsets, users), columns) + within)
        shape = tf.stack([tf.constant(self._shape[0], tf.int64), count])
        histories = tf.scatter_nd(tf.stack([items, columns], axis=1), tf.ones(tf.shape(items)), shape)
        rows = tf.repeat(tf.range(self._shape[0], dtype=tf.int64), self.neighbours.shape[1])
        matrix = compressed_rows(
            tf.stack([rows, tf.reshape(self.neighbours, [-1])], axis=1), tf.reshape(self.similarity, [-1]), self._shape
        )
        scores = sparse_product(matrix, matrix, histories)
        if self.borrowed is not None:
            lending = compressed_rows(self._lending_places, self._lending_weights, self._shape)
            scores = sparse_product(lending, lending, scores)
        return tf.ensure_shape(tf.transpose(scores), [None, self._shape[0]])

    def lend(self, borrowed: Borrowed) -> None:
        """Scores items as the weighted sum of others; their own weights stay."""
        borrowed = borrowed.of_any()
        self.borrowed = borrowed if len(borrowed.items) else None
        # A matrix [items, items] by which items that borrow are sums of others, and all others themselves.
        own = np.setdiff1d(np.arange(self._shape[0]), borrowed.items)
        order = np.argsort(borrowed.lenders, axis=1)
        lenders, weights = (np.take_along_axis(each, order, axis=1) for each in (borrowed.lenders, borrowed.weights))
        rows = np.concatenate([own, np.repeat(borrowed.items, lenders.shape[1])])
        by_row = np.argsort(rows, kind="stable")
        columns, values = np.concatenate([own, lenders.ravel()]), np.concatenate([np.ones(len(own)), weights.ravel()])
        self._lending_places = tf.constant(np.stack([rows, columns], axis=1)[by_row], tf.int64)
        self._lending_weights = tf.constant(values[by_row], tf.float32)

    def _assign(self, ids: NDArray[np.integer], weights: NDArray[np.floating]) -> None:
        """Takes the weights of every item, ``[items, n]``, in any order."""
        # Sparse matrices have the columns of a row in order.
        order = np.argsort(ids, axis=1)
        self.neighbours.assign(np.take_along_axis(ids, order, axis=1).astype(np.int64))
        self.similarity.assign(np.take_along_axis(weights, order, axis=1).astype(np.float32))
