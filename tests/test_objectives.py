"""Objectives against their equations in NumPy, one example at a time, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import MetaMMF
from tf_metammf.errors import InvalidInputError
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.objectives.objectives import BPR, FullSoftmax

import tensorflow_recommenders as tfrs  # isort: skip - after the package, which chooses Keras 2


def embeddings(rows: int, width: int = 6, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def with_gradients(loss: Callable[[], tf.Tensor], inputs: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss()
    return value, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(value, inputs)]


def log_sum_exp(values: np.ndarray) -> float:
    largest = values.max()
    return float(largest + np.log(np.exp(values - largest).sum()))


@pytest.mark.parametrize("temperature", [1.0, 0.2])
@pytest.mark.parametrize("correct_sampling", [True, False])
def test_in_batch_softmax_corrects_for_sampling_and_leaves_out_accidental_hits(temperature, correct_sampling):
    items = np.array([3, 1, 3, 0, 4])
    frequency = np.array([7, 1, 0, 900_000, 5])
    queries, catalogue = embeddings(5, seed=0), embeddings(5, seed=1)
    objective = InBatchSoftmax(frequency, temperature=temperature, correct_sampling=correct_sampling)

    losses = []
    for row, positive in enumerate(items):
        columns = [column for column, item in enumerate(items) if column == row or item != positive]
        scores = np.array([queries[row].astype(float) @ catalogue[items[column]] for column in columns]) / temperature
        if correct_sampling:
            scores = scores - np.log(frequency[items[columns]] / frequency.sum())
        losses.append(log_sum_exp(scores) - scores[columns.index(row)])

    batch = {"item": tf.constant(items)}
    wanted = objective.candidates(batch).numpy()
    np.testing.assert_array_equal(wanted, [3, 1, 0, 4])
    loss = objective(tf.constant(queries), tf.constant(catalogue[wanted]), batch)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


@pytest.mark.parametrize("remove_accidental_hits", [True, False])
@pytest.mark.parametrize("item_to_user_weight", [0.0, 0.7])
def test_in_batch_softmax_of_shared_queries_is_that_of_a_query_for_each_row(
    remove_accidental_hits, item_to_user_weight
):
    random = np.random.default_rng(11)
    items, users = np.concatenate([[2] * 30, random.integers(0, 9, 30)]), random.integers(0, 4, 60)
    catalogue, of_users = tf.constant(embeddings(9, seed=10)), tf.constant(2 * embeddings(4, seed=9))
    batch = {
        "user": tf.constant(users),
        "item": tf.constant(items),
        "weight": tf.constant(random.random(60), tf.float32),
    }
    objective = InBatchSoftmax(
        random.integers(1, 50, 9),
        user_frequency=random.integers(1, 50, 4),
        temperature=0.1,
        remove_accidental_hits=remove_accidental_hits,
        item_to_user_weight=item_to_user_weight,
    )
    wanted = objective.candidates(batch)

    def row_by_row() -> tf.Tensor:
        return objective(tf.gather(of_users, users), tf.gather(catalogue, wanted), batch)

    def shared() -> tf.Tensor:
        distinct, query = tf.unique(batch["user"])
        return objective(tf.gather(of_users, distinct), tf.gather(catalogue, wanted), {**batch, "query": query})

    inputs = [of_users, catalogue]
    (loss, gradients), (expected_loss, expected) = (with_gradients(way, inputs) for way in (shared, row_by_row))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    for found, gradient in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-4)


def test_a_softmax_with_a_call_of_its_own_gets_a_query_for_each_row():
    class WithNorms(InBatchSoftmax):
        def call(self, queries, candidates, batch):
            rows = tf.reduce_sum(tf.square(queries), axis=1)
            return super().call(queries, candidates, batch) + tf.reduce_mean(rows * batch["share"])

    batch = {"user": tf.constant([0, 1, 0]), "item": tf.constant([1, 0, 0]), "share": tf.constant([1.0, 2.0, 3.0])}
    frequency = np.array([2, 1])
    model = MetaMMF(2, {}, WithNorms(frequency), item_frequency=frequency, fusion=None, id_units=3)
    users, items = model.embed(batch["user"], tf.constant([1, 0]))  # as the batch has them
    expected = InBatchSoftmax(frequency)(users, items, batch) + np.mean(np.square(users).sum(axis=1) * [1, 2, 3])
    np.testing.assert_allclose(model.compute_loss(batch), expected, rtol=1e-5)


@pytest.mark.parametrize("remove_accidental_hits", [True, False])
@pytest.mark.parametrize("correct_sampling", [True, False])
def test_in_batch_softmax_has_the_loss_and_the_gradients_of_tfrs_retrieval(correct_sampling, remove_accidental_hits):
    random = np.random.default_rng(8)
    items, frequency = random.integers(0, 9, 40), random.integers(1, 50, 9)
    queries, catalogue = tf.constant(embeddings(40, seed=9)), tf.constant(embeddings(9, seed=10))
    batch = {"item": tf.constant(items)}
    options = {"temperature": 0.3, "remove_accidental_hits": remove_accidental_hits}
    objective = InBatchSoftmax(frequency, correct_sampling=correct_sampling, **options)
    retrieval = tfrs.tasks.Retrieval(**options)

    def ours() -> tf.Tensor:
        return objective(queries, tf.gather(catalogue, objective.candidates(batch)), batch)

    def theirs() -> tf.Tensor:
        probability = tf.constant(frequency[items] / frequency.sum(), tf.float32) if correct_sampling else None
        candidates = tf.gather(catalogue, items)
        return retrieval(
            queries, candidates, candidate_sampling_probability=probability, candidate_ids=batch["item"]
        ) / len(items)

    (loss, gradients), (expected_loss, expected) = (with_gradients(way, [queries, catalogue]) for way in (ours, theirs))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("correct_sampling", [True, False])
def test_in_batch_softmax_of_both_directions_is_that_of_tfrs_retrieval_and_of_it_with_the_roles_changed(
    correct_sampling,
):
    random = np.random.default_rng(11)
    users, items = random.integers(0, 7, 40), random.integers(0, 9, 40)
    frequencies = {"user": random.integers(1, 50, 7), "item": random.integers(1, 50, 9)}
    people, catalogue = tf.constant(embeddings(7, seed=12)), tf.constant(embeddings(9, seed=13))
    batch = {"user": tf.constant(users), "item": tf.constant(items)}
    objective = InBatchSoftmax(
        frequencies["item"],
        user_frequency=frequencies["user"],
        temperature=0.3,
        correct_sampling=correct_sampling,
        item_to_user_weight=0.4,
    )
    retrieval = tfrs.tasks.Retrieval(temperature=0.3, remove_accidental_hits=True)

    def ours() -> tf.Tensor:
        return objective(tf.gather(people, users), tf.gather(catalogue, objective.candidates(batch)), batch)

    def direction(rows: tf.Tensor, others: tf.Tensor, name: str) -> tf.Tensor:
        share = frequencies[name] / frequencies[name].sum()
        probability = tf.constant(share[batch[name].numpy()], tf.float32) if correct_sampling else None
        ids = tf.strings.as_string(batch[name])
        return retrieval(rows, others, candidate_sampling_probability=probability, candidate_ids=ids) / 40

    def theirs() -> tf.Tensor:
        of_users, of_items = tf.gather(people, users), tf.gather(catalogue, items)
        return direction(of_users, of_items, "item") + 0.4 * direction(of_items, of_users, "user")

    (loss, gradients), (expected_loss, expected) = (with_gradients(way, [people, catalogue]) for way in (ours, theirs))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_user_whose_rows_differ_is_their_mean_for_the_items():
    rows, catalogue = embeddings(3, seed=14), embeddings(2, seed=15)
    batch = {"user": tf.constant([4, 1, 4]), "item": tf.constant([0, 1, 1])}
    options = {"correct_sampling": False, "item_to_user_weight": 1.0}
    both = InBatchSoftmax(np.ones(2, int), **options)(tf.constant(rows), tf.constant(catalogue), batch)
    forward = InBatchSoftmax(np.ones(2, int), correct_sampling=False)(tf.constant(rows), tf.constant(catalogue), batch)
    scores = catalogue[[0, 1, 1]].astype(float) @ np.stack([(rows[0] + rows[2]) / 2, rows[1]]).T
    # User 4 has two rows: one negative of weight two for user 1, and as a positive one of its own two.
    log_counts = np.log([[1, 1], [2, 1], [1, 1]])
    own = [0, 1, 0]
    losses = [log_sum_exp(row) - row[column] for row, column in zip(scores + log_counts, own, strict=True)]
    np.testing.assert_allclose(both - forward, np.mean(losses), rtol=1e-5)


def test_a_second_direction_that_cannot_be_is_refused():
    with pytest.raises(InvalidInputError, match=r"item_to_user_weight is -0\.5, expected a number of at least 0"):
        InBatchSoftmax(np.ones(3, int), item_to_user_weight=-0.5)
    with pytest.raises(InvalidInputError, match="user_frequency is missing: give the training interactions"):
        InBatchSoftmax(np.ones(3, int), item_to_user_weight=0.5)


def test_full_softmax_sums_over_the_items_that_occur_in_training():
    frequency = np.array([2, 0, 1, 4, 0, 1])
    warm = np.flatnonzero(frequency)
    items = np.array([5, 0, 3, 3])
    queries, catalogue = embeddings(4, seed=2), embeddings(6, seed=3)
    objective = FullSoftmax(frequency, temperature=0.5)
    batch = {"item": tf.constant(items)}

    np.testing.assert_array_equal(objective.candidates(batch), warm)
    scores = queries.astype(float) @ catalogue[warm].T / 0.5
    expected = np.mean([log_sum_exp(row) - row[list(warm).index(i)] for row, i in zip(scores, items, strict=True)])
    loss = objective(tf.constant(queries), tf.constant(catalogue[warm]), batch)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_bpr_compares_each_positive_with_its_own_negatives():
    items, negatives = np.array([1, 0, 4]), np.array([[2, 3], [5, 1], [0, 0]])
    queries, catalogue = embeddings(3, seed=4), embeddings(6, seed=5)
    objective = BPR(temperature=0.7)
    batch = {"item": tf.constant(items), "negative": tf.constant(negatives)}

    wanted = objective.candidates(batch).numpy()
    np.testing.assert_array_equal(wanted, [1, 0, 4, 2, 3, 5, 1, 0, 0])
    losses = [
        -np.log(1 / (1 + np.exp(-(q @ catalogue[i] - q @ catalogue[j]) / 0.7)))
        for q, i, row in zip(queries.astype(float), items, negatives, strict=True)
        for j in row
    ]
    loss = objective(tf.constant(queries), tf.constant(catalogue[wanted]), batch)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


def test_a_batch_twice_as_large_with_the_same_rows_has_the_same_bpr_loss():
    queries, candidates = embeddings(2, seed=6), embeddings(4, seed=7)
    once = {"item": tf.constant([0, 1]), "negative": tf.constant([[2], [3]])}
    twice = {name: tf.concat([values, values], 0) for name, values in once.items()}
    doubled = np.concatenate([candidates[:2], candidates[:2], candidates[2:], candidates[2:]])
    np.testing.assert_allclose(
        BPR()(tf.constant(np.tile(queries, (2, 1))), tf.constant(doubled), twice),
        BPR()(tf.constant(queries), tf.constant(candidates), once),
        rtol=1e-6,
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(InvalidInputError, match="temperature is"):
        BPR(temperature=temperature)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InBatchSoftmax([5]), "interactions of 1 items, expected at least 2"),
        (lambda: InBatchSoftmax([5, 0, 0]), "InBatchSoftmax needs others to compare with"),
        (lambda: FullSoftmax([0, 7]), "FullSoftmax needs others"),
        (lambda: FullSoftmax([0, 0]), "interactions of 0 items"),
        (lambda: InBatchSoftmax([1, 1], user_frequency=[4], item_to_user_weight=1.0), "interactions of 1 users"),
        (lambda: InBatchSoftmax([1, 1], item_to_user_weight=float("inf")), "item_to_user_weight is inf"),
        (lambda: InBatchSoftmax([1, -1]), "item_frequency has to be one number of interactions, at least 0"),
        (lambda: InBatchSoftmax([1.0, float("nan")]), "item_frequency has to be"),
        (lambda: InBatchSoftmax([[1, 2]]), "item_frequency has to be"),
        (lambda: InBatchSoftmax([1, 1]).candidates({"item": tf.constant([0])}), "the batch has one row"),
        (lambda: BPR().candidates({"item": tf.zeros([3]), "negative": tf.zeros([3, 0])}), r"shape \(3, 0\)"),
        (lambda: BPR().candidates({"item": tf.zeros([3]), "negative": tf.zeros([3])}), r"shape \(3,\)"),
    ],
)
def test_a_loss_without_anything_to_tell_apart_is_refused(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_bpr_without_negatives_says_where_they_come_from():
    with pytest.raises(InvalidInputError, match="NegativeSampler"):
        BPR().candidates({"item": tf.constant([0])})
