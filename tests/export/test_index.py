"""The indices against NumPy, over sizes on all ways that a search can take."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.index import ExactIndex
from tf_metammf.export.index_recall import QuerySample, choose_probes, recall_of, sample_users
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.partitioned_index import PartitionedIndex, PartitionedItems
from tf_metammf.export.popular_items import PopularItems
from tf_metammf.ranking.partition import make_partition

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


@pytest.mark.parametrize("scores_at_once", [1, 100, 1000])
@pytest.mark.parametrize("items_at_once", [7, 50, 60, 61])
@pytest.mark.parametrize("k", [1, 9, 60, tf.constant(9)])
def test_blocks_of_items_and_groups_of_queries_change_nothing(items_at_once, scores_at_once, k):
    items, queries, excluded = tf.Variable(vectors(60)), vectors(QUERIES, seed=1), tf.constant(exclusions(60))
    whole = ExactIndex(items)
    blocked = ExactIndex(items, items_at_once=items_at_once, scores_at_once=scores_at_once)
    for found, expected in zip(
        blocked.search(queries, k, excluded=excluded), whole.search(queries, k, excluded=excluded), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("items_at_once", "scores_at_once"), [(7, 1), (60, 60), (50, 1000)])
def test_places_are_counted_over_blocks_too(items_at_once, scores_at_once):
    items, queries, excluded = vectors(60), vectors(QUERIES, seed=1), exclusions(60)
    scores = (queries @ vectors(11, seed=2).T).astype(np.float32)
    blocked = ExactIndex(tf.Variable(items), items_at_once=items_at_once, scores_at_once=scores_at_once)
    places = blocked.places(queries, scores, excluded=tf.constant(excluded))
    catalogue = oracle(queries, items, excluded)
    np.testing.assert_array_equal(places, 1 + (catalogue[:, None, :] >= scores[:, :, None]).sum(axis=-1))


def test_a_search_of_many_queries_never_holds_all_scores():
    """Every product in the graph has the items of a block, and no more queries than the scores at once allow."""
    index = ExactIndex(tf.Variable(vectors(60)), items_at_once=20, scores_at_once=100)
    rows = [5, 5, 5, 5, 3]
    shapes = []

    def scores(queries, excluded, first, items):
        shapes.append((queries.shape[0], items))
        return ExactIndex._scores(index, queries, excluded, first, items)

    index._scores = scores
    index.search(vectors(sum(rows)), 3, excluded=NONE_EXCLUDED)
    assert shapes == [(5, 20)] * 3 * 4 + [(3, 20)] * 3


# Parts of a catalogue of 400 items in 20 clusters.
CLUSTERS = np.random.default_rng(8).normal(size=(20, WIDTH))
CLUSTERED = (CLUSTERS.repeat(20, axis=0) + np.random.default_rng(9).normal(0, 0.1, (400, WIDTH))).astype(np.float32)
CLUSTERED_QUERIES = (CLUSTERS[:12] + 0.1).astype(np.float32)


def partitioned(items: np.ndarray, *, probes: int | None = None, scale: np.ndarray | None = None) -> PartitionedIndex:
    partition = make_partition(items)
    exact = ExactIndex(
        tf.Variable(items[partition.order]), scale=None if scale is None else tf.Variable(scale[partition.order])
    )
    index = PartitionedIndex(exact, order=PartitionedItems(partition), centres=tf.Variable(partition.centres))
    if probes is not None:
        index.probes = probes
    return index


def test_a_partition_has_every_item_once_with_its_nearest_centre():
    partition = make_partition(CLUSTERED)
    assert sorted(partition.order) == list(range(400))
    assert (partition.parts, partition.starts[0], partition.starts[-1]) == (20, 0, 400)
    cosines = (CLUSTERED / np.linalg.norm(CLUSTERED, axis=1, keepdims=True)) @ partition.centres.T
    np.testing.assert_allclose(cosines[np.arange(400), partition.part_of_item], cosines.max(axis=1), rtol=1e-5)
    again = make_partition(CLUSTERED)
    np.testing.assert_array_equal(again.order, partition.order)


@pytest.mark.parametrize("k", [1, 9, tf.constant(9), tf.constant(400), tf.constant(0)])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_partitioned_index_that_probes_everything_is_exact(k, scaled):
    """Whole numbers, so that equal scores are equal and their order is seen too."""
    items, excluded = vectors(400), tf.constant(exclusions(400))
    scale = np.full(400, 0.5, np.float32) if scaled else None
    exact = ExactIndex(tf.Variable(items), scale=None if scale is None else tf.Variable(scale))
    index, queries = partitioned(items, scale=scale), vectors(QUERIES, seed=1)
    scores, found = index.search(queries, k, excluded=excluded)
    expected_scores, expected = exact.search(queries, k, excluded=excluded)
    np.testing.assert_array_equal(scores, expected_scores)
    last = expected_scores.numpy()[:, -1:] if expected_scores.shape[1] else expected_scores.numpy()
    # Of items that score as the last place does, any may be found.
    above = expected_scores.numpy() > last
    np.testing.assert_array_equal(found.numpy()[above], expected.numpy()[above])


def test_excluded_items_take_no_place_of_others_in_a_part():
    """As many exclusions as a part has items, all among the best: those that are left move up."""
    index = partitioned(CLUSTERED, probes=4)
    best = np.argsort(-(CLUSTERED_QUERIES @ CLUSTERED.T), axis=1)[:, :15]
    excluded = np.stack([np.arange(12).repeat(15), best.ravel()], axis=1).astype(np.int64)
    scores, found = index.search(CLUSTERED_QUERIES, 5, excluded=tf.constant(excluded))
    assert (found.numpy() >= 0).all() and np.isfinite(scores).all()
    assert not set(map(tuple, excluded)) & {(row, item) for row, items in enumerate(found.numpy()) for item in items}
    products = CLUSTERED_QUERIES @ CLUSTERED.T
    np.testing.assert_allclose(np.take_along_axis(products, found.numpy(), axis=1), scores, rtol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_where_the_probed_parts_run_out_the_whole_catalogue_is_searched():
    index = partitioned(CLUSTERED, probes=1)
    everything = np.stack([np.zeros(400, np.int64), np.arange(400)], axis=1)
    scores, found = index.search(CLUSTERED_QUERIES[:3], 60, excluded=tf.constant(everything))
    assert (found.numpy()[0] == -1).all() and np.isneginf(scores[0]).all()
    products = CLUSTERED_QUERIES[1:3] @ CLUSTERED.T
    np.testing.assert_array_equal(found[1:], np.argsort(-products, axis=1, kind="stable")[:, :60])


@pytest.mark.parametrize(("queries", "k"), [(0, 3), (2, 0), (0, 0)])
def test_an_empty_search_of_parts_has_an_empty_result(queries, k):
    index = partitioned(CLUSTERED, probes=2)
    search = tf.function(lambda queries: index.search(queries, tf.constant(k), excluded=NONE_EXCLUDED))
    scores, found = search(CLUSTERED_QUERIES[:queries])
    assert scores.shape == found.shape == (queries, k)


def test_the_number_of_probes_is_the_least_that_reaches_the_recall():
    random = np.random.default_rng(3)
    index = partitioned(random.normal(size=(400, WIDTH)).astype(np.float32))
    sample = QuerySample(random.normal(size=(50, WIDTH)).astype(np.float32), np.zeros((0, 2), np.int64))
    chosen = [choose_probes(index, sample, 5, recall=recall) for recall in (0.5, 0.8, 0.95)]
    assert 1 < chosen[0] < chosen[1] < chosen[2] < index.parts
    for probes, recall in zip(chosen, (0.5, 0.8, 0.95), strict=True):
        index.probes = probes
        assert recall <= recall_of(index, sample, 5) < recall + 0.15
    assert choose_probes(index, sample, 5, recall=1.0) <= index.parts
    index.probes = choose_probes(index, sample, 5, recall=1.0)
    assert recall_of(index, sample, 5) == 1


def test_a_sample_of_users_leaves_out_what_they_have_seen():
    seen = np.array([0, 0, 2, 2, 2, 5]), np.array([3, 3, 1, 0, 2, 3])
    sample = sample_users(np.arange(12, dtype=np.float32).reshape(6, 2), seen)
    found = {
        int(query[0]) // 2: set(sample.excluded[sample.excluded[:, 0] == row, 1].tolist())
        for row, query in enumerate(sample.queries)
    }
    assert found == {0: {3}, 2: {0, 1, 2}, 5: {3}}
    assert sample.take(1, 3).excluded[:, 0].max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "partioned"}, 'unknown index "partioned"; did you mean "partitioned"'),
        ({"recall": 0}, "is 0, expected"),
    ],
)
def test_index_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        IndexOptions(**options)


@pytest.mark.parametrize("k", [3, tf.constant(3), tf.constant(0), tf.constant(30)])
def test_popular_items_are_those_of_a_stable_sort_without_the_excluded(k):
    random = np.random.default_rng(4)
    interactions, excluded = random.integers(0, 30, 80), exclusions(30)
    popular = PopularItems(interactions, items=30)
    shares = np.tile(np.bincount(interactions, minlength=30) / 80, (QUERIES, 1))
    shares[tuple(excluded.T)] = -np.inf
    order = np.argsort(-shares, axis=1, kind="stable")[:, : int(k)]
    scores, found = popular.search(tf.constant(QUERIES), k, excluded=tf.constant(np.unique(excluded, axis=0)))
    best = np.take_along_axis(shares, order, axis=1)
    np.testing.assert_allclose(scores, best, rtol=1e-6)
    np.testing.assert_array_equal(found, np.where(best > -np.inf, order, -1))
