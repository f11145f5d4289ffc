"""The contrast of two views, against NumPy."""

import numpy as np
import tensorflow as tf

from tf_metammf.encoders.view_contrast import rows_of_items, view_contrast


def expected(one: np.ndarray, other: np.ndarray, ids: np.ndarray, temperature: float) -> float:
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, other))
    losses = []
    for row, own in enumerate(ids):
        columns = [row, *(column for column, other_id in enumerate(ids) if other_id != own)]
        weights = np.exp(other[columns] @ one[row] / temperature)
        losses.append(-np.log(weights[0] / weights.sum()))
    return float(np.mean(losses))


def test_a_row_is_told_from_those_of_others_and_not_from_its_own():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 5, 3))
    ids = np.array([4, 1, 4, 0, 2])
    found = view_contrast(
        tf.constant(one, tf.float32), tf.constant(other, tf.float32), tf.constant(ids), temperature=0.3
    )
    np.testing.assert_allclose(found, expected(one, other, ids, 0.3), rtol=1e-5)


def test_the_rows_of_the_items_of_a_batch_are_found_among_candidates_in_any_order():
    batch = {"item": tf.constant([7, 2, 7], tf.int64), "candidate": tf.constant([9, 7, 2, 7], tf.int64)}
    np.testing.assert_array_equal(rows_of_items(batch, tf.constant([[0.0], [1.0], [2.0], [3.0]])), [[1], [2], [1]])
