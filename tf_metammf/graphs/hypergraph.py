"""Hypergraphs: edges that connect any number of nodes, as the bipartite graph of nodes and hyperedges."""

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph
from tf_metammf.graphs.item_graph import nearest_neighbours
from tf_metammf.graphs.neighbourhoods import Neighbourhoods, WholeGraph
from tf_metammf.graphs.normalized_sums import normalized_sums


def hypergraph_sums(neighbourhoods: Neighbourhoods, rows: tf.Tensor, edges: tf.Tensor) -> tf.Tensor:
    """One layer of hypergraph convolution (Feng et al., Hypergraph Neural Networks, AAAI 2019) without weights.

    ``D_v^-1/2 H D_e^-1 H^T D_v^-1/2 X`` with the incidence ``H`` of nodes and hyperedges, ``D_v`` the number of
    hyperedges of each node and ``D_e`` the number of nodes of each hyperedge: a step from nodes to hyperedges and one
    back, each normalised by the degrees of both ends.

    Args:
        neighbourhoods: The incidence, nodes in the place of users and hyperedges in that of items. The graph of
            interactions is the hypergraph of users whose hyperedges are items.
        rows: ``X``, float32 ``[nodes, width]``.
        edges: Anything with a row for every hyperedge.
    """
    nothing = tf.zeros([tf.shape(edges)[0], rows.shape[-1]])
    of_edges = normalized_sums(neighbourhoods, 1, rows, nothing)[1]
    return normalized_sums(neighbourhoods, 1, tf.zeros_like(rows), of_edges)[0]


class Hypergraph:
    """A fixed hypergraph.

    Args:
        node: Dense ids of nodes, int ``[n]``.
        hyperedge: Dense ids of the hyperedges that they are in, int ``[n]``.
        nodes: Number of nodes.
        hyperedges: Number of hyperedges.
    """

    def __init__(self, node: ArrayLike, hyperedge: ArrayLike, *, nodes: int, hyperedges: int) -> None:
        self._incidence = Adjacency(InteractionGraph(node, hyperedge, users=nodes, items=hyperedges))

    def propagate(self, rows: tf.Tensor) -> tf.Tensor:
        """:func:`hypergraph_sums` of rows of the nodes, float32 ``[nodes, width]``."""
        return hypergraph_sums(WholeGraph(self._incidence), rows, self._incidence.degrees[1])


def hypergraph_of_similar_items(content: ItemContent, neighbours: int) -> Hypergraph:
    """The hypergraph of items of all modalities, whose hyperedges are items of a modality.

    The incidence is ``H = [H_1 ; H_2 ; ...]`` side by side, with ``H_m[i, j] = 1`` where item ``j`` is among the ``k``
    most similar items of item ``i`` by the cosine of modality ``m``.

    Args:
        content: The features of all items.
        neighbours: ``k``; an item is one of its own.
    """
    node, hyperedge = [], []
    for place, values in enumerate(content.all_items().values()):
        ids, similarity = (np.asarray(each) for each in nearest_neighbours(values, neighbours))
        rows, columns = np.nonzero(similarity > 0)
        node.append(rows)
        hyperedge.append(place * content.items + ids[rows, columns])
    count = content.items * len(content.widths)
    return Hypergraph(np.concatenate(node), np.concatenate(hyperedge), nodes=content.items, hyperedges=count)
