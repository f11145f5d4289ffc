"""Lazy Adam: the rows of a step move by Adam's equation, all others stay, whatever the size of the table."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InBatchSoftmax, LazyAdam, MetaMMF
from tf_metammf.errors import InvalidInputError

ROWS, UNITS = 7, 3


def sparse(rows: list[int], seed: int) -> tf.IndexedSlices:
    values = np.random.default_rng(seed).normal(size=(len(rows), UNITS))
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows), tf.constant([ROWS, UNITS]))


def table() -> tf.Variable:
    return tf.Variable(np.random.default_rng(9).normal(size=(ROWS, UNITS)), dtype=tf.float32)


def test_used_rows_move_by_the_equation_and_the_others_stay():
    weight, steps = table(), [([1, 4], 0), ([4, 6, 4], 1), ([2], 2)]
    expected, momentum, velocity = weight.numpy().astype(np.float64), np.zeros((ROWS, UNITS)), np.zeros((ROWS, UNITS))
    optimizer = LazyAdam(0.1, lazy_rows=1)
    for step, (rows, seed) in enumerate(steps, start=1):
        gradient = sparse(rows, seed)
        optimizer.apply_gradients([(gradient, weight)])
        total = np.zeros((ROWS, UNITS))
        np.add.at(total, rows, gradient.values.numpy())
        used = np.unique(rows)
        momentum[used] = 0.9 * momentum[used] + 0.1 * total[used]
        velocity[used] = 0.999 * velocity[used] + 0.001 * total[used] ** 2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected[used] -= rate * momentum[used] / (np.sqrt(velocity[used]) + 1e-7)
    np.testing.assert_allclose(weight, expected, rtol=1e-5)
    found = {variable.name.split("/")[-2]: variable for variable in optimizer.variables if variable.shape.rank == 2}
    np.testing.assert_allclose(found["m"], momentum, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found["v"], velocity, rtol=1e-5, atol=1e-10)
    assert not momentum[[0, 3, 5]].any()


@pytest.mark.parametrize("gradients", ["dense", "sparse, all rows"])
def test_where_every_row_is_used_it_is_adam_of_keras(gradients):
    ours, theirs = table(), table()
    for optimizer, weight in ((LazyAdam(0.1, lazy_rows=1), ours), (keras.optimizers.Adam(0.1), theirs)):
        for seed in range(4):
            gradient = sparse(list(range(ROWS)), seed)
            optimizer.apply_gradients([(gradient.values if gradients == "dense" else gradient, weight)])
    # Rounded to float32, 1 - beta_2 is 1.3e-5 off in one of the two.
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=5e-6)


def test_a_table_below_the_size_is_updated_as_in_keras():
    ours, theirs = table(), table()
    for optimizer, weight in ((LazyAdam(0.1, lazy_rows=ROWS + 1), ours), (keras.optimizers.Adam(0.1), theirs)):
        for seed, rows in enumerate([[0, 1], [2], [0]]):
            optimizer.apply_gradients([(sparse(rows, seed), weight)])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_a_training_step_touches_only_the_users_and_items_of_its_batch(l2):
    users, items = 50, 40
    model = MetaMMF(
        users,
        {"visual": np.random.default_rng(0).normal(size=(items, 4))},
        InBatchSoftmax(np.ones(items, int)),
        fusion_options={"units": (4,), "meta_units": 2, "rank": 2},
        id_units=3,
        l2=l2,
    )
    model.compile(optimizer=LazyAdam(0.1, lazy_rows=10))
    batch = {"user": tf.constant([3, 8, 3], tf.int64), "item": tf.constant([5, 5, 7], tf.int64)}
    tables = {"user": model.user_tower.embedding.embeddings, "item": model.item_tower.id_embedding.embeddings}
    before = {side: weight.numpy() for side, weight in tables.items()}
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(2), verbose=0)
    for side, weight in tables.items():
        moved = np.flatnonzero((weight.numpy() != before[side]).any(axis=1))
        np.testing.assert_array_equal(moved, np.unique(batch[side]))


def test_it_is_saved_and_made_again_with_its_configuration():
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(LazyAdam(0.2, beta_1=0.8, lazy_rows=5)))
    assert isinstance(optimizer, LazyAdam)
    assert (optimizer.lazy_rows, optimizer.beta_1, float(optimizer.learning_rate)) == (5, 0.8, pytest.approx(0.2))


@pytest.mark.parametrize(("options", "message"), [({"lazy_rows": 0}, "lazy_rows is 0"), ({"amsgrad": True}, "amsgrad")])
def test_arguments_that_are_not_acceptable_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        LazyAdam(**options)
