"""Losses of preferences against NumPy, and what a step of a model makes of them."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import BPR, InteractionGraph, MetaMMF
from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.objectives.preference import Preference
from tf_metammf.objectives.preference_losses import LOSSES, preference_losses

RANDOM = np.random.default_rng(5)
CHOSEN, REJECTED = RANDOM.normal(0, 3, 6).astype(np.float32), RANDOM.normal(0, 3, [6, 4]).astype(np.float32)
THERE = np.arange(4) < np.array([1, 2, 3, 4, 4, 1])[:, None]
BETA, SMOOTHING = 0.3, 0.15


def found(loss, chosen=CHOSEN, rejected=REJECTED, there=THERE, **options):
    tensors = (tf.constant(each) for each in (chosen, rejected, there))
    return preference_losses(*tensors, loss=loss, **{"beta": BETA, **options}).numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of_rows(each):
    """The mean of a function of the margins over the rejected items that are there."""
    return [np.mean(each(CHOSEN[row] - REJECTED[row, THERE[row]])) for row in range(6)]


def test_dpo_and_its_conservative_form():
    np.testing.assert_allclose(found("dpo"), of_rows(lambda h: -np.log(sigmoid(BETA * h))), rtol=1e-5)
    smoothed = of_rows(lambda h: -(1 - SMOOTHING) * np.log(sigmoid(BETA * h)) - SMOOTHING * np.log(sigmoid(-BETA * h)))
    np.testing.assert_allclose(found("dpo", label_smoothing=SMOOTHING), smoothed, rtol=1e-5)


def test_ipo():
    np.testing.assert_allclose(found("ipo"), of_rows(lambda h: (h - 1 / (2 * BETA)) ** 2), rtol=1e-5)
    smoothed = of_rows(lambda h: (1 - SMOOTHING) * (h - 1 / (2 * BETA)) ** 2 + SMOOTHING * (h + 1 / (2 * BETA)) ** 2)
    np.testing.assert_allclose(found("ipo", label_smoothing=SMOOTHING), smoothed, rtol=1e-5)


def test_softmax_dpo_as_published():
    expected = []
    for row in range(6):
        ratio = np.sum(np.exp(BETA * (REJECTED[row, THERE[row]] - CHOSEN[row])))
        expected.append(-np.log(sigmoid(-np.log(ratio))))
    np.testing.assert_allclose(found("softmax_dpo"), expected, rtol=1e-5)


def test_softmax_dpo_is_a_sampled_softmax_on_residuals():
    """Of what a catalogue's softmax would be with these candidates alone: a soft label where labels may be wrong."""
    for smoothing in (0.0, SMOOTHING):
        expected = []
        for row in range(6):
            logits = BETA * np.concatenate([CHOSEN[row : row + 1], REJECTED[row, THERE[row]]])
            log_shares = logits - np.log(np.sum(np.exp(logits)))
            labels = np.full(len(logits), smoothing / (len(logits) - 1))
            labels[0] = 1 - smoothing
            expected.append(-np.sum(labels * log_shares))
        np.testing.assert_allclose(found("softmax_dpo", label_smoothing=smoothing), expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, SMOOTHING])
def test_with_one_rejected_item_softmax_dpo_is_dpo(smoothing):
    one = {"rejected": REJECTED[:, :1], "there": np.ones([6, 1], bool), "label_smoothing": smoothing}
    np.testing.assert_allclose(found("softmax_dpo", **one), found("dpo", **one), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_items_that_are_not_there_have_no_part_in_loss_or_gradient(loss):
    chosen, rejected = tf.Variable(CHOSEN), tf.Variable(REJECTED)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(preference_losses(chosen, rejected, tf.constant(THERE), loss=loss, label_smoothing=0.1))
    of_chosen, of_rejected = (each.numpy() for each in tape.gradient(value, [chosen, rejected]))
    assert np.isfinite(of_chosen).all()
    assert (of_rejected[~THERE] == 0).all()
    assert (of_rejected[THERE] != 0).all()
    other = np.where(THERE, REJECTED, 1e6).astype(np.float32)
    np.testing.assert_array_equal(found(loss), found(loss, rejected=other))


def made(objective, **options):
    random = np.random.default_rng(1)
    features = {"visual": random.normal(size=(9, 4)), "acoustic": random.normal(size=(9, 3))}
    options = {"fusion_options": {"units": [4]}, "id_units": 4, "normalize": True, **options}
    return MetaMMF(6, features, objective, item_frequency=np.ones(9, int), **options)


def batch(pairs=3):
    return {
        "user": tf.constant([0, 1, 2, 3], tf.int64),
        "item": tf.constant([0, 1, 2, 3], tf.int64),
        "preference": {
            "user": tf.constant([0, 4, 4][:pairs], tf.int64),
            "chosen": tf.constant([5, 6, 5][:pairs], tf.int64),
            "rejected": tf.constant([[6, 7], [8, 5], [7, 7]][:pairs], tf.int64),
            "there": tf.constant([[True, True], [True, True], [True, False]][:pairs]),
        },
    }


def with_reference(objective_options, **options):
    """A model, and the same one with itself as its reference."""
    keras.utils.set_random_seed(3)
    before = made("in_batch_softmax", **options)
    objective = Preference(np.ones(9, int), reference=Teacher.of(before), temperature=0.2, **objective_options)
    model = made(objective, **options)
    for old, new in zip(before.trainable_variables, model.trainable_variables, strict=True):
        new.assign(old)
    for one, two in zip(before.embeddings(), model.embeddings(), strict=True):
        np.testing.assert_array_equal(one, two)
    return before, model


GRAPH = {"encoder_options": {"graph": InteractionGraph(np.arange(6), np.arange(6), users=6, items=9)}}
MODELS = {
    "metammf": {},
    "concatenation": {"fusion": "concatenation"},
    "lightgcn": {"encoder": "lightgcn", **GRAPH},
    "sage": {"encoder": "sage", **GRAPH},
    "dropped": {"id_dropout": 0.5, "modality_dropout": 0.5},
}


@pytest.mark.parametrize("name", MODELS)
def test_a_step_begins_at_the_reference_whatever_is_dropped_and_moves_the_pairs_apart(name):
    _, model = with_reference({"anchor": 0.0, "beta": 0.5}, **MODELS[name])
    model.compile("sgd")
    assert float(model._preference_loss(batch())) == pytest.approx((2 * np.log(3) + np.log(2)) / 3, rel=1e-3)
    first = model.train_step(batch())
    assert abs(float(first["chosen_residual"])) < 1e-3
    for _ in range(4):
        last = model.train_step(batch())
    assert float(last["chosen_residual"]) > float(last["rejected_residual"])


def test_the_anchor_is_the_softmax_over_interactions_times_its_factor():
    before, model = with_reference({"anchor": 0.25})
    plain = {name: values for name, values in batch().items() if name != "preference"}
    temperature = model.objective.temperature
    before.objective.temperature = temperature
    expected = 0.25 * float(before.compute_loss(plain))
    assert float(model.compute_loss(plain)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InvalidInputError, match='found no "preference" in the batch'):
        model.compute_loss(plain, training=True)


def test_without_a_reference_dpo_is_bpr_on_the_pairs():
    nothing = Teacher(np.zeros([6, 4], np.float32), np.zeros([9, 4], np.float32), np.ones(9, bool))
    users, chosen = (tf.constant(RANDOM.normal(size=(3, 4)).astype(np.float32)) for _ in range(2))
    rejected = tf.constant(RANDOM.normal(size=(3, 2, 4)).astype(np.float32))
    pairs = {**batch()["preference"], "there": tf.ones([3, 2], tf.bool)}
    objective = Preference(np.ones(9, int), reference=nothing, loss="dpo", beta=1.0, temperature=0.2)
    candidates = tf.concat([chosen, tf.reshape(rejected, [6, 4])], axis=0)
    interactions = {"user": pairs["user"], "item": pairs["chosen"], "negative": pairs["rejected"]}
    expected = BPR(temperature=0.2)(users, candidates, interactions)
    np.testing.assert_allclose(objective.pair_loss(users, chosen, rejected, pairs), expected, rtol=1e-5)


def test_weights_of_preferences_count():
    _, model = with_reference({"anchor": 0.0, "loss": "ipo"})
    whole, weighted = batch(), batch()
    weighted["preference"]["weight"] = tf.constant([1.0, 0.0, 0.0])
    model.objective.beta = 1.0
    one = {name: values[:1] for name, values in whole["preference"].items()}
    assert float(model._preference_loss(weighted)) == pytest.approx(
        float(model._preference_loss({**whole, "preference": one})), rel=1e-5
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"loss": "ppo"}, "expected one of softmax_dpo, dpo, ipo"),
        ({"beta": 0}, "beta is 0, expected a number above 0"),
        ({"label_smoothing": 0.5}, "label_smoothing is 0.5"),
        ({"anchor": -1}, "anchor is -1"),
        ({"temperature": 0}, "temperature is 0"),
    ],
)
def test_arguments_out_of_bounds_are_refused(options, expected):
    with pytest.raises(InvalidInputError, match=expected):
        Preference(np.ones(9, int), **options)


def test_without_its_reference_it_scores_and_does_not_train():
    objective = Preference(np.ones(9, int))
    assert Preference.from_config(objective.get_config()).beta == 0.1
    with pytest.raises(InvalidInputError, match="no reference"):
        objective.pair_loss(tf.zeros([3, 4]), tf.zeros([3, 4]), tf.zeros([3, 2, 4]), batch()["preference"])
