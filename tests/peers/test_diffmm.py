"""DiffMM: its graphs, its embeddings and its losses."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.generated_edges import generated_sums

SMALL = {"hidden_units": 6, "diffusion_steps": 3}


def normalized(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def bipartite(found: np.ndarray) -> np.ndarray:
    """The normalised adjacency of users and items."""
    degrees = np.maximum(found.sum(axis=1), 1)[:, None] * np.maximum(found.sum(axis=0), 1)
    scaled = found / np.sqrt(degrees)
    users, items = found.shape
    return np.block([[np.zeros((users, users)), scaled], [scaled.T, np.zeros((items, items))]])


def with_edges(case) -> dict[str, np.ndarray]:
    """Gives the case generated edges, some users none; the matrices of both modalities."""
    random = np.random.default_rng(4)
    matrices = {}
    for name, variable in case.model.encoder.generated.items():
        chosen = np.stack([random.permutation(9)[:2] for _ in range(12)])
        chosen[3] = -1
        variable.assign(chosen)
        matrices[name] = np.zeros((12, 9))
        for user in {*range(12)} - {3}:
            matrices[name][user, chosen[user]] = 1
    return matrices


def expected_nodes(case, *, layers: int, generated_weight: float, modality_weight: float):
    """``h`` and the views of all nodes, users first."""
    matrices = {name: bipartite(matrix) for name, matrix in with_edges(case).items()}
    graph = bipartite(case.interactions)
    powers = sum(np.linalg.matrix_power(graph, layer) for layer in range(layers + 1))
    users, items = case.towers
    shares = np.exp(case.weight("modality_weights"))
    shares /= shares.sum()
    fused, views = 0.0, []
    for share, (name, features) in zip(shares, case.features.items(), strict=True):
        mapped = features @ case.weight(f"{name}_map/kernel") + case.weight(f"{name}_map/bias")
        nodes = np.concatenate([users, normalized(np.where(mapped > 0, mapped, 0.2 * mapped))])
        fused = fused + share * (graph @ nodes + generated_weight * matrices[name] @ nodes)
        views.append(powers @ matrices[name] @ nodes)
    return powers @ (np.concatenate([users, items]) + fused) + modality_weight * normalized(fused), views


@pytest.mark.parametrize("layers", [1, 2])
def test_embeddings_are_those_of_the_equations(make_case, layers):
    options = {"layers": layers, "generated_weight": 0.7, "modality_weight": 0.4}
    case = make_case("diffmm", generated_items=2, **SMALL, **options)
    expected, _ = expected_nodes(case, **options)
    np.testing.assert_allclose(np.concatenate(case.embeddings), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_contrasts_the_embedding_with_the_view_of_every_modality(make_case):
    case, without = (make_case("diffmm", generated_items=2, contrast_weight=weight, **SMALL) for weight in (0.2, 0.0))
    hidden, views = expected_nodes(case, layers=1, generated_weight=0.5, modality_weight=0.5)
    with_edges(without)
    expected = 0.0
    for name, offset in (("user", 0), ("item", 12)):
        ids = case.batch[name].numpy()
        for view in views:
            weights = np.exp(normalized(hidden)[offset + ids] @ normalized(view)[offset + ids].T / 0.5)
            weights[(ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)] = 0
            expected += 0.2 * -np.log(np.diag(weights) / weights.sum(axis=1)).mean()
    difference = case.model.compute_loss(case.batch) - without.model.compute_loss(case.batch)
    np.testing.assert_allclose(difference, expected, rtol=1e-3)


def test_a_training_step_adds_the_losses_of_the_diffusions_of_its_users(make_case, monkeypatch):
    case = make_case("diffmm", contrast_weight=0.0, signal_weight=0.3, **SMALL)
    encoder = case.model.encoder
    seen = {}
    for name, diffusion in encoder.diffusions.items():

        def predicted(rows, step, name=name, original=diffusion.predicted):
            seen[name] = step.numpy(), original(rows, step).numpy()
            return tf.constant(seen[name][1])

        monkeypatch.setattr(diffusion, "predicted", predicted)
    batch = {**case.batch, "user": tf.constant([3, 0, 3], tf.int64)}
    difference = case.model.compute_loss(batch, training=True) - case.model.compute_loss(batch)
    rows = case.interactions[[3, 0]]
    expected = 0.0
    for name, (step, prediction) in seen.items():
        mapped = case.features[name] @ case.weight(f"{name}_map/kernel") + case.weight(f"{name}_map/bias")
        content = normalized(np.where(mapped > 0, mapped, 0.2 * mapped))
        weights = encoder.diffusions[name].weights_of_steps
        losses = weights[step - 1] / weights.mean() * ((prediction - rows) ** 2).sum(axis=1)
        signals = ((prediction @ content - rows @ case.towers[1]) ** 2).sum(axis=1)
        expected += (losses + 0.3 * signals).mean()
    np.testing.assert_allclose(difference, expected, rtol=1e-3)


def test_graphs_are_generated_from_denoised_rows_when_they_are_due(make_case):
    case = make_case("diffmm", generated_items=2, refresh_steps=2, **SMALL)
    encoder = case.model.encoder
    step = tf.function(lambda: case.model.compute_loss(case.batch, training=True))
    for _ in range(2):
        step()
        assert (encoder.generated["visual"].numpy() == -1).all()
    step()
    rows = tf.constant(case.interactions, tf.float32)
    expected = np.argsort(-encoder.diffusions["visual"].denoised(rows).numpy(), axis=1)[:, :2]
    np.testing.assert_array_equal(encoder.generated["visual"], expected)


def test_diffusions_learn_and_leave_embeddings_alone(make_case):
    case = make_case("diffmm", contrast_weight=0.0, **SMALL)
    encoder = case.model.encoder
    with tf.GradientTape() as tape:
        loss = encoder._diffusion_loss(tf.constant(case.interactions[:3], tf.float32), tf.zeros([3, 5]))
    kernels = [diffusion.out.kernel for diffusion in encoder.diffusions.values()]
    others = [encoder.maps["visual"].kernel, case.model.user_tower.embedding.embeddings]
    found = tape.gradient(loss, [*kernels, *others])
    assert all(np.abs(gradient).max() > 0 for gradient in found[:2]) and found[2:] == [None, None]


def test_generated_sums_are_normalised_by_the_degrees_of_both_ends():
    chosen = np.array([[0, 2], [2, -1], [-1, -1]])
    matrix = np.array([[1.0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    users, items = np.random.default_rng(0).normal(size=(2, 4, 3))
    expected = bipartite(matrix) @ np.concatenate([users[:3], items])
    found = generated_sums(
        tf.constant(chosen, tf.int32), tf.constant(users[:3], tf.float32), tf.constant(items, tf.float32)
    )
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5, atol=1e-6)


def test_a_catalogue_that_is_too_large_for_its_diffusions_is_refused(make_case):
    with pytest.raises(InvalidInputError, match=r"diffuses rows of 9 items for 2 modalities, which takes .* Increase"):
        make_case("diffmm", budget_gb=1e-6)
