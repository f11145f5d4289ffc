"""Sums over neighbours for graph encoders: of the whole graph, or of sampled neighbourhoods of a batch."""

from collections.abc import Mapping
from typing import Any, Protocol

import tensorflow as tf

from tf_metammf.encoders.interaction_graph import Adjacency

Sides = tuple[tf.Tensor, tf.Tensor]
"""Something of users and the same of items."""


class Neighbourhoods(Protocol):
    """What a graph encoder propagates over. Layers count from 1; layer 0 is what the towers give."""

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """Sums over neighbours for the nodes of ``layer``, of the rows of the nodes of the layer before."""

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """Of rows of the nodes of any layer before, those of the nodes of ``layer``."""

    def degrees(self, layer: int) -> Sides:
        """Edges of the nodes of ``layer``, float32 ``[nodes, 1]``."""


class WholeGraph:
    """Every node in every layer, with all of its neighbours, the edges weighted where there are weights."""

    def __init__(self, adjacency: Adjacency, *, edge_weights: tf.Tensor | None = None) -> None:
        self._products = adjacency.products(edge_weights)
        self._degrees = adjacency.degrees

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """``sum over i of X[i]`` for every user and ``sum over u of X[u]`` for every item."""
        return self._products.to_users(items), self._products.to_items(users)

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """All of them."""
        return users, items

    def degrees(self, layer: int) -> Sides:
        """Of all users and items."""
        return self._degrees


class NoNeighbours:
    """Nodes without edges, as items are that came after training."""

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """Zeros."""
        return tf.zeros_like(users), tf.zeros_like(items)

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """All of them."""
        return users, items

    def degrees(self, layer: int) -> Sides:
        """0, for any number of nodes."""
        return tf.zeros([1, 1]), tf.zeros([1, 1])


class SampledNeighbourhoods:
    """The nodes that a batch needs, with the neighbours that were drawn for them.

    A sum over ``n`` drawn neighbours of a node with ``d`` is scaled by ``d / n``, which makes it an
    unbiased estimate of the whole sum, and the sum itself where all neighbours were drawn.

    Args:
        batch: What :class:`tf_metammf.records.NeighbourSampler` adds to a batch.
        degrees: Of all users and items.
    """

    def __init__(self, batch: Mapping[str, Any], degrees: Sides) -> None:
        self._batch = batch
        user_degree, item_degree = degrees
        self._user_degree = tf.gather(user_degree, batch["user"])
        self._item_degree = tf.gather(item_degree, batch["item"])

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """Estimated sums for the nodes of ``layer``."""
        degree_of_users, degree_of_items = self.degrees(layer)
        return (
            _scaled_sum(items, self._batch["items_of_users"][layer - 1], degree_of_users),
            _scaled_sum(users, self._batch["users_of_items"][layer - 1], degree_of_items),
        )

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> Sides:
        """The first rows: the nodes of a layer come first among those of the layer before."""
        if not layer:
            return users, items
        user_count = tf.shape(self._batch["items_of_users"][layer - 1])[0]
        item_count = tf.shape(self._batch["users_of_items"][layer - 1])[0]
        return users[:user_count], items[:item_count]

    def degrees(self, layer: int) -> Sides:
        """Of the nodes of ``layer``."""
        return self.nodes(layer, self._user_degree, self._item_degree)


def _scaled_sum(rows: tf.Tensor, drawn: tf.Tensor, degree: tf.Tensor) -> tf.Tensor:
    """Sums of the drawn rows ``[n, fan_out]``, -1 where none was drawn, as if all ``degree`` ``[n, 1]`` were."""
    is_drawn = tf.cast(drawn >= 0, rows.dtype)
    gathered = tf.gather(rows, tf.maximum(drawn, 0)) * is_drawn[..., tf.newaxis]
    count = tf.reduce_sum(is_drawn, axis=1, keepdims=True)
    return tf.reduce_sum(gathered, axis=1) * tf.math.divide_no_nan(tf.cast(degree, rows.dtype), count)
