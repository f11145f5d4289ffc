"""The graph of users and items: who interacted with what, sparse, from both sides."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.sparse_product import compressed_rows, kept_entries, places_among, sparse_product
from tf_metammf.graphs.target_edges import TargetEdges, found_in, lowered


class InteractionGraph:
    """The bipartite graph of the training interactions; an edge for every distinct pair of user and item.

    Give it the interactions of the training split alone: an edge of another split would tell the
    model what it is judged by.

    Args:
        user: Dense user ids, int ``[n]``.
        item: Dense item ids, int ``[n]``; pairs may repeat.
        weight: How much each interaction counts, at least 0, float ``[n]``; by default all count the same. Encoders
            propagate over all edges alike; baselines may use the weights.
        users: Number of users.
        items: Number of items.

    Attributes:
        users: Number of users.
        items: Number of items.
        edges: Number of distinct pairs.
        edge_user: int64 ``[edges]``, by user and then by item.
        edge_item: int64 ``[edges]``, in the same order.
        edge_weight: Weights of the edges over their mean, float32 ``[edges]``, in the same order; those of a pair that
            repeats are added up. None where all count the same.
        by_item: int64 ``[edges]``: positions of the edges by item and then by user.
        user_degree: float32 ``[users, 1]``: edges of each user.
        item_degree: float32 ``[items, 1]``: edges of each item.

    Raises:
        InvalidInputError: The columns differ in length, or an id is out of range.

    Examples:
        >>> from tf_metammf import InteractionGraph
        >>> graph = InteractionGraph([0, 0, 1, 1], [0, 2, 2, 2], users=2, items=3)
        >>> graph.edges
        3
        >>> graph.item_degree[:, 0]
        array([1., 0., 2.], dtype=float32)
    """

    def __init__(
        self, user: ArrayLike, item: ArrayLike, *, users: int, items: int, weight: ArrayLike | None = None
    ) -> None:
        user_ids, item_ids = _ids("user", user, users), _ids("item", item, items)
        if user_ids.shape != item_ids.shape:
            raise InvalidInputError(
                f"found {user_ids.size} user ids and {item_ids.size} item ids, expected the same number."
            )
        every = user_ids * items + item_ids
        keys = np.unique(every)
        self.users = users
        self.items = items
        self.edges = len(keys)
        self.edge_user, self.edge_item = np.divmod(keys, max(items, 1))
        self.by_item: NDArray[np.int64] = np.argsort(self.edge_item, kind="stable")
        self.user_degree = _degrees(self.edge_user, users)
        self.item_degree = _degrees(self.edge_item, items)

        self.edge_weight = None if weight is None else _edge_weights(weight, np.searchsorted(keys, every), self.edges)

    def __deepcopy__(self, memo: Any) -> "InteractionGraph":
        return self  # immutable data, as large as the training split


class Adjacency:
    """Sums over neighbours, on the device: one sparse-dense product for each direction.

    ``to_users(X)[u] = sum_i a_ui X[i]`` and ``to_items(X)[i] = sum_u a_ui X[u]``, with ``a_ui`` the weight of an
    edge. The gradient of each is the other one; none is computed with respect to the edges.

    Args:
        graph: The edges. They take 40 bytes each, and 16 more while a step uses them.

    Attributes:
        edges: Number of edges.
        degrees: Edges of each user and of each item, float32 ``[users, 1]`` and ``[items, 1]``.
    """

    def __init__(self, graph: InteractionGraph) -> None:
        self.edges = graph.edges
        self.degrees = tf.constant(graph.user_degree), tf.constant(graph.item_degree)
        by_item = graph.by_item
        self._user_rows = tf.constant(np.stack([graph.edge_user, graph.edge_item], axis=1))
        self._item_rows = tf.constant(np.stack([graph.edge_item[by_item], graph.edge_user[by_item]], axis=1))
        self._by_item = tf.constant(by_item)
        self._shape = (graph.users, graph.items)

    def without(self, targets: TargetEdges) -> tuple[tf.Tensor, UsersAndItems]:
        """0 for every edge among the targets and 1 for the others, float32 ``[edges]``, and degrees without them."""
        user, item = tf.unstack(self._user_rows, axis=1)
        position, is_edge = found_in(user * self._shape[1] + item, targets.keys)
        lost = tf.boolean_mask(position, is_edge)
        weights = tf.tensor_scatter_nd_update(tf.ones([self.edges]), lost[:, tf.newaxis], tf.zeros([tf.size(lost)]))
        return weights, lowered(self.degrees, (tf.gather(user, lost), tf.gather(item, lost)))

    def normalized(self, edge_weights: tf.Tensor | None = None, *, degrees: UsersAndItems | None = None) -> tf.Tensor:
        """``a_ui / sqrt(|N(u)| |N(i)|)`` of every edge, float32 ``[edges]``; 0 where a degree is 0.

        Args:
            edge_weights: ``a_ui``, float32 ``[edges]``. Defaults to 1.
            degrees: Of all users and items. Defaults to those of the graph.
        """
        roots = [
            tf.gather(tf.math.divide_no_nan(1.0, tf.sqrt(degree[:, 0])), ids)
            for degree, ids in zip(degrees or self.degrees, tf.unstack(self._user_rows, axis=1), strict=True)
        ]
        return roots[0] * roots[1] if edge_weights is None else edge_weights * roots[0] * roots[1]

    def products(self, edge_weights: tf.Tensor | None = None) -> "Products":
        """The two products of one step.

        Args:
            edge_weights: ``a_ui`` of every edge, by user and then by item, float32 ``[edges]``. Defaults to 1.
        """
        # Compressed rows are made anew in every step: that costs a sixth of one product, lets edges have other
        # weights in every step, and keeps matrices, which no SavedModel can hold, out of the captured state.
        (of_users, by_user), (of_items, by_item) = self._entries(edge_weights)
        to_users = compressed_rows(of_users, by_user, self._shape)
        to_items = compressed_rows(of_items, by_item, self._shape[::-1])
        return Products(to_users=(to_users, to_items), to_items=(to_items, to_users))

    def products_for(self, nodes: UsersAndItems, edge_weights: tf.Tensor | None = None) -> "Products":
        """The products whose sums are those of some users and items alone.

        Args:
            nodes: Dense ids of the users and of the items, int64, ascending.
            edge_weights: As in :meth:`products`.
        """
        users, items = self._shape
        by_user, by_item = self._entries(edge_weights)
        place_of_user, place_of_item = (places_among(ids, count) for ids, count in zip(nodes, self._shape, strict=True))
        user_count, item_count = (tf.size(ids, tf.int64) for ids in nodes)
        return Products(
            to_users=(
                compressed_rows(*kept_entries(*by_user, place_of_user, axis=0), [user_count, items]),
                compressed_rows(*kept_entries(*by_item, place_of_user, axis=1), [items, user_count]),
            ),
            to_items=(
                compressed_rows(*kept_entries(*by_item, place_of_item, axis=0), [item_count, users]),
                compressed_rows(*kept_entries(*by_user, place_of_item, axis=1), [users, item_count]),
            ),
        )

    def _entries(self, edge_weights: tf.Tensor | None) -> tuple[tuple[tf.Tensor, tf.Tensor], ...]:
        """Places and weights of the edges, by user and then by item, and by item and then by user."""
        if edge_weights is None:
            ones = tf.ones([self.edges])
            return (self._user_rows, ones), (self._item_rows, ones)
        return (self._user_rows, edge_weights), (self._item_rows, tf.gather(edge_weights, self._by_item))


class Products:
    """The products of an :class:`Adjacency` in one step, edge weights included.

    Args:
        to_users: The matrix, users in rows, and its transpose.
        to_items: The matrix, items in rows, and its transpose.
    """

    def __init__(self, *, to_users: tuple[tf.Tensor, tf.Tensor], to_items: tuple[tf.Tensor, tf.Tensor]) -> None:
        self._to_users = to_users
        self._to_items = to_items

    def to_users(self, items: tf.Tensor) -> tf.Tensor:
        """Sums over the items of each user, float32 ``[users, d]``, of rows ``[items, d]``."""
        return sparse_product(*self._to_users, items)

    def to_items(self, users: tf.Tensor) -> tf.Tensor:
        """Sums over the users of each item, float32 ``[items, d]``, of rows ``[users, d]``."""
        return sparse_product(*self._to_items, users)


def _ids(kind: str, values: ArrayLike, count: int) -> NDArray[np.int64]:
    ids = np.asarray(values, np.int64).reshape(-1)
    if len(ids) and not 0 <= ids.min() <= ids.max() < count:
        raise InvalidInputError(
            f"the graph has {kind} ids from {ids.min()} to {ids.max()}, expected 0 to {count - 1}. Give it "
            f"interactions and number of {kind}s of the same record set."
        )
    return ids


def _edge_weights(weight: ArrayLike, edge: NDArray[np.integer], edges: int) -> NDArray[np.float32] | None:
    weights = np.asarray(weight, np.float64).reshape(-1)
    if len(weights) != len(edge):
        raise InvalidInputError(f"found {len(weights)} weights of {len(edge)} interactions, expected the same number.")
    unusable = ~((weights >= 0) & (weights < np.inf))
    if unusable.any():
        raise InvalidInputError(f"the weights have {weights[unusable][0]}, expected finite numbers of at least 0.")
    if edges and not weights.any():
        raise InvalidInputError("the weights of all interactions are 0, expected some above.")
    sums = np.bincount(edge, weights=weights, minlength=edges)
    return None if not edges or (sums == sums[0]).all() else (sums / sums.mean()).astype(np.float32)


def _degrees(ids: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.bincount(ids, minlength=count).astype(np.float32)[:, np.newaxis]
