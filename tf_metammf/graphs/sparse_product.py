"""Products of a sparse constant matrix and dense rows, with the transposed matrix for the gradient."""

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


def compressed_rows(indices: tf.Tensor, weights: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """A sparse matrix by rows.

    Args:
        indices: int64 ``[entries, 2]``, by row and then by column.
        weights: float32 ``[entries]``.
        shape: Its shape.
    """
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=indices, values=weights, dense_shape=tf.constant(shape, tf.int64)
    )


def _multiply(matrix: tf.Tensor, dense: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=dense)
