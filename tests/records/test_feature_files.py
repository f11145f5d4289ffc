"""Feature files are read row by row, and nothing of them stays in memory."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.feature_files import load_matrix

MATRIX = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "image_feat.npy", MATRIX)
    return tmp_path / "image_feat.npy"


def test_rows_are_those_of_the_matrix_in_any_order(file):
    matrix = load_matrix(file)
    assert (len(matrix), matrix.shape, matrix.dtype) == (50, (50, 6), np.float16)
    for rows in ([], [49, 0, 7, 7], range(50)):
        np.testing.assert_array_equal(matrix[np.array(rows, np.int64)], MATRIX[list(rows)])


@pytest.mark.skipif(sys.platform != "linux", reason="the mappings of a process are read from /proc")
def test_no_part_of_the_file_stays_mapped(file):
    rows = load_matrix(file)[np.arange(50)]
    assert str(file) not in Path("/proc/self/maps").read_text(encoding="utf-8")
    np.testing.assert_array_equal(rows, MATRIX)


def test_a_file_that_changes_while_it_is_read_is_named(file):
    matrix = load_matrix(file)
    np.save(file, MATRIX[:, :5])
    with pytest.raises(InvalidInputError, match=r"image_feat\.npy: changed while it was being read"):
        matrix[np.arange(3)]
