"""InvRL: its mask, its environments and its penalties."""

import numpy as np
import tensorflow as tf


def softplus(values):
    return np.log1p(np.exp(values))


def gate(case):
    return np.clip(case.weight("mask"), 0, 1)


def test_scores_are_those_of_vbpr_on_masked_features(make_case):
    case = make_case("invrl", units=3)
    features = np.concatenate(list(case.features.values()), axis=1) * gate(case)
    gamma_users, gamma_items = case.towers
    expected = (
        case.weight("item_biases")[:, 0]
        + gamma_users @ gamma_items.T
        + case.weight("preferences") @ (features @ case.weight("projection")).T
        + (features @ case.weight("feature_biases"))[:, 0]
    )
    users, items = case.embeddings
    np.testing.assert_allclose(users @ items.T, expected, rtol=1e-4, atol=1e-4)


def test_the_gradients_of_the_mask_are_those_of_a_tape(make_case):
    case = make_case("invrl", units=3, environments=3, noise=0.0)
    case.model.encoder.mask.assign(tf.linspace(0.2, 0.8, 7))
    batch, mask = case.batch, case.model.encoder.mask
    environment = tf.constant([0, 2, 0], tf.int64)
    of_items, of_negatives = (
        case.model.encoder.item_content.side_by_side(tf.reshape(batch[name], [-1])) for name in ("item", "negative")
    )
    differences = of_items[:, None] - tf.reshape(of_negatives, [3, 2, 7])
    queries, candidates = _encoded(case, batch)
    found = case.model.encoder._mask_gradients(batch, queries, candidates, differences, environment)
    for number in range(3):
        members = np.flatnonzero(environment.numpy() == number)
        if not len(members):
            np.testing.assert_array_equal(found[number], np.zeros(7))
            continue
        part = {name: tf.gather(values, members) for name, values in batch.items()}
        with tf.GradientTape() as tape:
            loss = case.model.objective(*_encoded(case, part), part)
        np.testing.assert_allclose(found[number], tape.gradient(loss, mask), rtol=1e-4, atol=1e-6)


def test_the_loss_adds_environments_variance_and_mask(make_case):
    case = make_case("invrl", units=3, environments=3, noise=0.0, variance_weight=0.4, mask_weight=0.05)
    encoder, batch = case.model.encoder, case.batch
    features = np.concatenate(list(case.features.values()), axis=1)
    variant = features * (1 - gate(case))
    users = case.weight("variant_preferences")[batch["user"]]
    scores = np.einsum("bd,efd,if->bei", users, case.weight("variant_projections"), variant)
    positive = np.take_along_axis(scores, batch["item"].numpy()[:, None, None].repeat(3, 1), 2)[:, :, 0]
    environment = positive.argmax(axis=1)
    own = scores[np.arange(3), environment]
    margins = positive.max(axis=1)[:, None] - np.take_along_axis(own, batch["negative"].numpy(), 1)
    queries, candidates = _encoded(case, batch)
    differences = tf.constant(features[batch["item"]][:, None] - features[batch["negative"]], tf.float32)
    gradients = encoder._mask_gradients(batch, queries, candidates, differences, tf.constant(environment)).numpy()
    expected = softplus(-margins).mean() + 0.4 * np.linalg.norm(gradients.var(axis=0)) + 0.05 * (gate(case) ** 2).sum()
    found = encoder.auxiliary_loss(batch, queries, candidates, training=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def _encoded(case, batch):
    distinct, position = tf.unique(case.model.objective.candidates(batch))
    queries, encoded = case.model._encode(batch["user"], distinct, training=False)
    return queries, tf.gather(encoded, position)
