"""Sums over neighbours for graph encoders: of the whole graph, or of sampled neighbourhoods of a batch."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

import tensorflow as tf

from tf_metammf.graphs.interaction_graph import Adjacency, Products
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.target_edges import TargetEdges


class Neighbourhoods(Protocol):
    """What a graph encoder propagates over. Layers count from 1; layer 0 is what the towers give."""

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Sums over neighbours for the nodes of ``layer``, of the rows of the nodes of the layer before."""

    def normalized_sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """The same with every neighbour divided by the root of both degrees."""

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Of rows of the nodes of any layer before, those of the nodes of ``layer``."""

    def degrees(self, layer: int) -> UsersAndItems:
        """Edges of the nodes of ``layer``, float32 ``[nodes, 1]``."""


class WholeGraph:
    """Every node in every layer, with all of its neighbours.

    Args:
        adjacency: The graph.
        edge_weights: Of every edge, float32 ``[edges]``. Defaults to 1.
        degrees: Of all users and items, where they are not those of the graph.
    """

    def __init__(
        self, adjacency: Adjacency, *, edge_weights: tf.Tensor | None = None, degrees: UsersAndItems | None = None
    ) -> None:
        self._adjacency = adjacency
        self._edge_weights = edge_weights
        self._degrees = adjacency.degrees if degrees is None else degrees

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """``sum over i of X[i]`` for every user and ``sum over u of X[u]`` for every item."""
        return self._products.to_users(items), self._products.to_items(users)

    def normalized_sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """The same of ``X[i] / sqrt(|N(u)| |N(i)|)``."""
        return self._normalized_products.to_users(items), self._normalized_products.to_items(users)

    @cached_property
    def _products(self) -> Products:
        return self._adjacency.products(self._edge_weights)

    @cached_property
    def _normalized_products(self) -> Products:
        return self._adjacency.products(self._normalized_weights)

    @cached_property
    def _normalized_weights(self) -> tf.Tensor:
        # In the weights of the edges, because scaling all rows before and after a product takes longer than it.
        return self._adjacency.normalized(self._edge_weights, degrees=self._degrees)

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """All of them."""
        return users, items

    def degrees(self, layer: int) -> UsersAndItems:
        """Of all users and items."""
        return self._degrees


class GraphToBatch(WholeGraph):
    """The whole graph up to the last layer, whose nodes are those of a batch: no sum of another node is needed there.

    Args:
        adjacency: The graph.
        batch: Dense ids of the users and of the items of the last layer, int64, ascending, each once.
        layers: Number of layers.
        edge_weights: Of every edge, float32 ``[edges]``. Defaults to 1.
        degrees: Of all users and items, where they are not those of the graph.
    """

    def __init__(
        self,
        adjacency: Adjacency,
        *,
        batch: UsersAndItems,
        layers: int,
        edge_weights: tf.Tensor | None = None,
        degrees: UsersAndItems | None = None,
    ) -> None:
        super().__init__(adjacency, edge_weights=edge_weights, degrees=degrees)
        self._batch = batch
        self._layers = layers

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """As :class:`WholeGraph`, for the nodes of ``layer``."""
        if layer < self._layers:
            return super().sums(layer, users, items)
        products = self._adjacency.products_for(self._batch, self._edge_weights)
        return products.to_users(items), products.to_items(users)

    def normalized_sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """As :class:`WholeGraph`, for the nodes of ``layer``."""
        if layer < self._layers:
            return super().normalized_sums(layer, users, items)
        products = self._adjacency.products_for(self._batch, self._normalized_weights)
        return products.to_users(items), products.to_items(users)

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """All of them, or in the last layer those of the batch."""
        if layer < self._layers:
            return users, items
        return tf.gather(users, self._batch[0]), tf.gather(items, self._batch[1])

    def degrees(self, layer: int) -> UsersAndItems:
        """Of the nodes of ``layer``."""
        return self.nodes(layer, *self._degrees)


class NoNeighbours:
    """Nodes without edges, as items are that came after training."""

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Zeros."""
        return tf.zeros_like(users), tf.zeros_like(items)

    def normalized_sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Zeros."""
        return self.sums(layer, users, items)

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """All of them."""
        return users, items

    def degrees(self, layer: int) -> UsersAndItems:
        """0, for any number of nodes."""
        return tf.zeros([1, 1]), tf.zeros([1, 1])


class SampledNeighbourhoods:
    """The nodes that a batch needs, with the neighbours that were drawn for them.

    A sum over ``n`` drawn neighbours of a node with ``d`` is scaled by ``d / n``, which makes it an
    unbiased estimate of the whole sum, and the sum itself where all neighbours were drawn.

    Args:
        batch: What :class:`tf_metammf.records.NeighbourSampler` adds to a batch.
        degrees: Of all users and items.
        targets: Edges that are left out.
    """

    def __init__(self, batch: Mapping[str, Any], degrees: UsersAndItems, *, targets: TargetEdges | None = None) -> None:
        self._batch = batch
        self._targets = targets
        self._degrees = self._of_nodes(degrees)
        self._degrees_left = self._degrees if targets is None else self._of_nodes(targets.degrees_without(degrees))

    def _of_nodes(self, degrees: UsersAndItems) -> UsersAndItems:
        return tf.gather(degrees[0], self._batch["user"]), tf.gather(degrees[1], self._batch["item"])

    def sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Estimated sums for the nodes of ``layer``."""
        degree_of_users, degree_of_items = self.nodes(layer, *self._degrees)
        items_of_users, users_of_items = (self._batch[name][layer - 1] for name in ("items_of_users", "users_of_items"))
        return (
            _scaled_sum(items, items_of_users, degree_of_users, kept=self._kept(items_of_users, of_users=True)),
            _scaled_sum(users, users_of_items, degree_of_items, kept=self._kept(users_of_items, of_users=False)),
        )

    def normalized_sums(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Estimated sums of rows divided by the roots of both degrees."""
        scaled = _by_root(users, items, self.degrees(layer - 1))
        return _by_root(*self.sums(layer, *scaled), self.degrees(layer))

    def _kept(self, drawn: tf.Tensor, *, of_users: bool) -> tf.Tensor | None:
        """Whether the edges to drawn neighbours ``[n, fan_out]`` are no targets; None where there are none."""
        if self._targets is None:
            return None
        own, others = ("user", "item") if of_users else ("item", "user")
        nodes = tf.broadcast_to(self._batch[own][: tf.shape(drawn)[0], tf.newaxis], tf.shape(drawn))
        neighbours = tf.gather(self._batch[others], tf.maximum(drawn, 0))
        return ~self._targets.contain(*((nodes, neighbours) if of_users else (neighbours, nodes)))

    def nodes(self, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """The first rows: the nodes of a layer come first among those of the layer before."""
        if not layer:
            return users, items
        user_count = tf.shape(self._batch["items_of_users"][layer - 1])[0]
        item_count = tf.shape(self._batch["users_of_items"][layer - 1])[0]
        return users[:user_count], items[:item_count]

    def degrees(self, layer: int) -> UsersAndItems:
        """Of the nodes of ``layer``, in the graph without the targets."""
        return self.nodes(layer, *self._degrees_left)


def _by_root(users: tf.Tensor, items: tf.Tensor, degrees: UsersAndItems) -> UsersAndItems:
    """Rows divided by the root of their degree; rows of degree 0 become 0."""
    roots = [tf.math.divide_no_nan(1.0, tf.sqrt(degree)) for degree in degrees]
    return users * roots[0], items * roots[1]


def _scaled_sum(rows: tf.Tensor, drawn: tf.Tensor, degree: tf.Tensor, *, kept: tf.Tensor | None) -> tf.Tensor:
    """Sums of the drawn rows ``[n, fan_out]`` that are kept, as if all ``degree`` ``[n, 1]`` were drawn.

    -1 stands where none was drawn.
    """
    is_drawn = tf.cast(drawn >= 0, rows.dtype)
    count = tf.reduce_sum(is_drawn, axis=1, keepdims=True)
    if kept is not None:
        is_drawn *= tf.cast(kept, rows.dtype)
    gathered = tf.gather(rows, tf.maximum(drawn, 0)) * is_drawn[..., tf.newaxis]
    return tf.reduce_sum(gathered, axis=1) * tf.math.divide_no_nan(tf.cast(degree, rows.dtype), count)
