"""Users who attend to their items: leave-one-out, embeddings, precision, refusals, exports."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import FullSoftmax, MetaMMF, UserHistories
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.saved_model import export_model

USERS, ITEMS = 7, 9
PAIRS = np.array([[0, 3], [0, 5], [1, 3], [0, 8], [2, 1], [2, 1], [2, 0], [3, 3], [4, 2], [4, 3], [5, 7]])
LATEST = {0: [3, 5, 8], 1: [3], 2: [1, 0], 3: [3], 4: [2, 3], 5: [7], 6: []}
FREQUENCY = np.bincount(PAIRS[:, 1], minlength=ITEMS)


def listed(histories: UserHistories, users, without=None) -> list[list[int]]:
    items, there = histories.of(tf.constant(users), without=None if without is None else tf.constant(without))
    return [row[mask].tolist() for row, mask in zip(items.numpy(), there.numpy(), strict=True)]


def test_a_history_has_the_latest_items_each_once_and_without_the_one_asked_for():
    everybody = list(range(USERS))
    histories = UserHistories(*PAIRS.T, user_count=USERS)
    assert listed(histories, everybody) == list(LATEST.values())
    assert listed(histories, [0, 0, 6, 1], without=[5, 7, 0, 3]) == [[3, 8], [3, 5, 8], [], []]
    assert listed(UserHistories(*PAIRS.T, user_count=USERS, most=2), [0, 2]) == [[5, 8], [1, 0]]
    backwards = UserHistories(*PAIRS.T, user_count=USERS, most=2, timestamps=-np.arange(len(PAIRS)))
    assert listed(backwards, [0, 2]) == [[5, 3], [0, 1]]
    assert listed(UserHistories([], [], user_count=2), [0, 1]) == [[], []]
    with pytest.raises(InvalidInputError, match="UserHistories: most is 0"):
        UserHistories(*PAIRS.T, user_count=USERS, most=0)


def model_of(**options) -> MetaMMF:
    keras.utils.set_random_seed(1)
    features = {"visual": np.random.default_rng(0).normal(size=(ITEMS, 5))}
    settings = {
        "item_frequency": FREQUENCY,
        "histories": UserHistories(*PAIRS.T, user_count=USERS),
        "user_id_dropout": 0.0,
        "fusion_options": {"units": (6,), "meta_units": 2, "rank": 2},
        "id_units": 6,
        "combination": "add",
        "normalize": True,
    }
    model = MetaMMF(USERS, features, FullSoftmax(FREQUENCY), **(settings | options))
    random = np.random.default_rng(4)
    for weight in model.user_tower.trainable_weights:
        weight.assign(random.normal(size=weight.shape))
    return model


def attended(model: MetaMMF, own: np.ndarray, histories: list[list[int]]) -> np.ndarray:
    """The equation, one user after the other."""
    items, tower = model.item_embeddings().numpy().astype(np.float64), model.user_tower.history
    query, bias, key = (weight.numpy().astype(np.float64) for weight in (*tower.queries.weights, *tower.keys.weights))
    found = []
    for embedding, history in zip(own.astype(np.float64), histories, strict=True):
        vectors = items[history] if history else np.zeros((0, 6))
        scores = np.exp((vectors @ key.T) @ (embedding @ query + bias) / np.sqrt(32))
        found.append(embedding + (scores / scores.sum()) @ vectors)
    return np.array(found) / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_loss_is_that_of_users_who_never_met_the_item_they_are_asked_for():
    model = model_of()
    batch = {"user": tf.constant([0, 0, 2, 1, 6]), "item": tf.constant([5, 8, 1, 3, 7])}
    without = [[3, 8], [3, 5], [0], [], []]
    queries = attended(model, model.user_tower(batch["user"]).numpy(), without)
    candidates = tf.gather(model.item_embeddings(), model.objective.candidates(batch))
    expected = model.objective(tf.constant(queries, tf.float32), candidates, batch)
    for training in (True, False):
        np.testing.assert_allclose(model.compute_loss(batch, training=training), expected, rtol=1e-4)


def test_users_are_embedded_with_all_of_their_items():
    model = model_of()
    expected = attended(model, model.user_tower(tf.range(USERS)).numpy(), list(LATEST.values()))
    np.testing.assert_allclose(model.user_embeddings(), expected, atol=1e-5)
    some = tf.constant([4, 0], tf.int64)
    np.testing.assert_allclose(model.embed(some, some)[0], expected[[4, 0]], atol=1e-5)


def test_dropout_hides_who_a_user_is_but_never_a_user_without_items():
    history = model_of(user_id_dropout=0.99).user_tower.history
    there = tf.constant([[True], [False]] * 50)
    seen = history(tf.ones([100, 6]), tf.zeros([100, 1, 6]), there, training=True).numpy()
    assert seen[::2].mean() < 0.2
    assert (seen[1::2] == 1).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_gives_almost_the_same(policy):
    exact, half = model_of(), model_of(dtype=policy)
    half.set_weights(exact.get_weights())
    np.testing.assert_allclose(half.user_embeddings(), exact.user_embeddings(), atol=0.05)
    half.compile(keras.optimizers.legacy.Adam(0.01), run_eagerly=True)
    loss = half.fit({"user": PAIRS[:, 0], "item": PAIRS[:, 1]}, batch_size=11, verbose=0).history["loss"]
    assert np.isfinite(loss).all()


def test_encoders_that_mix_users_and_items_are_refused():
    with pytest.raises(InvalidInputError, match="the encoder is vbpr, which changes users and items behind"):
        model_of(encoder="vbpr")


@pytest.mark.long
def test_an_export_attends_to_the_history_of_a_request_as_training_did(tmp_path):
    model = model_of()
    ids = {"user_ids": [f"u{user}" for user in range(USERS)], "item_ids": [f"v{item}" for item in range(ITEMS)]}
    untrained = np.arange(USERS) == 4
    folder = export_model(model, tmp_path / "model", seen=tuple(PAIRS.T), untrained=untrained, **ids)
    signatures = tf.saved_model.load(str(folder)).signatures
    request = {
        "history_item_id": tf.constant([["v8", "v3", "v3"], ["v7", "", "unheard of"], ["", "", ""]]),
        "k": tf.constant(ITEMS),
    }
    answer = signatures["recommend_for_history"](**request)
    assert answer["known"].numpy().tolist() == [True, True, False]
    queries = attended(model, np.zeros((2, 6)), [[8, 3], [7]])
    scores = queries @ model.item_embeddings().numpy().T
    for row, seen in enumerate([[3, 8], [7]]):
        expected = sorted(set(range(ITEMS)) - set(seen), key=lambda item: -scores[row, item])
        assert answer["item_id"][row].numpy().tolist()[: len(expected)] == [f"v{item}".encode() for item in expected]
        np.testing.assert_allclose(answer["score"][row][: len(expected)], scores[row, expected], atol=1e-5)
    users = np.vstack(
        [model.user_embeddings().numpy()[:1], attended(model, np.zeros((1, 6)), [LATEST[4]])]  # without an own one
    )
    pairs = {"user_id": tf.constant(["u0", "u4"]), "item_id": tf.constant(["v1", "v6"])}
    expected = (users * model.item_embeddings().numpy()[[1, 6]]).sum(axis=1)
    np.testing.assert_allclose(signatures["score"](**pairs)["score"], expected, atol=1e-5)
