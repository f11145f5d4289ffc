"""Sampled neighbourhoods: only real neighbours, all of them where they fit, the nodes of a layer first."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf import records
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import Interactions

USERS, ITEMS = 9, 6


def neighbours_of(train: Interactions) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    pairs = set(zip(train.user.tolist(), train.item.tolist(), strict=True))
    of_users = {user: {item for other, item in pairs if other == user} for user in range(USERS)}
    of_items = {item: {user for user, other in pairs if other == item} for item in range(ITEMS)}
    return of_users, of_items


def training(pairs: list[tuple[int, int]]) -> Interactions:
    user, item = np.array(pairs, np.int64).reshape(-1, 2).T
    return Interactions(user, item)


@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=40),
    users=st.lists(st.integers(0, USERS - 1), min_size=1, max_size=5),
    items=st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=5),
    fan_outs=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    number=st.integers(0, 2**31),
)
def test_every_node_gets_neighbours_of_its_own_from_the_layer_before(pairs, users, items, fan_outs, number):
    train = training(pairs)
    of_users, of_items = neighbours_of(train)
    sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=fan_outs)
    found = sampler.sample(
        tf.constant(users, tf.int64), tf.constant(items, tf.int64), tf.constant([7, number], tf.int64)
    )
    user_nodes, item_nodes = found["user"].numpy(), found["item"].numpy()
    assert len(set(user_nodes)) == len(user_nodes) and len(set(item_nodes)) == len(item_nodes)
    assert user_nodes[found["user_position"]].tolist() == users
    assert item_nodes[: len(set(items))].tolist() == list(dict.fromkeys(items))
    sizes = [(len(user_nodes), len(item_nodes))]
    for layer, fan_out in enumerate(fan_outs):
        sides = (
            (user_nodes, item_nodes, found["items_of_users"][layer].numpy(), of_users, sizes[-1][1]),
            (item_nodes, user_nodes, found["users_of_items"][layer].numpy(), of_items, sizes[-1][0]),
        )
        for nodes, others, positions, true_neighbours, before in sides:
            assert positions.shape[1] == fan_out and positions.max(initial=-1) < before
            for node, row in zip(nodes, positions, strict=False):
                drawn = [int(others[position]) for position in row if position >= 0]
                true = true_neighbours[int(node)]
                assert set(drawn) <= true
                if len(true) <= fan_out:
                    assert sorted(drawn) == sorted(true)
                else:
                    assert len(drawn) == fan_out
        sizes.append((len(found["items_of_users"][layer]), len(found["users_of_items"][layer])))
    assert sizes[-1] == (len(set(users)), len(set(items)))


@pytest.mark.long
def test_every_neighbour_is_drawn_equally_often():
    train = training([(0, item) for item in range(ITEMS)])
    sampler = records.NeighbourSampler(train, users=USERS, items=ITEMS, fan_outs=[2])
    counts = np.zeros(ITEMS)
    for batch in range(600):
        seed = sampler.batch_seed(tf.constant(0, tf.int64), tf.constant(batch, tf.int64))
        found = sampler.sample(tf.constant([0], tf.int64), tf.constant([], tf.int64), seed)
        np.add.at(counts, found["item"].numpy()[found["items_of_users"][0].numpy()[0]], 1)
    expected = 2 * 600 / ITEMS
    assert ((counts - expected) ** 2 / expected).sum() < 25  # chi-squared, 5 degrees of freedom, p = 1e-4


def test_the_pipeline_samples_for_positives_and_negatives_and_repeats_with_its_seed(small_record_set):
    train = records.read_interactions(small_record_set, "train")
    counts = {"users": small_record_set.metadata.users, "items": small_record_set.metadata.items}

    def batches(seed: int) -> list[dict]:
        return list(
            records.interactions(
                small_record_set,
                batch_size=1024,
                shuffle_seed=1,
                negatives=records.NegativeSampler(train, per_positive=2, **counts),
                neighbours=records.NeighbourSampler(train, fan_outs=[3, 2], seed=seed, **counts),
            ).as_numpy_iterator()
        )

    first, again, other = batches(1), batches(1), batches(2)
    for batch in first:
        wanted = list(dict.fromkeys([*batch["item"], *batch["negative"].ravel()]))
        assert batch["neighbourhood"]["item"][: len(wanted)].tolist() == wanted
        assert batch["neighbourhood"]["items_of_users"][0].shape[1] == 3
    tf.nest.map_structure(np.testing.assert_array_equal, first, again)
    drawn, otherwise = (found[0]["neighbourhood"]["items_of_users"][1] for found in (first, other))
    assert not np.array_equal(drawn, otherwise)


def test_a_split_beyond_the_memory_budget_gets_neighbourhoods_without_negatives_too(small_record_set):
    train = records.read_interactions(small_record_set, "train")
    counts = {"users": small_record_set.metadata.users, "items": small_record_set.metadata.items}
    neighbours = records.NeighbourSampler(train, fan_outs=[2], **counts)
    for batch in records.interactions(small_record_set, batch_size=512, memory_budget=0, neighbours=neighbours):
        found = batch["neighbourhood"]
        np.testing.assert_array_equal(tf.gather(found["user"], found["user_position"]), batch["user"])


@pytest.mark.parametrize("fan_outs", [[], [3, 0]])
def test_fan_outs_that_are_not_acceptable_are_refused(fan_outs):
    with pytest.raises(InvalidInputError, match="expected numbers of at least 1, one for each layer"):
        records.NeighbourSampler(training([(0, 0)]), users=USERS, items=ITEMS, fan_outs=fan_outs)
