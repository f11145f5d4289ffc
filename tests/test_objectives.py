"""Objectives against their equations in NumPy, one example at a time, in float64."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.objectives import BPR, FullSoftmax, InBatchSoftmax


def embeddings(rows: int, width: int = 6, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


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

    loss = objective(tf.constant(queries), tf.constant(catalogue[items]), {"item": tf.constant(items)})
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


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


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(InvalidInputError, match="temperature is"):
        BPR(temperature=temperature)


def test_bpr_without_negatives_says_where_they_come_from():
    with pytest.raises(InvalidInputError, match="NegativeSampler"):
        BPR().candidates({"item": tf.constant([0])})
