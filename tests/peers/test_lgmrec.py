"""LGMRec: its local and global views, and the contrast between modalities."""

import numpy as np
import pytest
import tensorflow as tf


def normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def softmax(rows: np.ndarray) -> np.ndarray:
    weights = np.exp(rows - rows.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def expected_views(case, *, modality_layers: int, hyperedge_layers: int, temperature: float, global_weight: float):
    """Embeddings of users and of items, and their global views by modality."""
    found = case.interactions
    degrees = found.sum(axis=1), found.sum(axis=0)
    users = len(found)
    square = np.zeros((sum(found.shape),) * 2)
    square[:users, users:] = found / np.sqrt(np.maximum(degrees[0][:, None] * degrees[1], 1))
    square[users:, :users] = square[:users, users:].T
    behaviour = case.lightgcn(2)
    totals, views = [*behaviour], []
    for name, features in case.features.items():
        of_items = features @ case.weight(f"projection_{name}")
        of_users = found @ of_items / np.maximum(degrees[0], 1)[:, None]
        local = np.linalg.matrix_power(square, modality_layers) @ np.concatenate([of_users, of_items])
        belong_items = features @ case.weight(f"hyperedges_{name}").T
        belong_users = softmax(found @ belong_items / temperature)
        belong_items = softmax(belong_items / temperature)
        rows = behaviour[1]
        for _ in range(hyperedge_layers):
            messages = belong_items.T @ rows
            pair, rows = (belong_users @ messages, belong_items @ messages), belong_items @ messages
        views.append(pair)
        totals = [total + normalized(each) for total, each in zip(totals, np.split(local, [users]), strict=True)]
    for side in range(2):
        totals[side] = totals[side] + global_weight * normalized(sum(pair[side] for pair in views))
    return totals, views


@pytest.mark.parametrize("layers", [1, 2])
def test_embeddings_are_those_of_the_equations(make_case, layers):
    options = {"modality_layers": layers, "hyperedge_layers": layers, "global_weight": 0.7}
    case = make_case("lgmrec", hyperedges=3, hyperedge_temperature=0.5, **options)
    expected, _ = expected_views(case, temperature=0.5, **options)
    for found, rows in zip(case.embeddings, expected, strict=True):
        np.testing.assert_allclose(found, rows, rtol=1e-4, atol=1e-5)


def test_the_loss_contrasts_the_global_views_of_modalities(make_case):
    case, without = (make_case("lgmrec", contrast_weight=weight) for weight in (0.2, 0.0))
    _, views = expected_views(case, modality_layers=2, hyperedge_layers=1, temperature=0.2, global_weight=0.3)
    expected = 0.0
    for side, name in enumerate(("user", "item")):
        ids = case.batch[name].numpy()
        acoustic, visual = (normalized(pair[side][ids]) for pair in views)
        weights = np.exp(acoustic @ visual.T / 0.2)
        weights[(ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)] = 0
        expected += 0.2 * -np.log(np.diag(weights) / weights.sum(axis=1)).mean()
    difference = case.model.compute_loss(case.batch) - without.model.compute_loss(case.batch)
    np.testing.assert_allclose(difference, expected, rtol=1e-3)


def test_a_training_step_draws_who_belongs_to_which_hyperedge(make_case):
    case = make_case("lgmrec", hyperedge_dropout=0.0)
    drawn = [case.model.embed(tf.range(3), tf.range(4), training=True)[1].numpy() for _ in range(2)]
    assert not np.allclose(*drawn)
    logits = tf.zeros([20_000, 2])
    shares = case.model.encoder._softmax(logits, training=True).numpy()
    # A logistic number of either sign is as likely: shares are symmetric, and mostly near 0 or 1.
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.02)
    assert (np.abs(shares - 0.5) > 0.4).mean() > 0.7
    np.testing.assert_array_equal(case.embeddings[1], case.embeddings[1])


def test_one_modality_has_nothing_to_be_contrasted_with(make_case):
    case = make_case("lgmrec")
    rows = tf.ones([2, 3 * 5])
    assert len(case.model.encoder.contrasted(rows)) == 1
    case.model.encoder.projections.pop("acoustic")
    assert case.model.encoder.contrasted(tf.ones([2, 2 * 5])) == []
