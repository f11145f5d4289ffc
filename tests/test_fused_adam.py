"""Fused Adam against its equations in NumPy and against Keras' Adam."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.optimizers.fused_adam import FusedAdam


def gradients(seed: int, shape: tuple[int, ...], steps: int = 5) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for _ in range(steps)]


def applied(optimizer: keras.optimizers.Optimizer, start: np.ndarray, steps: list) -> np.ndarray:
    weight = tf.Variable(start)
    for gradient in steps:
        optimizer.apply_gradients([(gradient, weight)])
    return weight.numpy()


def test_a_dense_weight_follows_the_equations_of_the_paper():
    start, steps = np.ones((4, 3), np.float32), gradients(0, (4, 3))
    weight, m, v = start.astype(np.float64), np.zeros((4, 3)), np.zeros((4, 3))
    for t, gradient in enumerate(steps, start=1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient.astype(np.float64) ** 2
        weight -= 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(applied(FusedAdam(0.01), start, steps), weight, rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"beta_1": 0.8, "epsilon": 1e-3}, {"weight_decay": 0.1}, {"clipnorm": 0.5}, {"amsgrad": True}]
)
def test_it_is_keras_adam_to_rounding(options):
    start, steps = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), gradients(1, (4, 3))
    expected = applied(keras.optimizers.Adam(0.01, **options), start, steps)
    np.testing.assert_allclose(applied(FusedAdam(0.01, **options), start, steps), expected, rtol=2e-6)


@pytest.mark.parametrize("options", [{}, {"amsgrad": True}])
def test_the_gradient_of_some_rows_moves_all_of_them_as_keras_does(options):
    steps = [tf.IndexedSlices(tf.constant(values), tf.constant([2, 0, 2])) for values in gradients(2, (3, 3))]
    steps.append(tf.IndexedSlices(tf.ones((1, 3)), tf.constant([3])))
    start = np.ones((5, 3), np.float32)
    expected = applied(keras.optimizers.Adam(0.01, **options), start, steps)
    np.testing.assert_allclose(applied(FusedAdam(0.01, **options), start, steps), expected, rtol=2e-6)


def test_every_replica_is_updated_alike():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    start, steps = np.ones((4, 3), np.float32), gradients(3, (4, 3))
    with strategy.scope():
        weight, optimizer = tf.Variable(start), FusedAdam(0.01)
        optimizer.build([weight])
    for gradient in steps:
        strategy.run(lambda value=gradient: optimizer.apply_gradients([(tf.constant(value), weight)]))
    np.testing.assert_allclose(weight.numpy(), applied(FusedAdam(0.01), start, steps), rtol=1e-6)


def test_it_is_restored_from_its_configuration():
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(FusedAdam(0.02, beta_2=0.99)))
    assert isinstance(optimizer, FusedAdam)
    assert float(optimizer.learning_rate) == pytest.approx(0.02) and optimizer.beta_2 == 0.99
