"""Metrics beyond accuracy, against their definitions item by item and pair by pair."""

from itertools import combinations

import numpy as np
import pytest

from tf_metammf.features.content_directions import content_directions
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.ranking.beyond_accuracy import BEYOND_ACCURACY, BeyondAccuracy, profile_popularity

USERS, ITEMS, K = 30, 24, 7
NO_ITEM = ITEMS


@pytest.fixture(scope="module")
def case():
    """Lists of different lengths, one empty and one of a single item; a user who watched nothing; four cold items."""
    random = np.random.default_rng(3)
    train = {(int(user), int(item)) for user, item in random.integers([1, 4], [USERS, ITEMS], (150, 2))}
    lists = [random.permutation(ITEMS)[: random.integers(2, K + 1)].tolist() for _ in range(USERS)]
    lists[2], lists[3] = [], [5]
    features = {"visual": random.normal(3, 2, (ITEMS, 5)), "title": random.normal(size=(ITEMS, 2))}
    presence = {"visual": random.random(ITEMS) < 0.8, "title": random.random(ITEMS) < 0.8}
    for modality in presence.values():
        modality[0] = False
    return sorted(train), lists, features, presence


def defined(train, lists, features, presence, k):
    """The metrics as the page defines them."""
    frequency = [sum(item == other for _, other in train) for item in range(ITEMS)]
    lists = [items[:k] for items in lists]
    shown = [sum(item in items for items in lists) for item in range(ITEMS)]
    places = [item for items in lists for item in items]
    tail = sorted(range(ITEMS), key=lambda item: (-frequency[item], item))[int(0.2 * ITEMS) :]
    vectors = []
    for item in range(ITEMS):
        parts = []
        for name, values in features.items():
            known = values[presence[name]]
            scaled = (values[item] - known.mean(axis=0)) / known.std(axis=0) / np.sqrt(values.shape[1])
            parts.append(scaled if presence[name][item] else np.zeros(values.shape[1]))
        vectors.append(np.concatenate(parts))

    def cosine(one, other):
        lengths = np.linalg.norm(vectors[one]) * np.linalg.norm(vectors[other])
        return vectors[one] @ vectors[other] / lengths if lengths else 0.0

    profiles = [[item for user, item in train if user == number] for number in range(USERS)]
    counted = [user for user in range(USERS) if profiles[user] and lists[user]]
    watched = np.mean([np.mean([frequency[item] for item in profiles[user]]) for user in counted])
    recommended = np.mean([np.mean([frequency[item] for item in lists[user]]) for user in counted])
    pairs = [np.mean([cosine(*pair) for pair in combinations(items, 2)]) for items in lists if len(items) > 1]
    differences = np.mean([abs(one - other) for one in shown for other in shown])
    return {
        "coverage": np.mean([count > 0 for count in shown]),
        "gini": differences / (2 * np.mean(shown)),
        "cold_share": np.mean([frequency[item] == 0 for item in places]),
        "tail_share": np.mean([item in tail for item in places]),
        "intra_list_similarity": np.mean(pairs),
        "popularity_lift": recommended / watched - 1,
    }


def measured(train, features, presence):
    user, item = np.array(train).T
    return BeyondAccuracy(
        np.bincount(item, minlength=ITEMS),
        profile_popularity(user, item, users=USERS, items=ITEMS),
        content_directions(FeatureTable(features, presence)),
    )


@pytest.mark.parametrize("empty", [-1, NO_ITEM])
def test_they_are_what_they_are_defined_to_be(case, empty):
    train, lists, features, presence = case
    padded = np.array([items + [empty] * (K - len(items)) for items in lists])
    found = measured(train, features, presence).metrics(padded, [3, K])
    assert list(found) == [f"{name}@{k}" for name in BEYOND_ACCURACY for k in (3, K)]
    for k in (3, K):
        for name, value in defined(train, lists, features, presence, k).items():
            assert found[f"{name}@{k}"] == pytest.approx(value, rel=1e-5), name


def test_a_group_of_users_has_the_metrics_of_its_lists_alone(case):
    train, lists, features, presence = case
    padded = np.array([items + [-1] * (K - len(items)) for items in lists])
    members = np.arange(USERS) % 3 == 0
    found = measured(train, features, presence).metrics(padded, [K], members=members)
    alone = [items if member else [] for items, member in zip(lists, members, strict=True)]
    expected = defined(train, alone, features, presence, K)
    assert {name.partition("@")[0]: value for name, value in found.items()} == pytest.approx(expected, rel=1e-5)


def test_what_no_user_counts_for_is_not_a_number():
    lists, frequency = np.full((2, 3), -1), np.array([2, 1, 0])
    found = BeyondAccuracy(frequency, np.array([1.0, np.nan]), np.eye(3, dtype=np.float32)).metrics(lists, [3])
    assert found["coverage@3"] == found["gini@3"] == 0
    assert all(np.isnan(found[f"{name}@3"]) for name in BEYOND_ACCURACY[2:])
    without = BeyondAccuracy(frequency, np.array([1.0, np.nan])).metrics(np.array([[0, 1], [1, 2]]), [2])
    assert "intra_list_similarity@2" not in without and without["popularity_lift@2"] == 0.5
