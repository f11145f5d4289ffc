"""Calibrated scores against their equations in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.calibration import BorrowedVectors, Calibration, CalibrationSettings
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.model import MetaMMF
from tf_metammf.trainer.calibration_sweep import EmbeddingScores, Setting, sweep

USERS, ITEMS = 6, 30
COUNTS = np.where(np.arange(ITEMS) % 5 == 0, 0, np.arange(ITEMS))


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {name: random.normal(size=(ITEMS, width)).astype(np.float32) for name, width in (("a", 3), ("b", 4))}


@pytest.fixture(scope="module")
def model(features) -> MetaMMF:
    presence = {"a": np.arange(ITEMS) != 5, "b": np.arange(ITEMS) != 5}
    return MetaMMF(USERS, features, "bpr", presence=presence, item_frequency=COUNTS, fusion_options={"units": (4,)})


def borrowed(features: np.ndarray, vectors: np.ndarray, item: int) -> np.ndarray:
    """The equation of BorrowedVectors, of one item; features are standardised and side by side."""
    warm = np.flatnonzero(COUNTS)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit[warm] @ unit[item]
    nearest = np.argsort(-cosines)[:10]
    total = (np.maximum(cosines[nearest], 0) ** 8) @ vectors[warm[nearest]]
    return total / np.linalg.norm(total) * np.linalg.norm(vectors[warm], axis=1).mean()


def test_cold_items_have_a_bias_and_the_vectors_of_similar_ones(model, features):
    users, items = (each.numpy() for each in model.embeddings())
    borrowed_vectors = BorrowedVectors(ItemContent(model.item_features, COUNTS > 0), items, COUNTS > 0)
    cold = np.flatnonzero(COUNTS == 0)
    model.calibration = Calibration(
        CalibrationSettings(0.7, borrows=True),
        COUNTS,
        cold_vectors=borrowed_vectors.of_items(cold, tf.constant(items[cold])).numpy(),
        borrow=borrowed_vectors.of_new_items,
    )
    found_users, found_items = (each.numpy() for each in model.embeddings())
    warm = COUNTS > 0
    side_by_side = np.concatenate([(f - f[warm].mean(axis=0)) / f[warm].std(axis=0) for f in features.values()], axis=1)
    terms = np.where(warm, 0, 0.7)
    vectors = items.copy()
    for item in np.flatnonzero(~warm & (np.arange(ITEMS) != 5)):  # item 5 has no features, and keeps its own
        vectors[item] = borrowed(side_by_side, items, item)
    np.testing.assert_allclose(found_users @ found_items.T, users @ vectors.T + terms, rtol=1e-4, atol=1e-5)
    pairs = {"user": np.arange(USERS), "item": np.arange(USERS)}
    expected = (users @ vectors.T + terms)[np.arange(USERS), np.arange(USERS)]
    np.testing.assert_allclose(model.predict(pairs), expected, rtol=1e-4, atol=1e-5)
    # A new item with the features of a cold one is that item.
    of_cold = {name: tf.constant(values[[10]]) for name, values in features.items()}
    new = model.embed_new_items(of_cold, {name: tf.constant([True]) for name in features})
    np.testing.assert_allclose(new[0], found_items[10], rtol=1e-4, atol=1e-5)
    model.calibration = None
    np.testing.assert_array_equal(model.embeddings()[1], items)


def test_an_item_like_no_other_keeps_its_vector():
    content = ItemContent(FeatureTable({"a": np.array([[1.0], [2.0], [-1.0]])}), np.ones(3, bool), standardize=False)
    vectors = BorrowedVectors(content, np.eye(3, dtype=np.float32), np.array([True, True, False]))
    own = tf.constant([[5.0, 5.0, 5.0]])
    np.testing.assert_array_equal(vectors.of_items(tf.constant([2], tf.int64), own), own)


def test_a_sweep_has_the_metrics_of_every_setting():
    random = np.random.default_rng(1)
    warm = COUNTS > 0
    users, items = random.normal(size=(USERS, 3)), random.normal(size=(ITEMS, 3))
    others = random.normal(size=(ITEMS, 3))[~warm]
    scores = EmbeddingScores(
        users.astype(np.float32),
        items[warm].astype(np.float32),
        [items[~warm].astype(np.float32), others.astype(np.float32)],
        warm=warm,
    )
    settings = [Setting(b, source) for source in (0, 1) for b in (0.0, 1.5)]
    masked = np.repeat(np.arange(USERS), 3), np.tile(np.flatnonzero(warm)[:3], USERS)
    wanted = np.repeat(np.arange(USERS - 1), 4), random.permuted(np.tile(np.arange(20), (5, 1)), axis=1)[:, :4].ravel()
    found = sweep(scores, settings, wanted, masked, cutoff=5)
    hidden = set(zip(*masked, strict=True))
    for number, setting in enumerate(settings):
        vectors = items.copy()
        if setting.source:
            vectors[~warm] = others
        term = np.where(warm, 0, setting.cold_bias)
        ndcg, cold = [], []
        for user in range(USERS - 1):
            mine = vectors @ users[user] + term
            mine[masked[1][:3]] = -np.inf
            relevant = [item for item in wanted[1][wanted[0] == user] if (user, item) not in hidden]
            best = np.argsort(-mine)[:5]
            ideal = sum(1 / np.log2(place + 2) for place in range(min(5, len(relevant))))
            gain = sum(1 / np.log2(place + 2) for place, item in enumerate(best) if item in relevant)
            ndcg.append(gain / ideal)
            cold_ones = [item for item in relevant if not warm[item]]
            if cold_ones:
                cold.append(np.isin(cold_ones, best).mean())
        np.testing.assert_allclose(found.ndcg[:, number], ndcg, atol=1e-9)
        np.testing.assert_allclose(found.cold_recall[:, number], cold, atol=1e-9)
