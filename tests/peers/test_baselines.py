"""Baselines: popularity and nearest neighbours, counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import InteractionGraph
from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_knn import ItemKNN
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent

USERS, ITEMS = 15, 10
ALL_USERS = tf.range(USERS, dtype=tf.int64)


def interactions() -> np.ndarray:
    matrix = (np.random.default_rng(3).random((USERS, ITEMS)) < 0.3).astype(float)
    matrix[4] = 0
    matrix[:, 7] = 0
    return matrix


def graph() -> InteractionGraph:
    return InteractionGraph(*np.nonzero(interactions()), users=USERS, items=ITEMS)


def largest(similarity: np.ndarray, k: int) -> np.ndarray:
    """The k largest of every row that are not its own, 0 elsewhere."""
    off = similarity - 2 * np.eye(len(similarity)) * similarity.max()
    kept = np.zeros_like(similarity)
    for row, order in enumerate(np.argsort(-off, axis=1, kind="stable")[:, :k]):
        kept[row, order] = np.maximum(off[row, order], 0)
    return kept


def test_popularity_counts_training_interactions():
    counts = np.array([3, 0, 5])
    np.testing.assert_array_equal(Popularity(counts).scores(tf.range(2, dtype=tf.int64)), [counts, counts])


@pytest.mark.parametrize("shrinkage", [0.0, 2.0])
def test_neighbours_by_interactions_are_those_of_the_same_users(shrinkage, monkeypatch):
    matrix = interactions()
    both, degrees = matrix.T @ matrix, matrix.sum(axis=0)
    roots = np.sqrt(np.outer(degrees, degrees)) + shrinkage
    similarity = np.divide(both, roots, out=np.zeros_like(both), where=roots > 0)
    random = np.random.default_rng(0).permutation(USERS)
    found = ItemKNN(graph(), neighbours=3, shrinkage=shrinkage).scores(tf.constant(random))
    scores = matrix @ largest(similarity, 3).T
    # Which of equally similar items are among the first three is free: compare what ties cannot change.
    assert found.shape == scores.shape
    np.testing.assert_allclose(np.sort(found.numpy().sum(axis=1)), np.sort(scores[random].sum(axis=1)), rtol=0.2)
    exact = ItemKNN(graph(), neighbours=ITEMS - 1, shrinkage=shrinkage).scores(tf.constant(random))
    expected = (matrix @ largest(similarity, ITEMS - 1).T)[random]
    np.testing.assert_allclose(exact, expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("tf_metammf.baselines.item_knn._SCORES_AT_ONCE", 3 * ITEMS)  # three items at once
    in_blocks = ItemKNN(graph(), neighbours=ITEMS - 1, shrinkage=shrinkage).scores(tf.constant(random))
    np.testing.assert_allclose(in_blocks, expected, rtol=1e-5, atol=1e-6)


def test_neighbours_by_content_are_those_of_similar_features():
    features = {"visual": np.random.default_rng(1).normal(size=(ITEMS, 4))}
    content = ItemContent(FeatureTable(features), np.ones(ITEMS, bool), standardize=False)
    unit = features["visual"] / np.linalg.norm(features["visual"], axis=1, keepdims=True)
    expected = interactions() @ largest(unit @ unit.T, 3).T
    np.testing.assert_allclose(
        ItemKNN(graph(), content, neighbours=3).scores(ALL_USERS), expected, rtol=1e-5, atol=1e-6
    )


def test_a_user_without_interactions_has_no_scores():
    np.testing.assert_array_equal(
        ItemKNN(graph(), neighbours=3).scores(tf.constant([4], tf.int64)), np.zeros((1, ITEMS))
    )


def test_a_negative_shrinkage_is_refused():
    with pytest.raises(InvalidInputError, match=r"ItemKNN: shrinkage is -1, expected 0 or more\."):
        ItemKNN(graph(), shrinkage=-1)


def closed_form(matrix: np.ndarray, l2: float) -> np.ndarray:
    """B of the paper's algorithm 1, of all items with interactions."""
    inverse = np.linalg.inv(matrix.T @ matrix + l2 * np.eye(matrix.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("transposed", [False, True])
def test_ease_is_the_closed_form_of_its_paper_whichever_side_is_smaller(transposed):
    matrix = interactions().T if transposed else interactions()
    users, items = matrix.shape
    of_all = EASE(InteractionGraph(*np.nonzero(matrix), users=users, items=items), l2=2.0, neighbours=items)
    np.testing.assert_allclose(of_all.scores(tf.range(users)), matrix @ closed_form(matrix, 2.0), rtol=1e-4, atol=1e-6)


def test_ease_keeps_the_largest_weights_of_every_item():
    matrix = interactions()
    weights = closed_form(matrix, 2.0)
    smallest_kept = -np.sort(-np.abs(weights), axis=0)[2]
    weights[np.abs(weights) < smallest_kept] = 0
    model = EASE(graph(), l2=2.0, neighbours=3)
    np.testing.assert_allclose(model.scores(ALL_USERS), matrix @ weights, rtol=1e-4, atol=1e-6)


def test_ease_refuses_a_catalogue_beyond_its_budget_by_name():
    with pytest.raises(InvalidInputError, match=r"inverts a matrix of 10 rows, .* budget_gb is 1e-09. Increase it"):
        EASE(graph(), budget_gb=1e-9)


def test_ials_lowers_the_loss_of_its_paper_to_where_no_step_lowers_it():
    matrix, a, l2 = interactions(), 0.2, 0.1
    model = IALS(graph(), units=3, unobserved_weight=a, l2=l2, epochs=300)
    users, items = (each.numpy().astype(np.float64) for each in (model.user_factors, model.item_factors))
    scores = users @ items.T
    np.testing.assert_allclose(model.scores(ALL_USERS), scores, rtol=1e-4, atol=1e-6)
    # The gradient of the loss, written out: observed pairs, all pairs, and the penalty.
    slope = matrix * (scores - 1) + a * scores
    of_users = slope @ items + l2 * (matrix.sum(axis=1) + a * ITEMS)[:, np.newaxis] * users
    of_items = slope.T @ users + l2 * (matrix.sum(axis=0) + a * USERS)[:, np.newaxis] * items
    np.testing.assert_allclose(of_users, 0, atol=1e-4)
    np.testing.assert_allclose(of_items, 0, atol=1e-2)
    assert np.abs(scores[matrix > 0].mean()) > 2 * np.abs(scores[matrix == 0].mean())


def test_ials_begins_with_its_seed():
    one, same, other = (IALS(graph(), units=3, epochs=2, seed=seed).scores(ALL_USERS).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(("model", "options"), [(EASE, {"l2": 0.0}), (IALS, {"l2": 0.0}), (IALS, {"units": 0})])
def test_settings_that_make_no_sense_are_refused(model, options):
    with pytest.raises(InvalidInputError, match=f"{model.__name__}"):
        model(graph(), **options)
