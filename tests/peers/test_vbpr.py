"""VBPR: its equation, and what it is for."""

import numpy as np
import tensorflow as tf


def test_scores_are_those_of_the_equation(make_case):
    case = make_case("vbpr", units=3)
    (gamma_users, gamma_items), features = case.towers, np.concatenate(list(case.features.values()), axis=1)
    expected = (
        case.weight("item_biases")[:, 0]
        + gamma_users @ gamma_items.T
        + case.weight("preferences") @ (features @ case.weight("projection")).T
        + (features @ case.weight("feature_biases"))[:, 0]
    )
    users, items = case.embeddings
    np.testing.assert_allclose(users @ items.T, expected, rtol=1e-5, atol=1e-5)


def test_a_step_scores_as_the_ranking_does(make_case):
    case = make_case("vbpr", units=3)
    users, items = case.embeddings
    pairs = {"user": tf.constant([4, 2, 4], tf.int64), "item": tf.constant([8, 0, 0], tf.int64)}
    np.testing.assert_allclose(case.model(pairs), (users[[4, 2, 4]] * items[[8, 0, 0]]).sum(axis=1), rtol=1e-5)


def test_a_new_item_is_its_content_and_has_no_bias_of_its_own(make_case):
    case = make_case("vbpr", units=3)
    features = {name: tf.constant(values[:1] + 1, tf.float32) for name, values in case.features.items()}
    there = dict.fromkeys(features, tf.constant([True]))
    values = np.concatenate([features[name][0] for name in sorted(features)])
    expected = np.concatenate([np.zeros(5), values @ case.weight("projection"), values @ case.weight("feature_biases")])
    np.testing.assert_allclose(case.model.embed_new_items(features, there)[0], expected, rtol=1e-5, atol=1e-5)


def test_the_penalty_counts_the_rows_of_the_batch_alone(make_case):
    case = make_case("vbpr", units=3)
    before = case.model.compute_loss(case.batch)
    case.model.l2 = 0.5
    after = case.model.compute_loss(case.batch)
    users, items = np.unique(case.batch["user"]), np.unique([1, 5, 1, 2, 8, 5, 0, 7, 3])
    gamma_users, gamma_items = case.towers
    parts = [
        gamma_users[users],
        case.weight("preferences")[users],
        gamma_items[items],
        case.weight("item_biases")[items],
        case.weight("projection"),
        case.weight("feature_biases"),
    ]
    expected = 0.25 * sum((part**2).sum() for part in parts)
    np.testing.assert_allclose(after - before, expected, rtol=1e-4)
