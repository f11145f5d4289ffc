"""One large tensor from rows that come block by block, without a second copy of all of them."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_ALIGNMENT = 64
"""Bytes: kernels of TensorFlow want their tensors to begin at a multiple of it."""


def stacked(
    blocks: Iterable[NDArray[np.floating] | tf.Tensor],
    *,
    rows: int,
    width: int,
    dtype: type[np.floating] = np.float32,
) -> tf.Tensor:
    """Blocks below each other, ``[rows, width]``, on the device that TensorFlow prefers.

    ``tf.concat`` holds all blocks beside the result, and ``tf.constant`` of an array takes two copies of it. Here
    the memory of the result is filled as the blocks come and handed to TensorFlow as it is.

    Args:
        blocks: ``[n, width]`` each, ``rows`` of them in all.
        rows: Rows of the result.
        width: Its columns.
        dtype: Its type. Defaults to float32.
    """
    size = rows * width * np.dtype(dtype).itemsize
    if not size:
        return tf.zeros([rows, width], dtype)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    matrix = memory[start : start + size].view(dtype).reshape(rows, width)
    first = 0
    for block in blocks:
        matrix[first : first + len(block)] = block
        first += len(block)
    if first != rows:
        raise ValueError(f"the blocks have {first} rows, expected {rows}")
    # Nobody else has the array, so nobody changes what the tensor shows. With a GPU, identity is the copy to it.
    return tf.identity(tf.experimental.dlpack.from_dlpack(matrix.__dlpack__()))
