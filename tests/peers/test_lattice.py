"""LATTICE: its equations, and when it looks for neighbours."""

import numpy as np
import tensorflow as tf


def expected_items(case, nearest, symmetric, *, k, layers, initial_weight):
    shares = np.exp(case.weight("modality_weights"))
    shares /= shares.sum()
    graph = 0.0
    for share, (name, features) in zip(shares, case.features.items(), strict=True):
        mapped = features @ case.weight(f"projection_{name}") + case.weight(f"bias_{name}")
        learned = symmetric(nearest(mapped, k))
        graph = graph + share * (initial_weight * symmetric(nearest(features, k)) + (1 - initial_weight) * learned)
    rows = case.towers[1]
    for _ in range(layers):
        rows = graph @ rows
    return case.lightgcn(2)[1] + rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_embeddings_are_those_of_the_equations(make_case, nearest, symmetric):
    case = make_case("lattice", neighbours=3, item_layers=2, initial_weight=0.6, units=4)
    users, items = case.embeddings
    np.testing.assert_allclose(users, case.lightgcn(2)[0], rtol=1e-5, atol=1e-5)
    expected = expected_items(case, nearest, symmetric, k=3, layers=2, initial_weight=0.6)
    np.testing.assert_allclose(items, expected, rtol=1e-4, atol=1e-5)


def test_the_fused_content_takes_the_place_of_the_id_embedding(make_case, nearest, symmetric):
    case = make_case("lattice", neighbours=3, units=4, fusion="metammf", fusion_options={"units": (6, 5), "rank": 2})
    expected = expected_items(case, nearest, symmetric, k=3, layers=1, initial_weight=0.7)
    np.testing.assert_allclose(case.embeddings[1], expected, rtol=1e-4, atol=1e-5)


def test_a_training_step_keeps_its_neighbours_until_they_are_due(make_case):
    case = make_case("lattice", neighbours=3, units=4, refresh_steps=2)
    step = tf.function(lambda: case.model.embed(tf.range(2), tf.range(9), training=True)[1])
    fresh = step().numpy()
    projection = case.model.encoder.projections["visual"]
    before = case.weight("neighbours_visual")
    projection.assign(np.random.default_rng(8).normal(size=projection.shape))
    stale = step().numpy()
    np.testing.assert_array_equal(case.weight("neighbours_visual"), before)
    assert not np.allclose(stale, fresh)  # similarities follow the weights all the same
    assert not np.allclose(stale, case.embeddings[1])
    np.testing.assert_allclose(step(), case.embeddings[1], rtol=1e-5, atol=1e-6)


def test_similarities_have_a_gradient(make_case):
    case = make_case("lattice", neighbours=3, units=4)
    with tf.GradientTape() as tape:
        loss = case.model.compute_loss(case.batch, training=True)
    weights = [*case.model.encoder.projections.values(), case.model.encoder.modality_weights]
    for gradient in tape.gradient(loss, weights):
        assert np.abs(gradient).max() > 0
