from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.filtering import Filtering, apply_filtering

USERS, ITEMS = 6, 8

some_rows = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 9), st.integers(1, 5)),
    min_size=1,
    max_size=60,
)


def interactions_of(rows, *, timestamps=True, ratings=True):
    columns = np.array(rows, np.int64).reshape(-1, 4)
    return Interactions(
        columns[:, 0],
        columns[:, 1],
        columns[:, 2] if timestamps else None,
        columns[:, 3].astype(np.float32) if ratings else None,
    )


def data_of(rows, *, splits=None, **which):
    # Item i has the feature i, but for items 0 and 5, which have none.
    row_of_item = np.array([-1, 0, 1, 2, 3, -1, 4, 5])
    features = np.array([[1], [2], [3], [4], [6], [7]], np.float32)
    return RawData(
        "synthetic",
        [f"u{user}" for user in range(USERS)],
        [f"i{item}" for item in range(ITEMS)],
        interactions_of(rows, **which),
        {"visual": ModalityFeatures(features, row_of_item)},
        splits,
    )


def named_rows(data, interactions=None):
    interactions = data.interactions if interactions is None else interactions
    timestamps = interactions.timestamp if interactions.timestamp is not None else np.zeros(len(interactions), int)
    return [
        (data.user_ids[user], data.item_ids[item], timestamp)
        for user, item, timestamp in zip(interactions.user, interactions.item, timestamps.tolist(), strict=True)
    ]


def core_of(pairs, k):
    """The k-core by its definition: drop one offender at a time."""
    pairs = list(pairs)
    while True:
        users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
        kept = [(user, item) for user, item in pairs if users[user] >= k and items[item] >= k]
        if len(kept) == len(pairs):
            return set(kept)
        pairs = kept


@settings(max_examples=40, deadline=None)
@given(rows=some_rows)
def test_of_duplicates_the_earliest_stays(rows):
    earliest = {}
    for user, item, timestamp, _ in rows:
        earliest[f"u{user}", f"i{item}"] = min(timestamp, earliest.get((f"u{user}", f"i{item}"), timestamp))
    filtered = apply_filtering(data_of(rows), Filtering())
    assert sorted(named_rows(filtered)) == sorted((*pair, timestamp) for pair, timestamp in earliest.items())


def test_of_duplicates_without_timestamps_the_first_stays_in_its_place():
    rows = [(1, 1, 0, 5), (0, 0, 0, 5), (1, 1, 0, 5), (0, 1, 0, 5), (0, 0, 0, 5)]
    filtered = apply_filtering(data_of(rows, timestamps=False), Filtering())
    assert list(zip(filtered.interactions.user, filtered.interactions.item, strict=True)) == [(1, 1), (0, 0), (0, 1)]


def test_duplicates_stay_if_wanted():
    rows = [(1, 1, 0, 5), (1, 1, 0, 5)]
    assert len(apply_filtering(data_of(rows), Filtering(deduplicate=False)).interactions) == 2


@settings(max_examples=40, deadline=None)
@given(rows=some_rows, k=st.integers(1, 4))
def test_the_k_core_is_the_one_of_the_definition_and_features_follow_their_items(rows, k):
    expected = core_of({(f"u{user}", f"i{item}") for user, item, _, _ in rows}, k)
    if not expected:
        with pytest.raises(InvalidInputError, match="interactions passes the filtering"):
            apply_filtering(data_of(rows), Filtering(k_core=k))
        return
    filtered = apply_filtering(data_of(rows), Filtering(k_core=k))
    assert {row[:2] for row in named_rows(filtered)} == expected
    assert set(filtered.user_ids) == {user for user, _ in expected}
    assert set(filtered.item_ids) == {item for _, item in expected}
    visual = filtered.modalities["visual"]
    for dense, raw in enumerate(filtered.item_ids):
        row = visual.row_of_item[dense]
        assert (row < 0) == (raw in ("i0", "i5"))
        if row >= 0:
            assert visual.features[row, 0] == int(raw[1:])


def test_without_k_core_items_and_users_without_interactions_stay():
    filtered = apply_filtering(data_of([(0, 3, 1, 5)]), Filtering())
    assert len(filtered.user_ids) == USERS
    assert len(filtered.item_ids) == ITEMS


def test_the_threshold_comes_before_duplicates_and_k_core():
    rows = [(0, 1, 1, 2), (0, 1, 2, 5), (0, 2, 3, 1), (1, 2, 4, 4), (1, 1, 5, 4)]
    filtered = apply_filtering(data_of(rows), Filtering(rating_threshold=4, k_core=1))
    # Of (u0, i1) the earlier one is rated too low, so the later one counts.
    assert sorted(named_rows(filtered)) == [("u0", "i1", 2), ("u1", "i1", 5), ("u1", "i2", 4)]


def test_an_interaction_without_rating_does_not_pass_a_threshold():
    data = data_of([(0, 1, 1, 5), (0, 2, 2, 5)])
    data.interactions.rating[0] = np.nan
    assert named_rows(apply_filtering(data, Filtering(rating_threshold=0))) == [("u0", "i2", 2)]


def test_a_threshold_without_ratings_is_refused():
    with pytest.raises(InvalidInputError, match="the source has no ratings"):
        apply_filtering(data_of([(0, 0, 0, 0)], ratings=False), Filtering(rating_threshold=4))


def test_nothing_left_is_refused():
    with pytest.raises(InvalidInputError, match="none of 1 interactions passes"):
        apply_filtering(data_of([(0, 0, 0, 1)]), Filtering(rating_threshold=4))


def test_a_negative_k_core_is_refused():
    with pytest.raises(InvalidInputError, match="k_core is -1"):
        Filtering(k_core=-1)


@settings(max_examples=40, deadline=None)
@given(rows=some_rows, labels=st.lists(st.integers(0, 2), min_size=60, max_size=60), k=st.integers(0, 3))
def test_splits_of_the_source_are_filtered_together_and_keep_what_remains(rows, labels, k):
    by_split = {
        name: [row for row, label in zip(rows, labels, strict=False) if label == place]
        for place, name in enumerate(SPLITS)
    }
    data = data_of(
        rows, timestamps=False, splits={name: interactions_of(by_split[name], timestamps=False) for name in SPLITS}
    )
    first_split = {}
    for name in SPLITS:
        for user, item, _, _ in by_split[name]:
            first_split.setdefault((f"u{user}", f"i{item}"), name)
    expected = core_of(first_split, k)
    if not expected:
        return
    filtered = apply_filtering(data, Filtering(k_core=k))
    found = {(user, item): name for name in SPLITS for user, item, _ in named_rows(filtered, filtered.splits[name])}
    assert found == {pair: first_split[pair] for pair in expected}
    assert sum(len(split) for split in filtered.splits.values()) == len(filtered.interactions) == len(expected)
