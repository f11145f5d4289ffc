"""EASE: a linear autoencoder of histories, in closed form."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.item_weights import ItemWeights
from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph, Products
from tf_metammf.layers.layer_arguments import positive_integer

_ITEMS_AT_ONCE = 1024


class EASE(ItemWeights):
    r"""Embarrassingly shallow autoencoder (Steck, WWW 2019).

    Of the interactions ``X``, 0 or 1, ``[users, items]``, the weights ``B`` minimise ``|X - X B|^2 + l2 |B|^2`` with a
    diagonal of 0. With ``P = (X^T X + l2 I)^{-1}`` they are ``B_ij = -P_ij / P_jj``, and
    ``score(u, j) = sum of B_ij`` over the items ``i`` of the user.

    Where there are fewer users than items, a matrix of users is inverted, which gives the same weights:
    ``A = X^T (X X^T + l2 I)^{-1} X`` and ``B_ij = A_ij / (1 - A_jj)``.

    The paper keeps all weights. Here every item keeps the ``neighbours`` largest by size, so that a catalogue is
    served from a sparse table; with as many neighbours as items there is no difference. Items without training
    interactions have no weights.

    Where interactions have weights, ``X`` holds these, divided by their mean, in place of 1. The scores of a user are
    sums over the items all the same, as for a newcomer, of whom nothing but the items is known.

    Args:
        graph: The training interactions.
        l2: Above 0. Defaults to 200, with which the paper's figures begin.
        neighbours: Weights that each item keeps. Defaults to 500.
        budget_gb: Size in GB of the matrices that are held at once, above which they are refused. Defaults to 4.
        solve: Whether the weights are computed; without, they are 0 until they are loaded. Defaults to True.
        **options: Name and other arguments of a Keras model.

    Raises:
        InvalidInputError: An argument is not acceptable, or the catalogue is too large.
    """

    def __init__(
        self,
        graph: InteractionGraph,
        *,
        l2: float = 200.0,
        neighbours: int = 500,
        budget_gb: float = 4.0,
        solve: bool = True,
        **options: Any,
    ) -> None:
        positive_integer("EASE", "neighbours", neighbours)
        if not l2 > 0:
            raise InvalidInputError(f"EASE: l2 is {l2}, expected a number above 0.")
        super().__init__(graph, neighbours, **options)
        size = ease_bytes(graph.users, graph.items) / 2**30
        if size > budget_gb:
            raise InvalidInputError(
                f"EASE: inverts a matrix of {min(graph.users, graph.items):,} rows, which takes {size:.3g} GB, and "
                f"budget_gb is {budget_gb:g}. Increase it, or use item_knn or ials."
            )
        if solve:
            self._assign(*_largest_weights(graph, l2, int(self.neighbours.shape[1])))


def ease_bytes(users: int, items: int) -> int:
    """What the solution takes at once: three matrices of the smaller side, float32."""
    return 3 * 4 * min(users, items) ** 2


def _largest_weights(
    graph: InteractionGraph, l2: float, neighbours: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The largest weights of every item by size, and whose they are, ``[items, neighbours]``."""
    products = Adjacency(graph).products(graph.edge_weight)
    columns_of = _by_users(products, graph, l2) if graph.users < graph.items else _by_items(products, graph, l2)
    ids = np.empty((graph.items, neighbours), np.int64)
    weights = np.empty((graph.items, neighbours), np.float32)
    for first in range(0, graph.items, _ITEMS_AT_ONCE):
        block = np.arange(first, min(first + _ITEMS_AT_ONCE, graph.items))
        columns = columns_of(block).T
        columns[np.arange(len(block)), block] = 0
        size = np.abs(columns)
        size[np.arange(len(block)), block] = -1
        # An item's own place is the last of all, and neighbours are at most the others.
        chosen = np.argpartition(-size, min(neighbours, graph.items - 1), axis=1)[:, :neighbours]
        ids[block] = chosen
        weights[block] = np.take_along_axis(columns, chosen, axis=1)
    return ids, weights


def _by_items(products: Products, graph: InteractionGraph, l2: float) -> Any:
    """Columns of ``B`` by the inverse of a matrix of the items with interactions."""
    warm = np.flatnonzero(graph.item_degree[:, 0])
    gram = np.empty((len(warm), len(warm)), np.float32)
    for first in range(0, len(warm), _ITEMS_AT_ONCE):
        block = warm[first : first + _ITEMS_AT_ONCE]
        both = products.to_items(products.to_users(tf.one_hot(block, graph.items, axis=0)))
        gram[:, first : first + len(block)] = tf.gather(both, warm).numpy()
    gram[np.diag_indices(len(warm))] += l2
    inverse = np.linalg.inv(gram)
    place = np.full(graph.items, -1)
    place[warm] = np.arange(len(warm))

    def columns(block: NDArray[np.int64]) -> NDArray[np.float32]:
        found = np.zeros((graph.items, len(block)), np.float32)
        known = place[block] >= 0
        of_block = place[block[known]]
        found[np.ix_(warm, known)] = -inverse[:, of_block] / inverse[of_block, of_block]
        return found

    return columns


def _by_users(products: Products, graph: InteractionGraph, l2: float) -> Any:
    """Columns of ``B`` by the inverse of a matrix of the users."""
    gram = np.empty((graph.users, graph.users), np.float32)
    for first in range(0, graph.users, _ITEMS_AT_ONCE):
        block = np.arange(first, min(first + _ITEMS_AT_ONCE, graph.users))
        both = products.to_users(products.to_items(tf.one_hot(block, graph.users, axis=0)))
        gram[:, block] = both.numpy()
    gram[np.diag_indices(graph.users)] += l2
    inverse = tf.constant(np.linalg.inv(gram))

    def columns(block: NDArray[np.int64]) -> NDArray[np.float32]:
        of_users = products.to_users(tf.one_hot(block, graph.items, axis=0))
        found = products.to_items(tf.matmul(inverse, of_users)).numpy()
        solved: NDArray[np.float32] = found / (1 - found[block, np.arange(len(block))])
        return solved

    return columns
