"""MMGCN: its equations."""

import numpy as np
import tensorflow as tf


def leaky(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, 0.01 * values)


def layer(case, name, place, means, nodes, identity):
    aggregated = leaky(means @ case.weight(f"{name}_neighbour_{place}/kernel"))
    own = (
        leaky(nodes @ case.weight(f"{name}_self_{place}/kernel") + case.weight(f"{name}_self_{place}/bias")) + identity
    )
    combine = case.weight(f"{name}_combine_{place}/kernel"), case.weight(f"{name}_combine_{place}/bias")
    return leaky(aggregated @ combine[0] + combine[1] + own)


def mean(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return matrix @ rows / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def test_embeddings_are_those_of_the_equations(make_case):
    case = make_case("mmgcn", units=3, layers=2)
    identity_users, identity_items = case.towers
    totals = [0.0, 0.0]
    for name, features in case.features.items():
        users = case.weight(f"preferences_{name}")
        items = features @ case.weight(f"{name}_input/kernel") + case.weight(f"{name}_input/bias")
        for place in (1, 2):
            to_users, to_items = mean(case.interactions, items), mean(case.interactions.T, users)
            users, items = (
                layer(case, name, place, to_users, users, identity_users),
                layer(case, name, place, to_items, items, identity_items),
            )
        totals = [totals[0] + users, totals[1] + items]
    for found, expected in zip(case.embeddings, totals, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_new_item_is_embedded_as_one_of_the_catalogue_without_interactions(make_case):
    case = make_case("mmgcn", units=3)
    lonely = len(case.embeddings[1]) - 1
    assert not case.interactions[:, lonely].any()
    case.model.item_tower.id_embedding.embeddings[lonely].assign(tf.zeros(5))
    features = {name: tf.constant(values[[lonely]], tf.float32) for name, values in case.features.items()}
    found = case.model.embed_new_items(features, dict.fromkeys(features, tf.constant([True])))
    np.testing.assert_allclose(found[0], case.embeddings[1][lonely], rtol=1e-5, atol=1e-5)
