"""ItemKNN: items most like those that a user has."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.item_weights import ItemWeights
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph
from tf_metammf.graphs.item_graph import nearest_neighbours
from tf_metammf.layers.layer_arguments import positive_integer

_ITEMS_AT_ONCE = 1024
_SCORES_AT_ONCE = 2**26
"""Items that are compared with all others at once, and how many numbers these may be."""


class ItemKNN(ItemWeights):
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
        positive_integer("ItemKNN", "neighbours", neighbours)
        if shrinkage < 0:
            raise InvalidInputError(f"ItemKNN: shrinkage is {shrinkage}, expected 0 or more.")
        super().__init__(graph, neighbours, **options)
        ids, similarity = (
            _similar_by_content(content, neighbours)
            if content is not None
            else _similar_by_interactions(graph, neighbours, shrinkage)
        )
        self._assign(ids, similarity)


def _similar_by_content(content: ItemContent, neighbours: int) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    side_by_side = tf.concat(list(content.all_items().values()), axis=1)
    ids, similarity = nearest_neighbours(side_by_side, neighbours + 1)
    return _without_themselves(ids.numpy(), similarity.numpy(), neighbours)


def _similar_by_interactions(
    graph: InteractionGraph, neighbours: int, shrinkage: float
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    products, items = Adjacency(graph).products(), graph.items
    degrees = tf.constant(graph.item_degree[:, 0])
    found = []
    at_once = max(1, min(_ITEMS_AT_ONCE, _SCORES_AT_ONCE // max(1, items)))
    for first in range(0, items, at_once):
        block = tf.range(first, min(first + at_once, items))
        both = tf.transpose(products.to_items(products.to_users(tf.one_hot(block, items, axis=0))))
        roots = tf.sqrt(tf.gather(degrees, block)[:, tf.newaxis] * degrees)
        best = tf.math.top_k(tf.math.divide_no_nan(both, roots + shrinkage), min(neighbours + 1, items))
        found.append((best.indices.numpy(), best.values.numpy()))
    ids, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    return _without_themselves(ids, similarity, neighbours)


def _without_themselves(
    ids: NDArray[np.integer], similarity: NDArray[np.floating], neighbours: int
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """The first so many of every row that are not the item itself."""
    own = ids == np.arange(len(ids))[:, np.newaxis]
    order = np.argsort(own, axis=1, kind="stable")[:, : min(neighbours, ids.shape[1] - 1)]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(similarity, order, axis=1)
