"""MMHCL: its hypergraphs by their incidence, and its contrast."""

import numpy as np
import pytest


def convolution(incidence: np.ndarray) -> np.ndarray:
    """``D_v^-1/2 H D_e^-1 H^T D_v^-1/2`` of an incidence ``[nodes, hyperedges]``."""
    of_nodes, of_edges = incidence.sum(axis=1), incidence.sum(axis=0)
    roots = np.divide(1, np.sqrt(of_nodes), out=np.zeros_like(of_nodes), where=of_nodes > 0)
    shares = np.divide(1, of_edges, out=np.zeros_like(of_edges), where=of_edges > 0)
    return np.diag(roots) @ incidence @ np.diag(shares) @ incidence.T @ np.diag(roots)


def normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def second_views(case, nearest, *, k: int, user_layers: int, item_layers: int) -> tuple[np.ndarray, np.ndarray]:
    incidence = np.concatenate([(nearest(values, k) > 0).astype(float) for values in case.features.values()], axis=1)
    users, items = case.towers
    return (
        np.linalg.matrix_power(convolution(case.interactions), user_layers) @ users,
        np.linalg.matrix_power(convolution(incidence), item_layers) @ items,
    )


@pytest.mark.parametrize(("user_layers", "item_layers"), [(1, 1), (3, 2)])
def test_embeddings_are_those_of_the_equations(make_case, nearest, user_layers, item_layers):
    layers = {"user_layers": user_layers, "item_layers": item_layers}
    case = make_case("mmhcl", neighbours=3, user_weight=0.5, item_weight=2.0, **layers)
    views = second_views(case, nearest, k=3, **layers)
    for found, behaviour, view, weight in zip(case.embeddings, case.lightgcn(2), views, (0.5, 2.0), strict=True):
        np.testing.assert_allclose(found, behaviour + weight * normalized(view), rtol=1e-4, atol=1e-5)


def test_the_loss_contrasts_hypergraphs_with_interactions(make_case, nearest):
    case, without = (make_case("mmhcl", neighbours=3, contrast_weight=weight) for weight in (0.2, 0.0))
    views = second_views(case, nearest, k=3, user_layers=3, item_layers=2)
    expected = 0.0
    for name, view, behaviour in zip(("user", "item"), views, case.lightgcn(2), strict=True):
        ids = case.batch[name].numpy()
        weights = np.exp(normalized(view)[ids] @ normalized(behaviour)[ids].T / 0.6)
        weights[(ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)] = 0
        expected += 0.2 * -np.log(np.diag(weights) / weights.sum(axis=1)).mean()
    difference = case.model.compute_loss(case.batch) - without.model.compute_loss(case.batch)
    np.testing.assert_allclose(difference, expected, rtol=1e-3)
