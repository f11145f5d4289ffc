"""ItemKNN: items most like those that a user has."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph
from tf_metammf.graphs.item_graph import nearest_neighbours
from tf_metammf.graphs.sparse_product import compressed_rows, sparse_product
from tf_metammf.layers.layer_arguments import positive_integer

_ITEMS_AT_ONCE = 1024


class ItemKNN(Baseline):
    """Item-based nearest neighbours (Sarwar et al., WWW 2001; Deshpande & Karypis, TOIS 2004).

    ``score(u, i) = sum of s_ij`` over the items ``j`` of the user that are among the ``k`` most similar to ``i``.

    * By interactions, ``s_ij = n_ij / (sqrt(n_i n_j) + shrinkage)`` with ``n_ij`` the users who have both.
    * By content, the cosine of the features of all modalities side by side, 0 where it is negative.

    Args:
        graph: The training interactions.
        content: Features of all items to compare them by content; None to compare them by interactions.
        neighbours: ``k``. Defaults to 10.
        shrinkage: Makes items with few interactions less similar; 0 or more. Defaults to 0. By interactions only.
        **options: Name and other arguments of a Keras model.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent | None = None,
        *,
        neighbours: int = 10,
        shrinkage: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        positive_integer("ItemKNN", "neighbours", neighbours)
        if shrinkage < 0:
            raise InvalidInputError(f"ItemKNN: shrinkage is {shrinkage}, expected 0 or more.")
        self._shape = [graph.items, graph.items]
        ids, similarity = (
            _similar_by_content(content, neighbours)
            if content is not None
            else _similar_by_interactions(graph, neighbours, shrinkage)
        )
        self.neighbours = self.add_weight("neighbours", ids.shape, dtype=tf.int64, trainable=False)
        self.similarity = self.add_weight("similarity", similarity.shape, trainable=False)
        self.neighbours.assign(ids)
        self.similarity.assign(similarity)
        self._items_of_users = tf.constant(graph.edge_item)
        self._offsets = tf.constant(np.append(0, np.cumsum(graph.user_degree[:, 0])).astype(np.int64))

    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """Sums of the similarities to the items of each user."""
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
        scores = tf.transpose(sparse_product(matrix, matrix, histories))
        return tf.ensure_shape(scores, [None, self._shape[0]])


def _similar_by_content(content: ItemContent, neighbours: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    side_by_side = tf.concat(list(content.all_items().values()), axis=1)
    ids, similarity = nearest_neighbours(side_by_side, neighbours + 1)
    return _without_themselves(ids.numpy(), similarity.numpy(), neighbours)


def _similar_by_interactions(
    graph: InteractionGraph, neighbours: int, shrinkage: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    products, items = Adjacency(graph).products(), graph.items
    degrees = tf.constant(graph.item_degree[:, 0])
    found = []
    for first in range(0, items, _ITEMS_AT_ONCE):
        block = tf.range(first, min(first + _ITEMS_AT_ONCE, items))
        both = tf.transpose(products.to_items(products.to_users(tf.one_hot(block, items, axis=0))))
        roots = tf.sqrt(tf.gather(degrees, block)[:, tf.newaxis] * degrees)
        best = tf.math.top_k(tf.math.divide_no_nan(both, roots + shrinkage), min(neighbours + 1, items))
        found.append((best.indices.numpy(), best.values.numpy()))
    ids, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    return _without_themselves(ids, similarity, neighbours)


def _without_themselves(
    ids: NDArray[np.integer], similarity: NDArray[np.floating], neighbours: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The first so many of every row that are not the item itself, by id, as sparse matrices have them."""
    own = ids == np.arange(len(ids))[:, np.newaxis]
    order = np.argsort(own, axis=1, kind="stable")[:, : min(neighbours, ids.shape[1] - 1)]
    order = np.take_along_axis(order, np.argsort(np.take_along_axis(ids, order, axis=1), axis=1), axis=1)
    return (
        np.take_along_axis(ids, order, axis=1).astype(np.int64),
        np.take_along_axis(similarity, order, axis=1).astype(np.float32),
    )
