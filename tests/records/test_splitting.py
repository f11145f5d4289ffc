from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.splits.splitting import Splitting, divide, split_interactions, splitting_methods

USERS, ITEMS = 7, 9
OWN_METHODS = [method for method in splitting_methods() if method != "source"]


def data_of(rows, *, users=USERS, items=ITEMS, timestamps=True, modalities=None, splits=None):
    columns = np.array(rows, np.int64).reshape(-1, 3)
    interactions = Interactions(columns[:, 0], columns[:, 1], columns[:, 2] if timestamps else None)
    return RawData(
        "synthetic",
        [f"u{user}" for user in range(users)],
        [f"i{item}" for item in range(items)],
        interactions,
        modalities or {},
        splits,
    )


def rows_of(interactions):
    return list(
        zip(interactions.user.tolist(), interactions.item.tolist(), interactions.timestamp.tolist(), strict=True)
    )


def many_rows(users, items, count, seed=0):
    generator = np.random.default_rng(seed)
    return np.stack(
        [generator.integers(users, size=count), generator.integers(items, size=count), generator.permutation(count)], 1
    )


some_rows = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 20)), min_size=1, max_size=60
)


@pytest.mark.parametrize("method", OWN_METHODS)
@settings(max_examples=40, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 5))
def test_every_interaction_is_in_exactly_one_split(method, rows, seed):
    data = data_of(rows)
    try:
        splits = split_interactions(data, Splitting(method), seed=seed)
    except InvalidInputError as error:
        assert "leaves none" in str(error)  # few enough rows, and all of them may be held out
        return
    assert list(splits) == list(SPLITS)
    assert Counter(row for split in splits.values() for row in rows_of(split)) == Counter(rows)


@settings(max_examples=40, deadline=None)
@given(
    rows=some_rows,
    seed=st.integers(0, 5),
    shares=st.sampled_from([(0.1, 0.1), (0.0, 0.3), (0.25, 0.0), (0.4, 0.5), (0.0, 0.0)]),
)
def test_random_gives_every_user_the_shares_rounded_and_keeps_training(rows, seed, shares):
    splits = split_interactions(data_of(rows), Splitting("random", *shares), seed=seed)
    counts = {name: Counter(splits[name].user.tolist()) for name in SPLITS}
    for user, count in Counter(row[0] for row in rows).items():
        assert counts["train"][user] >= 1
        for name, share in zip(("validation", "test"), shares, strict=True):
            assert counts[name][user] <= np.ceil(share * count + 1e-9)
            if counts["train"][user] > 1:
                assert counts[name][user] >= np.floor(share * count - 1e-9)


def test_random_shares_hold_over_all_users_however_few_interactions_each_has():
    rows = many_rows(users=4000, items=50, count=16_000)  # about four each: 0.1 of them is never a whole one
    splits = split_interactions(data_of(rows, users=4000, items=50), Splitting("random", 0.1, 0.1), seed=3)
    for name in ("validation", "test"):
        assert len(splits[name]) / 16_000 == pytest.approx(0.1, abs=0.01)


def test_random_holds_out_old_and_new_interactions_alike():
    rows = many_rows(users=200, items=50, count=20_000)
    splits = split_interactions(data_of(rows, users=200, items=50), Splitting("random"), seed=1)
    assert splits["test"].timestamp.mean() == pytest.approx(10_000, rel=0.05)


@settings(max_examples=40, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 5), mix=st.randoms(use_true_random=False))
def test_leave_last_out_holds_out_the_last_and_the_one_before_whatever_the_order_of_the_rows(rows, seed, mix):
    rows = list({row[:2]: row for row in rows}.values())
    splits = split_interactions(data_of(rows), Splitting("leave_last_out"), seed=seed)
    for user in range(USERS):
        times = sorted(row[2] for row in rows if row[0] == user)
        held_out = {name: [row[2] for row in rows_of(splits[name]) if row[0] == user] for name in SPLITS}
        assert held_out["test"] == times[1:][-1:]
        assert held_out["validation"] == times[1:][-2:-1]
        assert sorted(held_out["train"]) == (times[:-2] if len(times) > 2 else times[:1])
    mix.shuffle(rows)
    again = split_interactions(data_of(rows), Splitting("leave_last_out"), seed=seed)
    for name in SPLITS:
        assert sorted(rows_of(again[name])) == sorted(rows_of(splits[name]))


def test_of_interactions_of_one_moment_any_may_be_the_last_one():
    rows = [(user, item, 5) for user in range(2000) for item in range(4)]
    splits = split_interactions(data_of(rows, users=2000, items=4), Splitting("leave_last_out"), seed=0)
    counts = np.bincount(splits["test"].item)
    assert counts == pytest.approx([500] * 4, abs=100)  # five standard deviations of a binomial


def test_leave_last_out_leaves_a_split_of_no_share_empty():
    rows = [(0, item, item) for item in range(5)]
    splits = split_interactions(data_of(rows), Splitting("leave_last_out", validation=0.0), seed=0)
    assert rows_of(splits["test"]) == [(0, 4, 4)]
    assert len(splits["validation"]) == 0


def test_leave_last_out_never_holds_out_the_only_interaction():
    splits = split_interactions(data_of([(0, 0, 5), (1, 1, 6), (1, 2, 7)]), Splitting("leave_last_out"), seed=0)
    assert rows_of(splits["train"]) == [(0, 0, 5), (1, 1, 6)]
    assert rows_of(splits["test"]) == [(1, 2, 7)]


def test_time_divides_all_users_at_the_same_two_moments():
    rows = many_rows(users=20, items=50, count=1000)
    splits = split_interactions(data_of(rows, users=20, items=50), Splitting("time", 0.2, 0.1), seed=0)
    assert sorted(splits["train"].timestamp) == list(range(700))
    assert sorted(splits["validation"].timestamp) == list(range(700, 900))
    assert sorted(splits["test"].timestamp) == list(range(900, 1000))


@settings(max_examples=60, deadline=None)
@given(rows=some_rows, shares=st.sampled_from([(0.1, 0.1), (0.0, 0.3), (0.25, 0.0), (0.3, 0.4)]))
def test_time_cuts_no_moment_apart_and_comes_as_near_to_the_shares_as_moments_allow(rows, shares):
    try:
        splits = split_interactions(data_of(rows), Splitting("time", *shares), seed=0)
    except InvalidInputError as error:
        assert "leaves none" in str(error)
        return
    moments = [set(splits[name].timestamp.tolist()) for name in SPLITS]
    assert sum(map(len, moments)) == len(set.union(*moments))
    held_in_order = [moment for of_split in moments for moment in sorted(of_split)]
    assert held_in_order == sorted(held_in_order)
    times = np.array([row[2] for row in rows])
    possible = [int((times < moment).sum()) for moment in sorted(set(times))] + [len(times)]
    for found, share in ((len(splits["train"]), sum(shares)), (len(times) - len(splits["test"]), shares[1])):
        wanted = len(times) - round(share * len(times))
        assert abs(found - wanted) == min(abs(place - wanted) for place in possible)


def test_with_times_the_default_is_time_where_few_held_out_interactions_are_of_new_users():
    rows = many_rows(users=20, items=50, count=1000)
    division = divide(data_of(rows, users=20, items=50), Splitting(), seed=0)
    assert division.splitting.method == "time"
    assert division.reason == (
        "there are times, and by time, 0.0% of the held-out interactions are of users without training interactions, "
        "at most 20%"
    )
    assert division.splits["train"].timestamp.max() < division.splits["validation"].timestamp.min()


@pytest.mark.parametrize(("newcomers", "method"), [(20, "time"), (21, "leave_last_out")])
def test_with_times_the_default_is_leave_last_out_above_a_fifth_of_new_users(newcomers, method):
    old = [(user, item, user * 20 + item) for user in range(25) for item in range(20)]
    late = [(0, 20 + n, 1000 + n) for n in range(100 - newcomers)] + [(25, n, 1200 + n) for n in range(newcomers)]
    data = data_of([row for row in old if row[1] < 16] + late, users=26, items=200)
    division = divide(data, Splitting(), seed=0)
    assert division.splitting.method == method
    assert f"{newcomers}.0% of the held-out interactions" in division.reason


def test_with_one_moment_for_all_the_default_is_not_time():
    division = divide(data_of([(user, item, 7) for user in range(5) for item in range(5)]), Splitting(), seed=0)
    assert division.splitting.method == "leave_last_out"
    assert "too few different ones to split by time" in division.reason
    assert [len(division.splits[name]) for name in SPLITS] == [15, 5, 5]


def test_without_times_the_default_is_random():
    data = data_of(many_rows(20, 50, 500), users=20, items=50, timestamps=False)
    default, random = divide(data, Splitting(), seed=4), divide(data, Splitting("random"), seed=4)
    assert (default.splitting.method, default.reason) == ("random", "there are no times")
    for name in SPLITS:
        np.testing.assert_array_equal(default.splits[name].item, random.splits[name].item)


@settings(max_examples=40, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 20))
def test_cold_items_are_whole_in_one_split_and_never_in_training(rows, seed):
    data = data_of(rows)
    with_interactions = len({row[1] for row in rows})
    splitting = Splitting("cold_start", 0.2, 0.2, cold_items=0.5)
    try:
        splits = split_interactions(data, splitting, seed=seed)
    except InvalidInputError:
        assert with_interactions < 3
        return
    items = {name: set(splits[name].item.tolist()) for name in SPLITS}
    cold = (items["validation"] | items["test"]) - items["train"]
    assert len(cold) >= round(0.5 * with_interactions)
    whole = {item for item in cold if (item in items["validation"]) != (item in items["test"])}
    assert len(whole) >= round(0.5 * with_interactions)


def test_cold_start_keeps_the_share_of_items_and_divides_it_between_validation_and_test():
    rows = many_rows(users=100, items=200, count=20_000)
    splits = split_interactions(
        data_of(rows, users=100, items=200), Splitting("cold_start", 0.1, 0.3, cold_items=0.2), seed=2
    )
    items = {name: set(splits[name].item.tolist()) for name in SPLITS}
    cold = set(range(200)) - items["train"]
    assert len(cold) == 40
    assert len(cold & items["validation"]) == 10
    assert len(cold & items["test"]) == 30
    warm_test = sum(item not in cold for item in splits["test"].item.tolist())
    warm = sum(item not in cold for item in rows[:, 1].tolist())
    assert warm_test / warm == pytest.approx(0.3, abs=0.01)


def test_cold_items_are_drawn_among_those_with_features():
    present = np.arange(200) % 2 == 0
    modality = ModalityFeatures(np.ones((100, 3), np.float32), np.where(present, np.arange(200) // 2, -1))
    data = data_of(many_rows(100, 200, 20_000), users=100, items=200, modalities={"visual": modality})
    splits = split_interactions(data, Splitting("cold_start", cold_items=0.5), seed=0)
    cold = np.setdiff1d(np.arange(200), splits["train"].item)
    assert len(cold) == 50
    assert present[cold].all()


@pytest.mark.parametrize("method", OWN_METHODS)
def test_the_same_seed_gives_the_same_splits_and_another_seed_others(method):
    data = data_of(many_rows(30, 40, 2000), users=30, items=40)
    first, again, other = (split_interactions(data, Splitting(method), seed=seed) for seed in (1, 1, 2))
    assert {name: rows_of(split) for name, split in first.items()} == {
        name: rows_of(split) for name, split in again.items()
    }
    differs = rows_of(first["test"]) != rows_of(other["test"])
    assert differs == (method in ("random", "cold_start"))


def test_splits_of_the_source_are_taken_by_default_and_can_be_replaced():
    rows = [(0, item, item) for item in range(9)]
    own = {name: data_of([rows[place]]).interactions for place, name in enumerate(SPLITS)}
    data = data_of(rows, splits=own)
    assert split_interactions(data, Splitting(), seed=0) == own
    assert len(split_interactions(data, Splitting("time", 0.0, 0.5), seed=0)["test"]) == 4


@pytest.mark.parametrize("method", ["leave_last_out", "time"])
def test_a_method_by_time_needs_timestamps(method):
    with pytest.raises(InvalidInputError, match=f'"{method}" needs timestamps'):
        split_interactions(data_of([(0, 0, 0)], timestamps=False), Splitting(method), seed=0)


def test_a_source_without_splits_has_none_to_take():
    with pytest.raises(InvalidInputError, match="has no splits"):
        split_interactions(data_of([(0, 0, 0)]), Splitting("source"), seed=0)


def test_an_unknown_method_is_answered_with_the_nearest():
    with pytest.raises(InvalidInputError, match='did you mean "cold_start"'):
        Splitting("coldstart")


@pytest.mark.parametrize(
    "shares", [{"validation": 0.5, "test": 0.5}, {"test": -0.1}, {"test": np.nan}, {"cold_items": 1.0}]
)
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(InvalidInputError, match="expected"):
        Splitting("cold_start", **shares)


def test_cold_items_need_a_split_to_go_to():
    with pytest.raises(InvalidInputError, match="nowhere to go"):
        split_interactions(data_of([(0, 0, 0)]), Splitting("cold_start", 0.0, 0.0), seed=0)
