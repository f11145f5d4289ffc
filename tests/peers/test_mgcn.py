"""MGCN: its equations, its contrast, and what an item without a modality is given."""

import numpy as np
import pytest

from tf_metammf import FullSoftmax
from tf_metammf.errors import InvalidInputError


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def dense(case, name: str, rows: np.ndarray) -> np.ndarray:
    return rows @ case.weight(f"{name}/kernel") + case.weight(f"{name}/bias")


def user_sums(case, of_items: np.ndarray) -> np.ndarray:
    found = case.interactions
    scale = np.sqrt(found.sum(axis=1)[:, None] * found.sum(axis=0))
    return np.divide(found, scale, out=np.zeros_like(found), where=scale > 0) @ of_items


def expected_views(case, nearest, symmetric, *, k: int, item_layers: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Views by behaviour and by content, of users and of items."""
    of_items = []
    for name, features in case.features.items():
        rows = case.towers[1] * sigmoid(dense(case, f"{name}_gate", dense(case, f"{name}_map", features)))
        graph = symmetric(nearest(features, k))
        of_items.append(np.linalg.matrix_power(graph, item_layers) @ rows)
    of_users = [user_sums(case, rows) for rows in of_items]
    both = []
    for behaviour, views in zip(case.lightgcn(2), (of_users, of_items), strict=True):
        weights = np.exp([np.tanh(dense(case, "attention", view)) @ case.weight("query/kernel") for view in views])
        shared = (weights / weights.sum(axis=0) * views).sum(axis=0)
        own = [
            (view - shared) * sigmoid(dense(case, f"{name}_preference", behaviour))
            for name, view in zip(case.features, views, strict=True)
        ]
        both.append((behaviour, shared + np.mean(own, axis=0)))
    return both


@pytest.mark.parametrize("item_layers", [1, 2])
def test_embeddings_are_those_of_the_equations(make_case, nearest, symmetric, item_layers):
    case = make_case("mgcn", neighbours=3, item_layers=item_layers)
    expected = expected_views(case, nearest, symmetric, k=3, item_layers=item_layers)
    for found, views in zip(case.embeddings, expected, strict=True):
        np.testing.assert_allclose(found, sum(views), rtol=1e-4, atol=1e-5)


def contrast(one: np.ndarray, other: np.ndarray, ids: np.ndarray) -> float:
    one, other = (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-9) for each in (one, other))
    weights = np.exp(one @ other.T / 0.5)
    weights[(ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)] = 0
    return float(-np.log(np.diag(weights) / weights.sum(axis=1)).mean())


@pytest.mark.parametrize("softmax", [False, True])
def test_the_loss_contrasts_content_with_behaviour_of_users_and_items(make_case, nearest, symmetric, softmax):
    objective = FullSoftmax(np.ones(9, int)) if softmax else None
    options = {"neighbours": 3, "contrast_temperature": 0.5}
    case, without = (make_case("mgcn", objective, contrast_weight=weight, **options) for weight in (0.2, 0.0))
    views = expected_views(case, nearest, symmetric, k=3)
    expected = 0.0
    for (behaviour, content), ids in zip(views, (case.batch["user"], case.batch["item"]), strict=True):
        expected += 0.2 * contrast(content[ids], behaviour[ids], ids.numpy())
    difference = case.model.compute_loss(case.batch) - without.model.compute_loss(case.batch)
    np.testing.assert_allclose(difference, expected, rtol=1e-3)


def test_a_temperature_of_zero_is_refused(make_case):
    with pytest.raises(InvalidInputError, match="MGCN: contrast_temperature is 0, expected a number above 0"):
        make_case("mgcn", contrast_temperature=0)
