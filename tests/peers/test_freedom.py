"""FREEDOM: its equations, its pruning and its second loss."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError


def test_embeddings_are_those_of_the_equations(make_case, nearest, symmetric):
    weights = {"visual": 0.1, "acoustic": 0.9}
    case = make_case("freedom", neighbours=3, item_layers=2, modality_weights=weights)
    graph = sum(
        weights[name] * symmetric((nearest(features, 3) > 0).astype(float)) for name, features in case.features.items()
    )
    users, items = case.lightgcn(2)
    np.testing.assert_allclose(case.embeddings[0], users, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(case.embeddings[1], items + graph @ graph @ case.towers[1], rtol=1e-5, atol=1e-5)


def test_a_step_propagates_over_the_edges_that_are_left_with_their_degrees(make_case):
    case = make_case("freedom", pruning=0.5)
    encoder = case.model.encoder
    weights = encoder._edge_weights().numpy()
    kept = weights > 0
    assert kept.sum() == round(len(weights) / 2)
    pruned = np.zeros_like(case.interactions)
    pruned[case.pairs[0][kept], case.pairs[1][kept]] = 1  # pairs are by user and then by item, as edges are
    degrees = case.interactions.sum(axis=1)[:, None] * case.interactions.sum(axis=0)
    left = pruned.sum(axis=1)[:, None] * pruned.sum(axis=0)
    expected = np.sqrt(np.divide(degrees, left, out=np.zeros_like(left), where=left > 0)) * pruned
    np.testing.assert_allclose(weights, expected[tuple(case.pairs)], rtol=1e-5)


def test_the_edges_that_a_step_predicts_are_left_out_before_those_that_are_pruned(make_case):
    case = make_case("freedom", pruning=0.5)
    left = np.ones(len(case.pairs[0]))
    left[::3] = 0
    weights = case.model.encoder._edge_weights(tf.constant(left, tf.float32)).numpy()
    before, after = (np.zeros_like(case.interactions) for _ in range(2))
    before[case.pairs[0][left > 0], case.pairs[1][left > 0]] = 1
    after[case.pairs[0][weights > 0], case.pairs[1][weights > 0]] = 1
    assert 0 < after.sum() < before.sum() and not (after > before).any()
    degrees, kept = (each.sum(axis=1)[:, None] * each.sum(axis=0) for each in (before, after))
    expected = np.sqrt(np.divide(degrees, kept, out=np.zeros_like(kept), where=kept > 0)) * after
    np.testing.assert_allclose(weights, expected[tuple(case.pairs)], rtol=1e-5)


def test_edges_between_busy_nodes_are_pruned_more_often(make_case):
    case = make_case("freedom", pruning=0.5)
    draws = np.mean([case.model.encoder._edge_weights().numpy() > 0 for _ in range(300)], axis=0)
    degrees = (case.interactions.sum(axis=1)[:, None] * case.interactions.sum(axis=0))[tuple(case.pairs)]
    assert np.corrcoef(draws, 1 / np.sqrt(degrees))[0, 1] > 0.9


def test_the_content_loss_is_a_bpr_loss_for_every_modality(make_case):
    case = make_case("freedom", content_weight=0.3)
    batch = {name: values.numpy() for name, values in case.batch.items()}
    users, items = case.embeddings
    queries = users[batch["user"]]

    def bpr(of_items):
        scores = queries @ of_items.T
        margins = np.take_along_axis(scores, batch["item"][:, None], 1) - np.take_along_axis(
            scores, batch["negative"], 1
        )
        return np.log1p(np.exp(-margins)).mean()

    content = sum(bpr(values @ case.weight(f"projection_{name}")) for name, values in case.features.items())
    np.testing.assert_allclose(case.model.compute_loss(case.batch), bpr(items) + 0.3 * content, rtol=1e-5)


def test_weights_of_modalities_that_are_not_there_are_refused(make_case):
    with pytest.raises(InvalidInputError, match=r'unknown modality of the weights "visuel"; did you mean "visual"\?'):
        make_case("freedom", modality_weights={"visuel": 1.0})
