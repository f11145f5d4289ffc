"""The diffusion of interaction rows: its schedule, its loss and its reverse steps, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.interaction_diffusion import InteractionDiffusion, sinusoids
from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.interaction_rows import InteractionRows

SCHEDULE = {"noise_scale": 0.5, "noise_low": 0.02, "noise_high": 0.4}


def diffusion(items: int = 4, **options: float) -> InteractionDiffusion:
    keras.utils.set_random_seed(1)
    return InteractionDiffusion(items, hidden_units=6, **{"steps": 3, **SCHEDULE, **options}, name="of_test")


def betas(steps: int) -> np.ndarray:
    """What each step adds, from the noise that is there after it."""
    kept = 1 - 0.5 * (0.02 + np.arange(steps) / (steps - 1) * (0.4 - 0.02))
    return 1 - kept / np.concatenate([[1.0], kept[:-1]])


def test_noise_adds_up_step_by_step():
    layer = diffusion()
    np.testing.assert_allclose(layer.kept, np.concatenate([[1], np.cumprod(1 - betas(3))]), rtol=1e-12)
    rows, noise = tf.constant([[1.0, 0.0, 0.0, 1.0]] * 2), tf.constant([[1.0, -1.0, 2.0, 0.5]] * 2)
    found = layer.noised(rows, tf.constant([1, 3]), noise)
    kept = layer.kept[[1, 3], None]
    np.testing.assert_allclose(found, np.sqrt(kept) * rows + np.sqrt(1 - kept) * noise, rtol=1e-6)


def test_a_row_loses_what_the_bound_of_the_likelihood_says():
    layer = diffusion()
    signal_to_noise = layer.kept[1:] / (1 - layer.kept[1:])
    rows, predicted = np.array([[1.0, 0, 0, 1]] * 3), np.array([[0.5, 0.1, -0.2, 1.0]] * 3)
    weights = np.array([1, *(-np.diff(signal_to_noise) / 2)])
    found = layer.losses(tf.constant(rows, tf.float32), tf.constant(predicted, tf.float32), tf.constant([1, 2, 3]))
    np.testing.assert_allclose(found, weights * ((predicted - rows) ** 2).sum(axis=1), rtol=1e-5)


def test_reverse_steps_are_the_means_of_the_posterior():
    layer = diffusion()
    rows = np.random.default_rng(0).normal(size=(2, 4))
    found = layer.denoised(tf.constant(rows, tf.float32))
    beta = betas(3)
    kept = np.cumprod(1 - beta)
    for step in (3, 2, 1):
        prediction = layer.predicted(tf.constant(rows, tf.float32), tf.fill([2], step)).numpy()
        # The product of two Gaussians: x_(t-1) given x_0, and x_t given x_(t-1).
        before = 1.0 if step == 1 else kept[step - 2]
        if step == 1:
            rows = prediction
            continue
        precisions = 1 / (1 - before), (1 - beta[step - 1]) / beta[step - 1]
        means = np.sqrt(before) * prediction, rows / np.sqrt(1 - beta[step - 1])
        rows = (precisions[0] * means[0] + precisions[1] * means[1]) / sum(precisions)
    np.testing.assert_allclose(found, rows, rtol=1e-4, atol=1e-5)


def test_predictions_know_the_step():
    np.testing.assert_allclose(sinusoids(tf.constant([2])).numpy()[0, [0, 5]], [np.cos(2), np.sin(2)], rtol=1e-6)
    layer = diffusion()
    first, last = (layer.predicted(tf.zeros([1, 4]), tf.constant([step])).numpy() for step in (1, 3))
    assert not np.allclose(first, last)


@pytest.mark.parametrize("options", [{"steps": 1}, {"noise_scale": 0.0}])
def test_one_step_or_no_noise_is_refused(options):
    with pytest.raises(InvalidInputError, match="expected at least 2 steps and noise above 0"):
        diffusion(**options)


def test_rows_of_users_are_those_of_the_matrix():
    graph = InteractionGraph([0, 0, 2, 2], [1, 3, 0, 3], users=4, items=4)
    found = InteractionRows(graph).of(tf.constant([2, 1, 0, 2], tf.int64))
    np.testing.assert_array_equal(found, [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1]])


def test_it_learns_what_goes_together_among_many_items():
    """With means over items in place of sums, gradients would be below the epsilon of Adam."""
    rows = np.zeros((2, 4000), np.float32)
    rows[0, :5] = rows[1, 100:105] = 1
    layer = diffusion(4000, noise_scale=0.1)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(layer.trainable_weights)
    random = np.random.default_rng(0)

    @tf.function
    def learn(step, noise):
        with tf.GradientTape() as tape:
            predicted = layer.predicted(layer.noised(rows, step, noise), step)
            loss = tf.reduce_mean(layer.losses(rows, predicted, step)) / layer.weights_of_steps.mean()
        optimizer.apply_gradients(
            zip(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights, strict=True)
        )

    for _ in range(150):
        learn(tf.constant(random.integers(1, 4, 2)), tf.constant(random.normal(size=rows.shape), tf.float32))
    incomplete = rows.copy()
    incomplete[0, 0] = incomplete[1, 100] = 0
    best = np.argsort(-layer.denoised(tf.constant(incomplete)).numpy(), axis=1)[:, :5]
    assert [set(each) for each in best] == [{*range(5)}, {*range(100, 105)}]
