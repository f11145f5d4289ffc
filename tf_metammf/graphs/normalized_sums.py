"""Sums over neighbours, normalised by the degrees of both ends, as most propagation over interactions has them."""

import tensorflow as tf

from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems


def normalized_sums(neighbourhoods: Neighbourhoods, layer: int, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
    """``sum over i in N(u) of x_i / sqrt(|N(u)| |N(i)|)`` for every user, and the same for every item.

    Args:
        neighbourhoods: The graph.
        layer: The layer of the nodes that the sums are for, from 1.
        users: Rows of the users of the layer before, float32 ``[n, width]``.
        items: Rows of its items, float32 ``[m, width]``.

    Returns:
        float32 ``[., width]`` each; 0 for nodes without neighbours.
    """
    return neighbourhoods.normalized_sums(layer, users, items)


def sums_of_items(neighbourhoods: Neighbourhoods, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """What users make of rows that only items have: the first of :func:`normalized_sums`, of one layer.

    Args:
        neighbourhoods: The graph.
        users: Anything with a row for every user.
        items: float32 ``[items, width]``.
    """
    nothing = tf.zeros([tf.shape(users)[0], items.shape[-1]])
    return normalized_sums(neighbourhoods, 1, nothing, items)[0]
