"""The interaction graph: its edges and the sums over neighbours, against dense NumPy matrices."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import InteractionGraph
from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.interaction_graph import Adjacency

USERS, ITEMS = 11, 7


def pairs(seed: int = 0, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    # The last user and the last item have no edge; some pairs repeat.
    return random.integers(0, USERS - 1, count), random.integers(0, ITEMS - 1, count)


def dense(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    matrix = np.zeros((USERS, ITEMS), np.float32)
    matrix[user, item] = 1
    return matrix


def test_pairs_that_repeat_are_one_edge_and_degrees_count_edges():
    user, item = pairs()
    graph = InteractionGraph(user, item, users=USERS, items=ITEMS)
    matrix = dense(user, item)
    assert graph.edges == matrix.sum() < len(user)
    np.testing.assert_array_equal(dense(graph.edge_user, graph.edge_item), matrix)
    np.testing.assert_array_equal(graph.user_degree[:, 0], matrix.sum(1))
    np.testing.assert_array_equal(graph.item_degree[:, 0], matrix.sum(0))
    assert sorted(graph.by_item) == list(range(graph.edges))


def test_products_and_their_gradients_are_those_of_the_dense_matrix():
    user, item = pairs()
    matrix = dense(user, item)
    random = np.random.default_rng(1)
    of_users, of_items = (tf.constant(random.normal(size=(n, 5)), tf.float32) for n in (USERS, ITEMS))
    weights = tf.constant(random.normal(size=(USERS, 5)), tf.float32)
    products = Adjacency(InteractionGraph(user, item, users=USERS, items=ITEMS)).products()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([of_users, of_items])
        to_users, to_items = products.to_users(of_items), products.to_items(of_users)
        loss = tf.reduce_sum(weights * to_users**2), tf.reduce_sum(to_items**3)
    np.testing.assert_allclose(to_users, matrix @ of_items, atol=1e-5)
    np.testing.assert_allclose(to_items, matrix.T @ of_users, atol=1e-5)
    expected = matrix.T @ (2 * weights.numpy() * (matrix @ of_items))
    np.testing.assert_allclose(tape.gradient(loss[0], of_items), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        tape.gradient(loss[1], of_users), matrix @ (3 * (matrix.T @ of_users) ** 2), rtol=1e-4, atol=1e-4
    )


def test_the_weight_of_an_edge_holds_in_both_directions():
    graph = InteractionGraph(*pairs(count=60), users=USERS, items=ITEMS)
    weights = np.random.default_rng(2).normal(size=graph.edges).astype(np.float32)
    matrix = np.zeros((USERS, ITEMS), np.float32)
    matrix[graph.edge_user, graph.edge_item] = weights
    products = Adjacency(graph).products(tf.constant(weights))
    np.testing.assert_array_equal(products.to_users(tf.eye(ITEMS)), matrix)
    np.testing.assert_array_equal(products.to_items(tf.eye(USERS)), matrix.T)


def test_sums_for_some_nodes_and_their_gradients_are_rows_of_the_dense_product():
    graph = InteractionGraph(*pairs(count=60), users=USERS, items=ITEMS)
    weights = np.random.default_rng(2).normal(size=graph.edges).astype(np.float32)
    matrix = np.zeros((USERS, ITEMS), np.float32)
    matrix[graph.edge_user, graph.edge_item] = weights
    users, items = np.array([1, 4, USERS - 1]), np.array([0, 3])
    products = Adjacency(graph).products_for((tf.constant(users), tf.constant(items)), tf.constant(weights))
    np.testing.assert_array_equal(products.to_users(tf.eye(ITEMS)), matrix[users])
    np.testing.assert_array_equal(products.to_items(tf.eye(USERS)), matrix.T[items])
    rows, upstream = tf.eye(ITEMS), np.arange(3 * ITEMS, dtype=np.float32).reshape(3, ITEMS)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        loss = tf.reduce_sum(products.to_users(rows) * upstream)
    np.testing.assert_allclose(tape.gradient(loss, rows), matrix[users].T @ upstream, rtol=1e-5)


def test_normalised_weights_are_divided_by_the_roots_of_both_degrees():
    graph = InteractionGraph(*pairs(count=60), users=USERS, items=ITEMS)
    weights = np.random.default_rng(2).normal(size=graph.edges).astype(np.float32)
    matrix = dense(graph.edge_user, graph.edge_item)
    roots = np.sqrt(matrix.sum(1)[graph.edge_user] * matrix.sum(0)[graph.edge_item])
    adjacency = Adjacency(graph)
    np.testing.assert_allclose(adjacency.normalized(), 1 / roots, rtol=1e-6)
    np.testing.assert_allclose(adjacency.normalized(tf.constant(weights)), weights / roots, rtol=1e-5, atol=1e-7)
    nobody = tf.zeros([USERS, 1]), tf.zeros([ITEMS, 1])
    assert not adjacency.normalized(degrees=nobody).numpy().any()


def test_a_graph_without_edges_has_sums_of_zero():
    adjacency = Adjacency(InteractionGraph([], [], users=USERS, items=ITEMS))
    assert not adjacency.products().to_users(tf.ones([ITEMS, 3])).numpy().any()


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ([0, USERS], [0, 0], f"user ids from 0 to {USERS}, expected 0 to {USERS - 1}"),
        ([0, 0], [-1, 0], "item ids from -1 to 0"),
        ([0, 0, 1], [0, 0], "found 3 user ids and 2 item ids, expected the same number"),
    ],
)
def test_ids_that_are_not_acceptable_are_refused(user, item, message):
    with pytest.raises(InvalidInputError, match=message):
        InteractionGraph(user, item, users=USERS, items=ITEMS)
