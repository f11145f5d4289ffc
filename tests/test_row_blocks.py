"""Blocks of rows become one tensor: with their values, and in the memory that the result takes."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.row_blocks import stacked

STACK_HALF_A_GIGABYTE = """
import numpy as np
import tensorflow as tf
from tf_metammf.row_blocks import stacked


def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


tf.matmul(tf.ones([99, 99]), tf.ones([99, 99]))
before = peak()
rows = stacked((np.full((1024, 1024), block, np.float32) for block in range(128)), rows=131_072, width=1024)
assert float(tf.reduce_sum(tf.gather(rows, [0, 131_071]))) == 127 * 1024
print((peak() - before) / 2**29)
"""


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_second_copy_is_made():
    command = [sys.executable, "-c", STACK_HALF_A_GIGABYTE]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert 1 <= grown < 1.25
