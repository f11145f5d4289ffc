"""BM3: its loss without negatives, and its predictor."""

import numpy as np
import tensorflow as tf

from tf_metammf.objectives.objectives import NoObjective


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 1 - (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def expected_parts(case):
    """Predictor, h of users and h of items."""
    kernel, bias = case.weight("predictor/kernel"), case.weight("predictor/bias")
    users, items = case.lightgcn(1)
    return (lambda latent: latent @ kernel + bias), users, items + case.towers[1]


def test_scores_are_between_predictions(make_case):
    case = make_case("bm3", NoObjective())
    predict, users, items = expected_parts(case)
    np.testing.assert_allclose(case.embeddings[0], predict(users), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(case.embeddings[1], predict(items), rtol=1e-4, atol=1e-5)


def test_the_loss_reconstructs_interactions_and_aligns_modalities(make_case):
    case = make_case("bm3", NoObjective(), target_dropout=0.0, content_weight=0.5)
    predict, users, items = expected_parts(case)
    user, item = users[case.batch["user"]], items[case.batch["item"]]
    losses = distance(predict(user), item) + distance(user, predict(item))
    for name, features in case.features.items():
        latent = features[case.batch["item"]] @ case.weight(f"projection_{name}/kernel")
        latent = latent + case.weight(f"projection_{name}/bias")
        there = 1.0 if name == "visual" else (case.batch["item"].numpy() != 5)
        losses = losses + 0.5 * there * (distance(predict(latent), item) + distance(predict(latent), latent))
    np.testing.assert_allclose(case.model.compute_loss(case.batch, training=True), losses.mean(), rtol=1e-5)


def test_no_gradient_flows_through_the_targets(make_case):
    case = make_case("bm3", NoObjective(), target_dropout=0.0, content_weight=0.0)
    kernel, bias = case.model.encoder.predictor
    kernel.assign(tf.eye(5))
    bias.assign(tf.zeros(5))
    users = case.model.user_tower.embedding.embeddings
    with tf.GradientTape(persistent=True) as tape:
        queries, candidates = case.model._encode(case.batch["user"], case.batch["item"], training=True)
        candidates = tf.stop_gradient(candidates)
        loss = case.model.encoder.auxiliary_loss(case.batch, queries, candidates, training=True)
        cosine = tf.reduce_sum(tf.math.l2_normalize(queries, 1) * tf.math.l2_normalize(candidates, 1), axis=1)
        expected = tf.reduce_mean(1 - cosine)
    # With the identity for predictor both terms have the same value; only the one that predicts has a gradient.
    np.testing.assert_allclose(loss, 2 * expected, rtol=1e-5)
    np.testing.assert_allclose(
        tf.convert_to_tensor(tape.gradient(loss, users)),
        tf.convert_to_tensor(tape.gradient(expected, users)),
        atol=1e-6,
    )


def test_dropout_changes_the_targets_in_training_alone(make_case):
    case = make_case("bm3", NoObjective(), target_dropout=0.5)
    first, second = (case.model.compute_loss(case.batch, training=True).numpy() for _ in range(2))
    assert first != second
    np.testing.assert_array_equal(case.embeddings[0], case.embeddings[0])
