"""Products of a sparse constant matrix and dense rows, with the transposed matrix for the gradient."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def sparse_product(matrix: tf.Tensor, transposed: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """``matrix @ rows``, float32 ``[n, d]``; no gradient is computed with respect to the matrix.

    Args:
        matrix: Of :func:`compressed_rows`, ``[n, m]``.
        transposed: The same, ``[m, n]``.
        rows: ``[m, d]``.
    """

    @tf.custom_gradient
    def product(dense: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return _multiply(matrix, dense), lambda gradient: _multiply(transposed, gradient)

    # Sparse products exist in float32 alone.
    return product(tf.cast(rows, tf.float32))


def compressed_rows(indices: tf.Tensor, weights: tf.Tensor, shape: Sequence[int | tf.Tensor]) -> tf.Tensor:
    """A sparse matrix by rows.

    Args:
        indices: int64 ``[entries, 2]``, by row and then by column.
        weights: float32 ``[entries]``.
        shape: Its shape, int64 where it is known in a step alone.
    """
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=indices, values=weights, dense_shape=tf.stack([tf.cast(size, tf.int64) for size in shape])
    )


def places_among(ids: tf.Tensor, count: int) -> tf.Tensor:
    """Where each of so many ids stands in a list, int64 ``[count]``; -1 for those that are not in it.

    Args:
        ids: int64 ``[n]``, ascending, each once.
        count: Number of ids.
    """
    return tf.tensor_scatter_nd_update(
        -tf.ones([count], tf.int64), tf.cast(ids, tf.int64)[:, tf.newaxis], tf.range(tf.size(ids, tf.int64))
    )


def kept_entries(
    indices: tf.Tensor, weights: tf.Tensor, places: tf.Tensor, *, axis: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The entries of a part of the rows or columns, whose numbers become their places in it.

    Places ascend as the numbers do, so entries that are by row and then by column stay so.

    Args:
        indices: int64 ``[entries, 2]``.
        weights: float32 ``[entries]``.
        places: Of :func:`places_among`, of all rows or of all columns.
        axis: 0 for a part of the rows, 1 for one of the columns.
    """
    place = tf.gather(places, indices[:, axis])
    kept = tf.where(place >= 0)[:, 0]
    numbers = tf.gather(indices[:, 1 - axis], kept), tf.gather(place, kept)
    return tf.stack(numbers if axis else numbers[::-1], axis=1), tf.gather(weights, kept)


def _multiply(matrix: tf.Tensor, dense: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense)
