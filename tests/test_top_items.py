import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tf_metammf.ranking.top_items import GROUP_ITEMS, top_items


def best_by_sorting(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A stable sort of the whole row: of equal scores the lower item id stays first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def assert_best(scores: NDArray[np.float32], k: int) -> None:
    best_scores, best_items = top_items(tf.constant(scores), k)
    expected_scores, expected_items = best_by_sorting(scores, k)
    np.testing.assert_array_equal(best_items, expected_items)
    np.testing.assert_array_equal(best_scores, expected_scores)


@pytest.mark.parametrize("items", [1, 31, 640, 641, 672, 1000, 5003])
@pytest.mark.parametrize("k", [1, 10, 50])
def test_the_best_items_are_those_of_a_full_sort(items: int, k: int) -> None:
    assert_best(np.random.default_rng(items).normal(size=(9, items)).astype(np.float32), k)


@settings(deadline=None, max_examples=30)
@given(items=st.integers(1, 12 * GROUP_ITEMS), k=st.integers(1, 5), levels=st.integers(1, 6), seed=st.integers(0, 999))
def test_of_equal_scores_the_lower_item_comes_first(items: int, k: int, levels: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, levels, size=(4, items)).astype(np.float32)
    scores[scores == 0] = -np.inf
    assert_best(scores, k)


def test_no_row_gives_no_list() -> None:
    best_scores, best_items = top_items(tf.zeros([0, 1000]), 10)
    assert best_scores.shape == best_items.shape == (0, 10)
