"""Edges between similar items beside those of interactions, in graph encoders of MetaMMF."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.item_graph import ItemGraph, nearest_neighbours


def test_an_item_gets_the_tower_outputs_of_similar_ones(make_case, nearest, symmetric):
    fusion = {"fusion": "metammf", "fusion_options": {"units": (6, 5), "rank": 2}}
    case = make_case("lightgcn", item_neighbours=3, **fusion)
    graphs = [symmetric((nearest(features, 3) > 0).astype(float)) for features in case.features.values()]
    users, items = case.lightgcn(2)
    np.testing.assert_allclose(case.embeddings[0], users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        case.embeddings[1], items + np.mean(graphs, axis=0) @ case.towers[1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("encoder", ["lightgcn", "sage"])
def test_the_loss_is_that_of_the_embeddings(make_case, encoder):
    case = make_case(encoder, item_neighbours=3)
    users, items = case.model.embeddings()
    wanted = case.model.objective.candidates(case.batch)
    expected = case.model.objective(tf.gather(users, case.batch["user"]), tf.gather(items, wanted), case.batch)
    np.testing.assert_allclose(case.model.compute_loss(case.batch), expected, rtol=1e-5)


def test_without_content_a_new_item_has_nothing_to_go_by(make_case):
    assert not make_case("lightgcn", item_neighbours=3).model.embeds_new_items
    fused = {"fusion": "metammf", "fusion_options": {"units": (5,), "rank": 2}}
    assert make_case("lightgcn", item_neighbours=3, **fused).model.embeds_new_items


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e37])
def test_neighbours_are_found_block_by_block_at_any_scale(scale, monkeypatch):
    monkeypatch.setattr("tf_metammf.graphs.item_graph._ITEMS_AT_ONCE", 7)
    vectors = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ids, similarity = nearest_neighbours(tf.constant(vectors * np.float32(scale)), 4)
    expected = np.argsort(-(unit @ unit.T), axis=1)[:, :4]
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_allclose(similarity, np.maximum(np.take_along_axis(unit @ unit.T, expected, 1), 0), atol=1e-6)


def test_edges_between_items_need_features(make_case):
    with pytest.raises(InvalidInputError, match=r"item_neighbours is 0\.5, expected an integer of at least 1"):
        make_case("lightgcn", item_neighbours=0.5)


def test_sums_of_some_items_are_rows_of_those_of_all():
    random = np.random.default_rng(3)
    neighbours, weights = random.integers(0, 9, (9, 3)), random.random((9, 3)).astype(np.float32)
    graph, rows, only = (
        ItemGraph([(neighbours, weights)]),
        tf.constant(random.normal(size=(9, 4)), tf.float32),
        [0, 4, 7],
    )
    matrix = np.zeros((9, 9))
    np.add.at(matrix, (np.arange(9)[:, np.newaxis], neighbours), weights)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        sums = graph.propagate(rows, tf.constant(only, tf.int64))
    np.testing.assert_allclose(sums, matrix[only] @ rows.numpy(), rtol=1e-5, atol=1e-6)
    expected = matrix[only].T @ np.ones((3, 4))
    np.testing.assert_allclose(tape.gradient(sums, rows), expected, rtol=1e-5, atol=1e-6)
