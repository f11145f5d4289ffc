"""The exact index against NumPy, over sizes on both ways that a search can take."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.export.index import ExactIndex

QUERIES, WIDTH = 5, 7
NONE_EXCLUDED = tf.zeros([0, 2], tf.int64)


def vectors(rows: int, *, seed: int = 0) -> np.ndarray:
    """Small whole numbers: products are exact in float32, and many scores are equal."""
    return np.random.default_rng(seed).integers(-2, 3, (rows, WIDTH)).astype(np.float32)


def exclusions(items: int) -> np.ndarray:
    """Pairs in no order, many of them twice; the first query loses everything."""
    random = np.random.default_rng(items)
    pairs = np.stack([random.integers(1, QUERIES, 2 * items), random.integers(0, items, 2 * items)], axis=1)
    everything = np.stack([np.zeros(items, np.int64), np.arange(items)], axis=1)
    return random.permutation(np.concatenate([pairs, everything, pairs[:9]]))


def oracle(queries: np.ndarray, items: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    scores = queries.astype(np.float64) @ items.astype(np.float64).T
    scores[tuple(excluded.T)] = -np.inf
    return scores


@pytest.mark.parametrize("k_is_a_tensor", [False, True])
@pytest.mark.parametrize(("items", "k"), [(1, 1), (20, 20), (33, 4), (700, 1), (700, 9), (700, 650)])
def test_a_search_finds_what_a_stable_sort_puts_first(items, k, k_is_a_tensor):
    queries, excluded = vectors(QUERIES, seed=1), exclusions(items)
    expected = oracle(queries, vectors(items), excluded)
    order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(expected, order, axis=1)

    index = ExactIndex(tf.Variable(vectors(items)))
    scores, found = index.search(queries, tf.constant(k) if k_is_a_tensor else k, excluded=tf.constant(excluded))

    np.testing.assert_array_equal(scores, best)
    np.testing.assert_array_equal(found, np.where(best > -np.inf, order, -1))


@pytest.mark.parametrize(("queries", "k"), [(0, 3), (2, 0), (0, 0)])
def test_an_empty_search_has_an_empty_result_of_the_same_rank(queries, k):
    index = ExactIndex(tf.Variable(vectors(300)))
    scores, found = index.search(vectors(queries), tf.constant(k), excluded=NONE_EXCLUDED)
    assert scores.shape == found.shape == (queries, k)


def test_an_empty_batch_is_searched_with_a_fixed_number_of_places_too():
    scores, found = ExactIndex(tf.Variable(vectors(300))).search(vectors(0), 3, excluded=NONE_EXCLUDED)
    assert scores.shape == found.shape == (0, 3)


def test_the_scale_of_an_item_multiplies_its_scores():
    items, queries = vectors(90), vectors(QUERIES, seed=1)
    scale = np.random.default_rng(2).random(90).astype(np.float32)
    scores, found = ExactIndex(tf.Variable(items), scale=tf.Variable(scale)).search(queries, 5, excluded=NONE_EXCLUDED)
    expected = queries @ items.T * scale
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :5], rtol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(expected, found.numpy(), axis=1), scores, rtol=1e-6)


def test_a_place_counts_the_items_that_are_left_and_score_at_least_as_high():
    items, queries, excluded = vectors(60), vectors(QUERIES, seed=1), exclusions(60)
    new = vectors(11, seed=2)
    scores = queries @ new.T
    places = ExactIndex(tf.Variable(items)).places(queries, scores, excluded=tf.constant(excluded))
    catalogue = oracle(queries, items, excluded)
    np.testing.assert_array_equal(places, 1 + (catalogue[:, None, :] >= scores[:, :, None]).sum(axis=-1))
    assert set(np.ravel(places[0])) == {1}
