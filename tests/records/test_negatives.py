"""Negatives are drawn from exactly the unseen items, with exactly the probabilities that are documented."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.negatives import NegativeSampler, SeenItems, UniformUnseenItems, WeightedUnseenItems
from tf_metammf.records.raw_data import Interactions

USERS, ITEMS = 4, 7


def interactions(pairs: list[tuple[int, int]]) -> Interactions:
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return Interactions(table[:, 0], table[:, 1])


# Duplicates and users without any training interaction occur; no user has seen all seven items.
training_pairs = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=40).filter(
    lambda pairs: max(Counter(user for user, _ in set(pairs)).values(), default=0) < ITEMS
)


def unseen(pairs: list[tuple[int, int]], user: int) -> list[int]:
    return sorted(set(range(ITEMS)) - {item for other, item in pairs if other == user})


@settings(max_examples=30, deadline=None)
@given(pairs=training_pairs)
def test_every_unseen_item_is_the_image_of_exactly_one_number(pairs):
    items = UniformUnseenItems(SeenItems.of(interactions(pairs), users=USERS, items=ITEMS))
    for user in range(USERS):
        allowed = unseen(pairs, user)
        drawn = items.draw(tf.constant([user], tf.int64), tf.range(len(allowed), dtype=tf.int64)[tf.newaxis])
        assert sorted(drawn.numpy()[0].tolist()) == allowed


@settings(max_examples=30, deadline=None)
@given(pairs=training_pairs, weights=st.lists(st.integers(1, 6), min_size=ITEMS, max_size=ITEMS))
def test_every_unseen_item_is_the_image_of_as_many_numbers_as_its_weight_says(pairs, weights):
    seen = SeenItems.of(interactions(pairs), users=USERS, items=ITEMS)
    items = WeightedUnseenItems(seen, np.array(weights, np.int64))
    for user in range(USERS):
        expected = [item for item in unseen(pairs, user) for _ in range(weights[item])]
        drawn = items.draw(tf.constant([user], tf.int64), tf.range(len(expected), dtype=tf.int64)[tf.newaxis])
        assert drawn.numpy()[0].tolist() == expected


@settings(max_examples=10, deadline=None)
@given(pairs=training_pairs, seed=st.integers(0, 2**31), power=st.sampled_from([0.0, 0.75]))
def test_no_negative_is_a_training_item(pairs, seed, power):
    # Two more users and items, so that everybody has something left to draw by popularity.
    train = interactions([*pairs, (USERS, ITEMS), (USERS + 1, ITEMS + 1)])
    sampler = NegativeSampler(
        train, users=USERS + 2, items=ITEMS + 2, per_positive=50, popularity_power=power, seed=seed
    )
    users = tf.range(USERS, dtype=tf.int64)
    drawn = sampler.sample(users, sampler.batch_seed(tf.constant(0, tf.int64), tf.constant(0, tf.int64))).numpy()
    assert drawn.shape == (USERS, 50)
    for user in range(USERS):
        assert set(drawn[user].tolist()) <= {*unseen(pairs, user), ITEMS, ITEMS + 1}


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_frequencies_follow_the_power_of_popularity_among_the_unseen_items(power):
    generator = np.random.default_rng(3)
    pairs = [(int(user), int(item)) for user, item in zip(*generator.integers(0, [[3], [12]], (2, 40)), strict=True)]
    pairs += [(3, 0)] * 5  # user 3 saw one item only, several times; nobody saw item 12
    train = interactions(pairs)
    sampler = NegativeSampler(train, users=5, items=13, per_positive=1_000, popularity_power=power, seed=1)
    counts = np.bincount(train.item, minlength=13).astype(float)
    for user in range(5):
        drawn = sampler.sample(tf.fill([60], tf.constant(user, tf.int64)), tf.constant([7, user])).numpy()
        weights = counts**power  # NumPy has 0 ** 0 = 1
        weights[[item for other, item in pairs if other == user]] = 0
        expected = 60_000 * weights / weights.sum()
        found = np.bincount(drawn.ravel(), minlength=13)
        possible = expected > 0
        assert not found[~possible].any()
        chi_square = ((found - expected)[possible] ** 2 / expected[possible]).sum()
        assert chi_square < 34.5  # 0.999 quantile of 13 degrees of freedom


def test_items_that_never_occur_in_training_are_drawn_uniformly_but_not_by_popularity():
    train = interactions([(0, 0), (1, 1)])

    def drawn(power: float) -> set[int]:
        sampler = NegativeSampler(train, users=2, items=4, per_positive=200, popularity_power=power)
        return set(sampler.sample(tf.constant([0], tf.int64), tf.constant([0, 0])).numpy()[0].tolist())

    assert drawn(0) == {1, 2, 3}
    assert drawn(1) == {1}


def test_the_same_seed_draws_the_same_and_another_batch_or_epoch_something_else():
    sampler = NegativeSampler(interactions([(0, 0)]), users=1, items=10**9, per_positive=4, seed=5)
    again = NegativeSampler(interactions([(0, 0)]), users=1, items=10**9, per_positive=4, seed=5)
    users = tf.zeros([3], tf.int64)

    def drawn(sampler: NegativeSampler, epoch: int, batch: int) -> list[list[int]]:
        seed = sampler.batch_seed(tf.constant(epoch, tf.int64), tf.constant(batch, tf.int64))
        return sampler.sample(users, seed).numpy().tolist()

    assert drawn(sampler, 1, 2) == drawn(again, 1, 2)
    assert len({str(drawn(sampler, epoch, batch)) for epoch in range(3) for batch in range(3)}) == 9


def test_shapes_are_as_static_as_the_batch():
    sampler = NegativeSampler(interactions([(0, 0)]), users=1, items=5, per_positive=2)
    dataset = tf.data.Dataset.from_tensor_slices(np.zeros(7, np.int64))
    for drop_remainder, size in ((True, 3), (False, None)):
        batches = dataset.batch(3, drop_remainder=drop_remainder).map(lambda users: sampler.sample(users, [0, 0]))
        assert batches.element_spec == tf.TensorSpec([size, 2], tf.int64)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_user_who_has_seen_everything_is_named(power):
    train = interactions([(0, 0), (2, 0), (2, 1), (2, 1)])
    with pytest.raises(InvalidInputError, match=r"user 2 \(dense id\) has a training interaction with every item"):
        NegativeSampler(train, users=3, items=2, popularity_power=power)
    with pytest.raises(InvalidInputError, match='user "zoë" has a training interaction with every item'):
        NegativeSampler(train, users=3, items=2, popularity_power=power, user_ids=["ann", "bob", "zoë"])


@pytest.mark.parametrize(
    ("pair", "arguments", "message"),
    [
        ((0, 0), {"per_positive": 0}, "per_positive is 0, expected at least 1"),
        ((0, 0), {"popularity_power": -1.0}, "popularity_power is -1.0"),
        ((0, 0), {"popularity_power": float("nan")}, "popularity_power is nan"),
        ((0, 0), {"users": 2**40, "items": 2**30}, "exceeds the limit of a sampler"),
        ((0, 9), {}, "item ids from 9 to 9, expected 0 to 6"),
        ((-1, 0), {}, "user ids from -1 to -1, expected 0 to 3"),
    ],
)
def test_arguments_out_of_range_are_refused(pair, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        NegativeSampler(interactions([pair]), **{"users": USERS, "items": ITEMS, **arguments})
