"""Graphs of items and the items most like them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.sparse_product import compressed_rows, kept_entries, places_among, sparse_product

_ITEMS_AT_ONCE = 1024
_COSINES_AT_ONCE = 2**27
"""Items that are compared with all others at once, and how many cosines these may be."""


def nearest_neighbours(vectors: tf.Tensor, neighbours: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The most similar items of every item, by cosine; it is one of its own.

    Args:
        vectors: ``[items, d]``; zeros for an item that has nothing to compare.
        neighbours: How many.

    Returns:
        Their ids, int32 ``[items, k]``, and similarities, float32 ``[items, k]``, those below 0 as 0. Constants: no
        gradient is computed with respect to the vectors.
    """
    unit = tf.stop_gradient(tf.math.l2_normalize(_of_size_one(tf.cast(vectors, tf.float32)), axis=1))
    items = tf.shape(unit)[0]
    k = tf.minimum(neighbours, items)

    at_once = tf.clip_by_value(_COSINES_AT_ONCE // tf.maximum(items, 1), 1, _ITEMS_AT_ONCE)

    def next_block(first: tf.Tensor, ids: tf.TensorArray, values: tf.TensorArray) -> tuple[tf.Tensor, ...]:
        similarity = tf.matmul(unit[first : first + at_once], unit, transpose_b=True)
        best = tf.math.top_k(similarity, k)
        block = first // at_once
        return first + at_once, ids.write(block, best.indices), values.write(block, best.values)

    blocks = (items + at_once - 1) // at_once
    ids = tf.TensorArray(tf.int32, blocks, infer_shape=False, element_shape=[None, None])
    values = tf.TensorArray(tf.float32, blocks, infer_shape=False, element_shape=[None, None])
    _, ids, values = tf.while_loop(
        lambda first, *_: first < items, next_block, (tf.constant(0), ids, values), parallel_iterations=1
    )
    return ids.concat(), tf.nn.relu(values.concat())


def _of_size_one(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors times a power of two each, which rounds nothing, so that their squares neither overflow nor vanish."""
    largest = tf.reduce_max(tf.abs(vectors), axis=1, keepdims=True)
    exponent = tf.floor(tf.math.log(tf.where(largest > 0, largest, 1.0)) / math.log(2.0))
    half = tf.floor(exponent / 2)  # in two steps: 2 ** 127 is the largest power there is
    return vectors * tf.pow(2.0, -half) * tf.pow(2.0, half - exponent)


def normalized(neighbours: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """``w_ij / sqrt(D_i D_j)`` with ``D_i = sum over j of w_ij``, ``[items, k]``; 0 where a sum is 0."""
    roots = tf.math.divide_no_nan(1.0, tf.sqrt(tf.reduce_sum(weights, axis=1)))
    return weights * roots[:, tf.newaxis] * tf.gather(roots, neighbours)


def similar_by_modality(content: ItemContent, neighbours: int) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """The most similar items of every item in each modality, with normalised weights.

    Args:
        content: The features of all items.
        neighbours: How many; an item is one of its own.

    Returns:
        By modality: ids, int32 ``[items, k]``, and weights, float32 ``[items, k]``, as :func:`normalized` gives them.
    """
    found = {}
    for name, values in content.all_items().items():
        ids, similarity = nearest_neighbours(values, neighbours)
        found[name] = ids, normalized(ids, similarity)
    return found


def similar_items(
    content: ItemContent, neighbours: int, *, modality_weights: Mapping[str, float] | None = None
) -> "ItemGraph":
    """The fixed graph of similar items of FREEDOM (Zhou & Shen, MM 2023, equations 2 to 5).

    For every modality the ``k`` items of the largest cosines, with the same weight each, normalised
    ``D^-1/2 S D^-1/2``; the graphs are added up with weights of the modalities.

    Args:
        content: The features of all items.
        neighbours: ``k``; an item is one of its own.
        modality_weights: Weight of each modality. Defaults to the same for each, 1 in sum.
    """
    graphs = []
    for name, values in content.all_items().items():
        weight = 1 / len(content.widths) if modality_weights is None else modality_weights.get(name, 0.0)
        ids, similarity = nearest_neighbours(values, neighbours)
        graphs.append((ids, weight * normalized(ids, tf.cast(similarity > 0, tf.float32))))
    return ItemGraph(graphs)


def largest_of(graphs: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> "ItemGraph":
    """The graph that has every edge of some graphs, with its largest weight in any of them.

    Args:
        graphs: Neighbours, int32 ``[items, k]``, and their weights of at least 0, float32 ``[items, k]``.
    """
    columns = np.concatenate([np.asarray(neighbours) for neighbours, _ in graphs], axis=1)
    weights = np.concatenate([np.asarray(weights) for _, weights in graphs], axis=1)
    # By neighbour and then by weight: the last of a run of the same neighbour has the largest.
    order = np.lexsort((weights, columns))
    columns, weights = (np.take_along_axis(each, order, axis=1) for each in (columns, weights))
    repeated = columns[:, :-1] == columns[:, 1:]
    weights[:, :-1][repeated] = 0
    return ItemGraph([(tf.constant(columns), tf.constant(weights))])


class ItemGraph:
    """A fixed graph of items: ``propagate(X)_i = sum over j of a_ij X_j``.

    Args:
        graphs: Neighbours, int32 ``[items, k]``, and their weights, float32 ``[items, k]``, which are added up.
    """

    def __init__(self, graphs: Sequence[tuple[tf.Tensor, tf.Tensor]]) -> None:
        columns = np.concatenate([np.asarray(neighbours) for neighbours, _ in graphs], axis=1).astype(np.int64)
        weights = np.concatenate([np.asarray(weights) for _, weights in graphs], axis=1)
        self.items = len(columns)
        rows = np.broadcast_to(np.arange(self.items)[:, np.newaxis], columns.shape)
        keys, places = np.unique((rows * self.items + columns)[weights != 0], return_inverse=True)
        summed = np.bincount(places, weights[weights != 0], len(keys)).astype(np.float32)
        row, column = np.divmod(keys, self.items)
        by_column = np.argsort(column, kind="stable")
        self._weights = tf.constant(summed), tf.constant(summed[by_column])
        self._places = (
            tf.constant(np.stack([row, column], axis=1)),
            tf.constant(np.stack([column, row], axis=1)[by_column]),
        )

    def propagate(self, rows: tf.Tensor, only: tf.Tensor | None = None) -> tf.Tensor:
        """Weighted sums over neighbours, float32 ``[items, d]``.

        Args:
            rows: float ``[items, d]``.
            only: Dense ids of the items that sums are wanted of, int64 ``[n]``, ascending; the result is ``[n, d]``.
                Defaults to all.
        """
        entries, shape = list(zip(self._places, self._weights, strict=True)), [self.items, self.items]
        if only is not None:
            shape[0] = tf.size(only, tf.int64)
            places = places_among(only, self.items)
            entries = [kept_entries(*each, places, axis=axis) for axis, each in enumerate(entries)]
        matrix, transposed = (
            compressed_rows(*each, size) for each, size in zip(entries, (shape, shape[::-1]), strict=True)
        )
        return sparse_product(matrix, transposed, rows)
