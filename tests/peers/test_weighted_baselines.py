"""Baselines on interactions with weights, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import InteractionGraph
from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.popular_items import PopularItems

USERS, ITEMS = 12, 8
ALL_USERS = tf.range(USERS, dtype=tf.int64)


def matrix() -> np.ndarray:
    """Weights of all pairs, 0 where there is no interaction."""
    random = np.random.default_rng(3)
    found = np.where(random.random((USERS, ITEMS)) < 0.4, random.uniform(0.1, 5, (USERS, ITEMS)), 0)
    found[4], found[:, 6] = 0, 0
    return found


def graph(weights: np.ndarray, *, users: int = USERS) -> InteractionGraph:
    user, item = np.nonzero(weights)
    return InteractionGraph(user, item, users=users, items=ITEMS, weight=weights[user, item])


def test_edges_have_the_sum_of_their_weights_over_the_mean():
    found = InteractionGraph([1, 0, 1, 1], [0, 2, 2, 0], users=2, items=3, weight=[1.0, 2.0, 3.0, 6.0])
    np.testing.assert_array_equal(found.edge_user, [0, 1, 1])
    np.testing.assert_allclose(found.edge_weight, [0.5, 1.75, 0.75])
    assert found.item_degree[:, 0].tolist() == [1, 0, 2]  # propagation counts edges


@pytest.mark.parametrize("weight", [[1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0], [0.0, 0.0], [1.0]])
def test_weights_that_cannot_be_used_are_refused(weight):
    with pytest.raises(InvalidInputError, match="weights"):
        InteractionGraph([0, 1], [0, 1], users=2, items=2, weight=weight)


@pytest.mark.parametrize("more_users", [0, -5])
def test_ease_solves_for_the_weights_and_scores_by_the_items(more_users):
    weights = matrix()[: USERS + more_users]  # more users than items, or fewer
    x = weights / weights[weights > 0].mean()
    inverse = np.linalg.inv(x.T @ x + 2.0 * np.eye(ITEMS))
    between = -inverse / np.diag(inverse)
    np.fill_diagonal(between, 0)
    found = EASE(graph(weights, users=len(weights)), l2=2.0, neighbours=ITEMS - 1)
    scores = found.scores(tf.range(len(weights), dtype=tf.int64))
    np.testing.assert_allclose(scores, (weights > 0) @ between, atol=1e-5)


def test_the_factors_of_ials_are_those_of_weighted_least_squares():
    weights = matrix()
    confidence = weights / weights[weights > 0].mean()
    model = IALS(graph(weights), units=3, unobserved_weight=0.2, l2=0.1, epochs=2, seed=5)

    def solved(confidence: np.ndarray, factors: np.ndarray) -> np.ndarray:
        found = np.zeros((len(confidence), 3))
        for row, mine in enumerate(confidence):
            if not mine.any():
                continue
            penalty = 0.1 * (mine.sum() + 0.2 * len(factors))
            left = factors.T @ np.diag(mine) @ factors + 0.2 * factors.T @ factors + penalty * np.eye(3)
            found[row] = np.linalg.solve(left, factors.T @ mine)
        return found

    items = np.random.default_rng(5).normal(0, 0.1 / 3**0.5, (ITEMS, 3))
    for _ in range(2):
        items = solved(confidence.T, solved(confidence, items))
    np.testing.assert_allclose(model.item_factors, items, atol=1e-5)
    # A newcomer has no weights, so the users' last word is without.
    np.testing.assert_allclose(model.user_factors, solved((weights > 0).astype(float), items), atol=1e-5)


def test_weights_of_one_change_no_bit_of_a_baseline():
    user, item = np.nonzero(matrix())
    plain = InteractionGraph(user, item, users=USERS, items=ITEMS)
    ones = InteractionGraph(user, item, users=USERS, items=ITEMS, weight=np.ones(len(user)))
    for make in (lambda edges: EASE(edges, l2=2.0), lambda edges: IALS(edges, units=3, epochs=2)):
        np.testing.assert_array_equal(make(plain).scores(ALL_USERS), make(ones).scores(ALL_USERS))


def test_popularity_may_be_a_sum_of_weights_also_for_unknown_users():
    popularity = np.array([0.5, 4.0, 0.0, 1.5], np.float32)
    np.testing.assert_array_equal(Popularity(popularity).scores(tf.range(2, dtype=tf.int64)), [popularity] * 2)
    popular = PopularItems(np.array([0, 0, 0, 1, 3]), items=4, popularity=popularity)
    shares, items = popular.search(tf.constant(1), 3, excluded=tf.zeros([0, 2], tf.int64))
    assert items.numpy().tolist() == [[1, 3, 0]]
    np.testing.assert_allclose(shares, popularity[[[1, 3, 0]]] / 6)
