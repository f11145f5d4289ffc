"""Blocks of rows become one tensor: with their values, and in the memory that the result takes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.layers.row_blocks import stacked


@pytest.mark.parametrize("sizes", [(5,), (3, 3, 1), (0, 7, 0), ()])
@pytest.mark.parametrize("width", [1, 6, 17])
def test_the_rows_are_those_of_the_blocks_in_their_order(sizes, width):
    random = np.random.default_rng(0)
    blocks = [random.normal(size=(size, width)) for size in sizes]
    found = stacked(blocks, rows=sum(sizes), width=width)
    expected = np.concatenate([np.zeros((0, width)), *blocks]).astype(np.float32)
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_allclose(tf.matmul(found, tf.ones([width, 2]))[:, 0], expected.sum(axis=1), rtol=1e-5, atol=1e-5)


def test_a_change_of_a_block_afterwards_changes_nothing():
    block = np.ones((4, 4), np.float32)
    found = stacked([block], rows=4, width=4)
    block[:] = 2
    assert float(tf.reduce_sum(found)) == 16


def test_no_second_copy_is_made(monkeypatch):
    empty, made = np.empty, []

    def recorded(*arguments, **options):
        made.append(empty(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(np, "empty", recorded)
    found = stacked((np.full((100, 16), block, np.float32) for block in range(8)), rows=800, width=16)
    (memory,) = made
    # A tensor lends its memory to NumPy as it is.
    values = np.asarray(memoryview(found))
    assert memory.ctypes.data <= values.ctypes.data < memory.ctypes.data + memory.nbytes
    assert memory.nbytes < 1.01 * values.nbytes
    np.testing.assert_array_equal(values[:, 0], np.repeat(np.arange(8), 100))
