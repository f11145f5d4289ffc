"""Rewards that are learned from the weights of interactions, such as watch times."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records import read_interactions
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs
from tf_metammf.trainer.labelling.reward_judge import RewardJudge
from tf_metammf.trainer.labelling.reward_model import RewardSettings
from tf_metammf.trainer.labelling.reward_pairs import reward_pairs
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS = 30, 50
SETTINGS = RewardSettings(steps=300, learning_rate=0.01)


def tables():
    """Factors of users and items; how long somebody watches follows the first of them alone."""
    random = np.random.default_rng(0)
    return random.normal(size=(USERS, 3)).astype(np.float32), random.normal(size=(ITEMS, 3)).astype(np.float32)


def seconds(user, item):
    users, items = tables()
    return np.exp(users[user, 0] * items[item, 0]).astype(np.float32)


def data_of(folder, weight, *, equal_users=()):
    """A record set whose interactions have a weight, and say nothing but for it."""
    random = np.random.default_rng(1)
    user = np.repeat(np.arange(USERS), 20)
    item = np.concatenate([random.permutation(ITEMS)[:20] for _ in range(USERS)])
    weights = None if weight is None else weight(user, item)
    if weights is not None:
        weights[np.isin(user, equal_users)] = 1
    everything = Interactions(user, item, weight=weights)
    is_train = np.tile(np.arange(20) < 16, USERS)
    splits = {"train": everything.take(is_train), "validation": everything.take(~is_train)}
    splits["test"] = everything.take(np.zeros(len(user), bool))
    row_of_item = np.where(np.arange(ITEMS) > 2, np.arange(ITEMS), -1)
    modalities = {"visual": ModalityFeatures(random.normal(size=(ITEMS, 2)), row_of_item)}
    names = [f"user {n}" for n in range(USERS)], [f"item {n}" for n in range(ITEMS)]
    record_set = write_record_set(RawData("watched", *names, splits["train"], modalities, splits), splits, folder)
    return TrainingData(record_set, modalities=[])


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return data_of(tmp_path_factory.mktemp("watched") / "records", seconds, equal_users=[4])


def model():
    return SimpleNamespace(embeddings=tables)


@pytest.mark.parametrize(("held_out", "split"), [(False, "train"), (True, "validation")])
def test_pairs_are_of_two_interactions_of_a_user_the_longer_watched_one_first(watched, held_out, split):
    found = reward_pairs(watched, held_out=held_out, from_weights=True, seed=3)
    part = read_interactions(watched.record_set, split)
    weight = dict(zip(zip(part.user.tolist(), part.item.tolist(), strict=True), part.weight.tolist(), strict=True))
    pairs = [*zip(found.user.tolist(), found.first.tolist(), found.second.tolist(), strict=True)]
    assert all(weight[user, first] > weight[user, second] for user, first, second in pairs)
    # Every interaction is in a pair, but for those of the user whose weights are all the same.
    taken = {(user, item) for user, *items in pairs for item in items}
    assert taken == {pair for pair in weight if pair[0] != 4}
    again = reward_pairs(watched, held_out=held_out, from_weights=True, seed=3)
    np.testing.assert_array_equal(again.second, found.second)


def test_a_reward_is_learned_from_watch_times(watched):
    judge = RewardJudge(model(), watched, from_weights=True, settings=SETTINGS)
    assert judge.source == "reward:weights"
    assert judge.accuracy > 0.85
    random = np.random.default_rng(5)
    pairs = DrawnPairs(random.integers(0, USERS, 500), *random.integers(0, ITEMS, (2, 500)))
    differ = pairs.first != pairs.second
    longer = np.where(seconds(pairs.user, pairs.first) > seconds(pairs.user, pairs.second), 1, -1)
    assert (judge.choose(pairs)[differ] == longer[differ]).mean() > 0.85


def test_with_a_withheld_modality_items_without_it_are_not_judged(watched):
    judge = RewardJudge(model(), watched, withheld=["visual"], from_weights=True, settings=replace(SETTINGS, steps=2))
    assert judge.source == "reward:weights,visual"
    pairs = DrawnPairs(np.zeros(3, np.int64), np.array([1, 5, 6]), np.array([7, 2, 8]))
    assert (judge.choose(pairs) != 0).tolist() == [False, False, True]


def test_without_weights_or_with_equal_ones_there_is_nothing_to_learn(tmp_path):
    with pytest.raises(InvalidInputError, match=r"its interactions have no weights.* or withhold a modality"):
        RewardJudge(model(), data_of(tmp_path / "none", None), from_weights=True)
    equal = data_of(tmp_path / "equal", lambda user, _: np.ones(len(user), np.float32))
    with pytest.raises(InvalidInputError, match="no pair to learn from has different weights"):
        RewardJudge(model(), equal, from_weights=True)
    with pytest.raises(InvalidInputError, match=r"withheld is empty, expected modalities .* or from_weights"):
        RewardJudge(model(), equal)
