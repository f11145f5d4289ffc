"""SMORE: its equations in NumPy, whose Fourier transform is another one."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.graphs.item_graph import largest_of


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def dense(case, name: str, rows: np.ndarray) -> np.ndarray:
    return rows @ case.weight(f"{name}/kernel") + case.weight(f"{name}/bias")


def circular_product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The circular convolution of rows, by its definition: what a product of spectra comes from."""
    width = one.shape[1]
    shifted = np.stack([np.roll(other[:, ::-1], place + 1, axis=1) for place in range(width)], axis=1)
    return np.einsum("nj,npj->np", one, shifted)


def filtered(case, name: str, rows: np.ndarray) -> np.ndarray:
    real, imaginary = case.weight(f"{name}_filter")
    return np.fft.irfft((real + 1j * imaginary) * np.fft.rfft(rows), rows.shape[1])


def expected_embeddings(case, nearest, symmetric, *, k: int, item_layers: int) -> list[np.ndarray]:
    mapped = {name: dense(case, f"{name}_map", features) for name, features in case.features.items()}
    graphs = {name: symmetric(nearest(features, k)) for name, features in case.features.items()}
    mapped["fused"] = circular_product(mapped["acoustic"], mapped["visual"])
    graphs["fused"] = np.maximum(graphs["acoustic"], graphs["visual"])
    of_items = {}
    for name, rows in mapped.items():
        gated = case.towers[1] * sigmoid(dense(case, f"{name}_gate", filtered(case, name, rows)))
        of_items[name] = np.linalg.matrix_power(graphs[name], item_layers) @ gated
    found = case.interactions
    scale = np.sqrt(found.sum(axis=1)[:, None] * found.sum(axis=0))
    sums = np.divide(found, scale, out=np.zeros_like(found), where=scale > 0)
    of_users = {name: sums @ rows for name, rows in of_items.items()}
    embeddings = []
    for behaviour, views in zip(case.lightgcn(2), (of_users, of_items), strict=True):
        weights = np.exp(np.tanh(dense(case, "attention", views["fused"])) @ case.weight("queries/kernel"))
        shares = {"fused": 1.0} | {
            name: (weights[:, place] / weights.sum(axis=1))[:, None] for place, name in enumerate(case.features)
        }
        parts = [shares[name] * sigmoid(dense(case, f"{name}_preference", behaviour)) * views[name] for name in views]
        embeddings.append(behaviour + sum(parts))
    return embeddings


@pytest.mark.parametrize("item_layers", [1, 2])
def test_embeddings_are_those_of_the_equations(make_case, nearest, symmetric, item_layers):
    case = make_case("smore", neighbours=3, item_layers=item_layers)
    expected = expected_embeddings(case, nearest, symmetric, k=3, item_layers=item_layers)
    for found, rows in zip(case.embeddings, expected, strict=True):
        np.testing.assert_allclose(found, rows, rtol=1e-4, atol=1e-4)


def test_an_edge_has_its_largest_weight_in_any_graph():
    random = np.random.default_rng(0)
    ids = [np.stack([random.permutation(6)[:3] for _ in range(6)]) for _ in range(2)]
    weights = [random.uniform(size=(6, 3)).astype(np.float32) for _ in range(2)]
    expected = np.zeros((6, 6))
    for neighbours, values in zip(ids, weights, strict=True):
        for row in range(6):
            expected[row, neighbours[row]] = np.maximum(expected[row, neighbours[row]], values[row])
    graph = largest_of([(tf.constant(each), tf.constant(values)) for each, values in zip(ids, weights, strict=True)])
    np.testing.assert_allclose(graph.propagate(tf.eye(6)), expected, rtol=1e-6)
