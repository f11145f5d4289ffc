"""Weights of interactions in every objective: against NumPy, against repeated rows, and as if they were not there."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InteractionGraph, MetaMMF
from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.replicas import mean_over_batch
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.objectives.objective import Objective, make_objective
from tf_metammf.objectives.objectives import BPR, FullSoftmax

import tensorflow_recommenders as tfrs  # isort: skip - after the package, which chooses Keras 2

USERS, ITEMS = 4, 5
FREQUENCY = np.array([3, 1, 4, 0, 2])
USER = np.array([0, 1, 2, 2, 3, 0])
ITEM = np.array([0, 2, 4, 0, 1, 2])
NEGATIVE = np.array([[1, 3], [3, 0], [2, 1], [3, 3], [4, 0], [1, 4]])
WEIGHTS = np.array([2.0, 0.0, 0.5, 1.0, 3.0, 0.25], np.float32)

OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "in_batch_softmax": lambda: InBatchSoftmax(FREQUENCY, temperature=0.5),
    "in_batch_softmax, hits kept": lambda: InBatchSoftmax(FREQUENCY, temperature=0.5, remove_accidental_hits=False),
    "in_batch_softmax, both ways": lambda: InBatchSoftmax(
        FREQUENCY, user_frequency=np.array([3, 2, 4, 1]), temperature=0.5, item_to_user_weight=0.4
    ),
    "full_softmax": lambda: FullSoftmax(FREQUENCY, temperature=0.5),
    "bpr": lambda: BPR(temperature=0.5),
}

of_users = tf.constant(np.random.default_rng(0).normal(size=(USERS, 3)), tf.float32)
of_items = tf.constant(np.random.default_rng(1).normal(size=(ITEMS, 3)), tf.float32)


def batch_of(rows: np.ndarray, weights: np.ndarray | None = None) -> dict[str, tf.Tensor]:
    batch = {"user": tf.constant(USER[rows]), "item": tf.constant(ITEM[rows]), "negative": tf.constant(NEGATIVE[rows])}
    return batch if weights is None else {**batch, "weight": tf.constant(weights, tf.float32)}


def loss_and_gradients(objective: Objective, batch: dict[str, tf.Tensor]) -> tuple[np.ndarray, list[np.ndarray]]:
    with tf.GradientTape() as tape:
        tape.watch([of_users, of_items])
        candidates = tf.gather(of_items, objective.candidates(batch))
        loss = objective(tf.gather(of_users, batch["user"]), candidates, batch)
    return loss.numpy(), [tf.convert_to_tensor(each).numpy() for each in tape.gradient(loss, [of_users, of_items])]


def softmax_losses(anchors: np.ndarray, others: np.ndarray, own: np.ndarray, ids: np.ndarray, log_q: np.ndarray):
    """``-log softmax`` of every row, over the rows of the batch without other occurrences of its positive."""
    losses = []
    for row, anchor in enumerate(anchors):
        rows = [other for other in range(len(ids)) if other == row or ids[other] != ids[row]]
        scores = np.array([anchor @ others[other] / 0.5 - log_q[ids[other]] for other in rows])
        losses.append(np.log(np.exp(scores).sum()) - scores[rows.index(row)])
    return np.array(losses)


def losses_in_numpy(name: str) -> np.ndarray:
    """The loss of every interaction, float64."""
    users, items = of_users.numpy().astype(float), of_items.numpy().astype(float)
    if name == "bpr":
        margins = (users[USER] * items[ITEM]).sum(1)[:, None] - np.einsum("bd,bnd->bn", users[USER], items[NEGATIVE])
        return np.log1p(np.exp(-margins / 0.5)).mean(axis=1)
    if name == "full_softmax":
        scores = users[USER] @ items[FREQUENCY > 0].T / 0.5
        own = np.cumsum(FREQUENCY > 0)[ITEM] - 1
        return np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(USER)), own]
    log_q = np.log(np.maximum(FREQUENCY, 1) / np.maximum(FREQUENCY, 1).sum())  # of counts, whatever the weights
    forward = softmax_losses(users[USER], items[ITEM], ITEM, ITEM, log_q)
    if name == "in_batch_softmax":
        return forward
    log_p = np.log(np.array([3, 2, 4, 1]) / 10)
    return forward + 0.4 * softmax_losses(items[ITEM], users[USER], USER, USER, log_p)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if "kept" not in name])
def test_a_weighted_loss_is_the_weighted_mean_of_the_losses_of_interactions(name):
    loss, _ = loss_and_gradients(OBJECTIVES[name](), batch_of(np.arange(6), WEIGHTS))
    np.testing.assert_allclose(loss, (WEIGHTS * losses_in_numpy(name)).sum() / WEIGHTS.sum(), rtol=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_weighted_gradient_is_the_weighted_mean_of_those_of_single_interactions(name):
    objective, every = OBJECTIVES[name](), np.arange(6)
    _, found = loss_and_gradients(objective, batch_of(every, WEIGHTS))
    single = [loss_and_gradients(objective, batch_of(every, np.eye(6)[row]))[1] for row in range(6)]
    for place, gradient in enumerate(found):
        expected = sum(weight * each[place] for weight, each in zip(WEIGHTS, single, strict=True)) / WEIGHTS.sum()
        np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_weights_of_one_change_no_bit(name):
    objective, every = OBJECTIVES[name](), np.arange(6)
    plain, weighted = (loss_and_gradients(objective, batch_of(every, weights)) for weights in (None, np.ones(6)))
    assert plain[0] == weighted[0]
    for one, other in zip(plain[1], weighted[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_unit_of_weights_changes_nothing(name):
    objective, every = OBJECTIVES[name](), np.arange(6)
    seconds, minutes = (loss_and_gradients(objective, batch_of(every, WEIGHTS / unit)) for unit in (1, 64))
    np.testing.assert_allclose(seconds[0], minutes[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["full_softmax", "bpr"])
def test_a_weight_of_two_is_the_row_twice_where_others_of_the_batch_are_no_candidates(name):
    objective = OBJECTIVES[name]()
    weighted = loss_and_gradients(objective, batch_of(np.arange(6), np.array([1, 1, 2, 1, 1, 1])))
    twice = loss_and_gradients(objective, batch_of(np.array([0, 1, 2, 2, 3, 4, 5])))
    np.testing.assert_allclose(weighted[0], twice[0], rtol=1e-6)
    for one, other in zip(weighted[1], twice[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_batch_without_any_weight_has_neither_loss_nor_gradient():
    with tf.GradientTape() as tape:
        losses = tf.constant([1.0, 2.0])
        tape.watch(losses)
        mean = mean_over_batch(losses, tf.zeros([2]))
    assert (float(mean), tape.gradient(mean, losses).numpy().tolist()) == (0, [0, 0])


def test_a_task_of_tfrs_gets_the_weights_and_one_that_takes_none_is_refused():
    retrieval = make_objective(tfrs.tasks.Retrieval())
    plain, weighted = (
        float(loss_and_gradients(retrieval, batch_of(np.arange(6), weights))[0]) for weights in (None, 2 * np.ones(6))
    )
    np.testing.assert_allclose(weighted, 2 * plain, rtol=1e-5)  # TFRS adds up

    class Plain(keras.layers.Layer, tfrs.tasks.base.Task):
        def call(self, query_embeddings, candidate_embeddings):
            return tf.reduce_sum(query_embeddings * candidate_embeddings)

    with pytest.raises(InvalidInputError, match="takes no sample_weight"):
        loss_and_gradients(make_objective(Plain()), batch_of(np.arange(6), WEIGHTS))


def made(objective: str, encoder: str = "mf", **options) -> MetaMMF:
    features = {"visual": np.random.default_rng(2).normal(size=(ITEMS, 4)).astype(np.float32)}
    model = MetaMMF(USERS, features, objective, item_frequency=FREQUENCY, encoder=encoder, id_units=3, **options)
    for place, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(place).normal(size=variable.shape) * 0.3)
    model.compile("sgd")
    return model


def test_fit_takes_sample_weight_or_a_weight_beside_the_ids():
    data = {"user": USER, "item": ITEM}
    weighted = [made("in_batch_softmax") for _ in range(4)]
    losses = [
        weighted[0].fit({**data, "weight": WEIGHTS}, shuffle=False, verbose=0),
        weighted[1].fit(data, sample_weight=WEIGHTS, shuffle=False, verbose=0),
        weighted[2].fit(tf.data.Dataset.from_tensors({**data, "weight": WEIGHTS}), verbose=0),
        weighted[3].fit(data, shuffle=False, verbose=0),
    ]
    first, second, third, unweighted = (trained.history["loss"][0] for trained in losses)
    assert first == second == third != unweighted
    embeddings = [model.item_embeddings().numpy() for model in weighted]
    np.testing.assert_array_equal(embeddings[0], embeddings[1])
    assert not np.array_equal(embeddings[0], embeddings[3])


def test_the_loss_of_an_epoch_is_the_mean_over_all_weights():
    model = made("full_softmax")
    data = {"user": USER, "item": ITEM, "weight": WEIGHTS}
    whole = model.evaluate(data, batch_size=6, verbose=0)
    np.testing.assert_allclose(model.evaluate(data, batch_size=4, verbose=0), whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -1, 1, 1, 1, 1], "has -1.0, expected finite numbers of at least 0"),
        ([np.nan, 1, 1, 1, 1, 1], "has nan"),
        ([np.inf, 1, 1, 1, 1, 1], "has inf"),
        ([0.0] * 6, "is 0 for all interactions"),
        ([1.0, 2.0], "has 2 numbers, expected 6"),
        ([[1.0]] * 6, "of rank 2"),
        (["much"] * 6, "expected numbers"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weight, message):
    model = made("full_softmax")
    with pytest.raises(InvalidInputError, match=message):
        model.fit({"user": USER, "item": ITEM}, sample_weight=np.array(weight), verbose=0)


@pytest.mark.parametrize(("encoder", "objective"), [("bm3", "none"), ("freedom", "bpr"), ("invrl", "bpr")])
def test_losses_of_encoders_follow_the_weights(encoder, objective):
    """A weight of 1 changes no bit, and of interactions with the weight 0 nothing is learned."""
    options = {} if encoder == "invrl" else {"graph": InteractionGraph(USER, ITEM, users=USERS, items=ITEMS)}
    options |= {"target_dropout": 0.0} if encoder == "bm3" else {"pruning": 0.0} if encoder == "freedom" else {}
    options |= {"noise": 0.0} if encoder == "invrl" else {}
    model = made(objective, encoder, encoder_options=options, fusion=None)

    def loss(rows, weights=None):
        return float(model.compute_loss(batch_of(np.array(rows), weights), training=False))

    every = [0, 1, 2, 3, 4, 5]
    assert loss(every) == loss(every, np.ones(6))
    np.testing.assert_allclose(loss(every, np.array([1, 1, 0, 1, 0, 0])), loss([0, 1, 3]), rtol=1e-5)
    np.testing.assert_allclose(loss(every, np.array([1, 1, 2, 1, 1, 1])), loss([0, 1, 2, 2, 3, 4, 5]), rtol=1e-5)
