"""Reading gives every interaction and item exactly once an epoch, in an order that a seed and an epoch fix."""

import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf import records
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import writer
from tf_metammf.records.raw_data import Interactions, RawData

STREAMED, IN_MEMORY = 0, 2**30


def written(folder: Path, interactions: int, shards: int) -> records.RecordSet:
    """A record set of distinct interactions in blocks of 5, interaction n being user n // 10 and item n % 10."""
    number = np.arange(interactions)
    train = Interactions(number // 10, number % 10)
    data = RawData("numbered", [f"u{n}" for n in range(50)], [f"v{n}" for n in range(10)], train, {})
    with patch.object(writer, "BLOCK_SIZE", 5):
        return records.write_record_set(data, {"train": train}, folder, shards=shards)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> records.RecordSet:
    return written(tmp_path_factory.mktemp("numbered") / "set", 411, shards=4)


def batches(record_set: records.RecordSet, **arguments: object) -> list[list[int]]:
    """The numbers of the interactions of every batch."""
    dataset = records.interactions(record_set, **arguments)
    return [(batch["user"] * 10 + batch["item"]).tolist() for batch in dataset.as_numpy_iterator()]


def context(worker: int, workers: int, replicas: int) -> tf.distribute.InputContext:
    return tf.distribute.InputContext(workers, worker, replicas)


def flat(parts: list[list[int]]) -> list[int]:
    return [number for part in parts for number in part]


def on_disk(record_set: records.RecordSet) -> list[int]:
    """The numbers of the interactions in the order on disk, read record by record."""
    numbers = []
    for path in record_set.interaction_shards("train"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            pairs = zip(feature["user"].int64_list.value, feature["item"].int64_list.value, strict=True)
            numbers += [user * 10 + item for user, item in pairs]
    return numbers


@settings(max_examples=8, deadline=None)
@given(
    interactions=st.integers(0, 120),
    shards=st.integers(1, 5),
    batch_size=st.integers(1, 40),
    memory_budget=st.sampled_from([STREAMED, IN_MEMORY]),
    shuffle_seed=st.one_of(st.none(), st.integers(-(2**31), 2**31)),
    drop_remainder=st.booleans(),
)
def test_every_epoch_has_every_interaction_exactly_once(
    interactions, shards, batch_size, memory_budget, shuffle_seed, drop_remainder
):
    with TemporaryDirectory() as folder:
        record_set = written(Path(folder) / "set", interactions, shards)
        arguments = {"batch_size": batch_size, "memory_budget": memory_budget, "shuffle_seed": shuffle_seed}
        read = batches(record_set, epochs=2, drop_remainder=drop_remainder, **arguments)
        steps = interactions // batch_size if drop_remainder else -(-interactions // batch_size)
        assert len(read) == 2 * steps
        for epoch in (read[:steps], read[steps:]):
            assert all(len(batch) == batch_size for batch in epoch[:-1])
            if drop_remainder:
                assert len(set(flat(epoch))) == steps * batch_size
                assert set(flat(epoch)) <= set(range(interactions))
            else:
                assert sorted(flat(epoch)) == list(range(interactions))


@settings(max_examples=6, deadline=None)
@given(
    shards=st.integers(1, 5),
    workers=st.integers(1, 3),
    replicas_a_worker=st.integers(1, 2),
    replica_batch_size=st.integers(1, 9),
    memory_budget=st.sampled_from([STREAMED, IN_MEMORY]),
    shuffle_seed=st.sampled_from([None, 3]),
)
def test_the_parts_of_all_workers_are_every_interaction_exactly_once(
    shards, workers, replicas_a_worker, replica_batch_size, memory_budget, shuffle_seed
):
    replicas = workers * replicas_a_worker
    with TemporaryDirectory() as folder:
        record_set = written(Path(folder) / "set", 83, shards)
        parts = [
            batches(
                record_set,
                batch_size=replica_batch_size * replicas,
                memory_budget=memory_budget,
                shuffle_seed=shuffle_seed,
                input_context=context(worker, workers, replicas),
            )
            for worker in range(workers)
        ]
        assert sorted(flat([flat(part) for part in parts])) == list(range(83))
        assert all(len(batch) <= replica_batch_size for part in parts for batch in part)


def test_one_step_of_all_replicas_is_the_batch_that_one_process_sees(numbered):
    alone = batches(numbered, batch_size=12, shuffle_seed=5, epochs=2)
    workers = [
        batches(numbered, batch_size=12, shuffle_seed=5, epochs=2, input_context=context(worker, 2, 4))
        for worker in range(2)
    ]
    steps = [
        flat([*first, *second])
        for first, second in zip(*(zip(part[::2], part[1::2], strict=True) for part in workers), strict=True)
    ]
    assert steps == alone


@pytest.mark.parametrize("memory_budget", [STREAMED, IN_MEMORY])
def test_without_a_seed_the_order_is_that_on_disk(numbered, memory_budget):
    assert flat(batches(numbered, batch_size=7, memory_budget=memory_budget)) == on_disk(numbered)


@pytest.mark.parametrize("memory_budget", [STREAMED, IN_MEMORY])
def test_every_epoch_has_an_order_of_its_own_that_only_seed_and_epoch_fix(numbered, memory_budget):
    arguments = {"batch_size": 500, "memory_budget": memory_budget}
    orders = batches(numbered, shuffle_seed=1, epochs=4, **arguments)
    assert len({tuple(order) for order in orders}) == 4
    assert batches(numbered, shuffle_seed=1, epochs=2, first_epoch=2, **arguments) == orders[2:]
    endless = records.interactions(numbered, shuffle_seed=1, epochs=None, **arguments)
    assert [(batch["user"] * 10 + batch["item"]).numpy().tolist() for batch in endless.take(4)] == orders
    assert batches(numbered, shuffle_seed=2, **arguments)[0] not in orders


@pytest.mark.parametrize(("memory_budget", "furthest"), [(IN_MEMORY, 0.1), (STREAMED, 0.3)])
def test_a_shuffled_epoch_mixes_interactions_from_everywhere(tmp_path, memory_budget, furthest):
    record_set = written(tmp_path / "set", 500, shards=4)
    place = {number: position for position, number in enumerate(on_disk(record_set))}
    orders = batches(record_set, batch_size=500, memory_budget=memory_budget, shuffle_seed=0, epochs=20)
    places = np.array([[place[number] for number in order] for order in orders])
    neighbours = np.mean(np.abs(np.diff(places, axis=1)) == 1)
    assert neighbours < 0.05  # by chance 2 / 500
    # The mean place on disk of what is read first is the middle, give or take its standard error.
    assert abs(places[:, :100].mean() / 500 - 0.5) < furthest


@pytest.mark.long
def test_in_memory_all_orders_of_three_interactions_are_equally_likely(tmp_path):
    record_set = written(tmp_path / "set", 3, shards=1)
    orders = Counter(tuple(order) for order in batches(record_set, batch_size=3, shuffle_seed=0, epochs=1200))
    assert len(orders) == 6
    chi_square = sum((count - 200) ** 2 / 200 for count in orders.values())
    assert chi_square < 20.5  # 0.999 quantile of 5 degrees of freedom


@pytest.mark.parametrize(
    ("memory_budget", "drop_remainder", "size"), [(STREAMED, True, 8), (IN_MEMORY, True, 8), (IN_MEMORY, False, None)]
)
def test_element_specs_are_as_documented(small_record_set, memory_budget, drop_remainder, size):
    train = records.read_interactions(small_record_set, "train")
    sampler = records.NegativeSampler(train, users=50, items=300, per_positive=3)
    dataset = records.interactions(
        small_record_set,
        batch_size=8,
        negatives=sampler,
        drop_remainder=drop_remainder,
        memory_budget=memory_budget,
        shuffle_seed=1,
    )
    vector = tf.TensorSpec([size], tf.int64)
    expected = {"user": vector, "item": vector, "timestamp": vector, "negative": tf.TensorSpec([size, 3], tf.int64)}
    assert dataset.element_spec == expected
    assert dataset.cardinality() == 5_000 // 8
    for batch in dataset.take(3):
        assert {name: tf.TensorSpec(column.shape, column.dtype) for name, column in batch.items()} == {
            name: tf.TensorSpec([8, 3] if name == "negative" else [8], tf.int64) for name in expected
        }


def test_the_memory_budget_decides_between_an_exact_permutation_and_a_stream(small_record_set):
    # 5,000 interactions of three columns and two permutations are 200,000 bytes.
    def first_batch(budget: int) -> list[int]:
        batch = next(iter(records.interactions(small_record_set, batch_size=9, shuffle_seed=1, memory_budget=budget)))
        return (batch["user"] * 300 + batch["item"]).numpy().tolist()

    assert first_batch(200_000) == first_batch(2**30)
    assert first_batch(199_999) != first_batch(2**30)


@pytest.mark.parametrize("memory_budget", [STREAMED, IN_MEMORY])
def test_negatives_are_unseen_and_fixed_by_seed_and_epoch(small_record_set, memory_budget):
    train = records.read_interactions(small_record_set, "train")
    seen = set(zip(train.user.tolist(), train.item.tolist(), strict=True))

    def negatives(first_epoch: int, epochs: int, seed: int = 1) -> list[np.ndarray]:
        sampler = records.NegativeSampler(train, users=50, items=300, per_positive=2, seed=seed)
        dataset = records.interactions(
            small_record_set,
            batch_size=1_000,
            shuffle_seed=1,
            epochs=epochs,
            first_epoch=first_epoch,
            negatives=sampler,
            memory_budget=memory_budget,
        )
        drawn = []
        for batch in dataset.as_numpy_iterator():
            for user, items in zip(batch["user"].tolist(), batch["negative"].tolist(), strict=True):
                assert not seen & set(product([user], items))
            drawn.append(batch["negative"])
        return drawn

    two_epochs = negatives(0, 2)
    assert len({drawn.tobytes() for drawn in two_epochs}) == 10
    np.testing.assert_array_equal(negatives(1, 1), two_epochs[5:])
    assert not np.array_equal(negatives(0, 1, seed=2), two_epochs[:5])


def test_workers_draw_different_negatives(numbered):
    nobody_saw_anything = Interactions(np.zeros(0, np.int64), np.zeros(0, np.int64))
    sampler = records.NegativeSampler(nobody_saw_anything, users=50, items=10**6)

    def drawn(worker: int) -> set[int]:
        dataset = records.interactions(
            numbered, batch_size=40, negatives=sampler, memory_budget=STREAMED, input_context=context(worker, 2, 2)
        )
        return {item for batch in dataset.as_numpy_iterator() for item in batch["negative"].ravel().tolist()}

    assert len(drawn(0) & drawn(1)) < 5


def test_read_interactions_gives_what_the_raw_data_had(small_raw_data, small_record_set):
    for split, expected in small_raw_data.splits.items():
        read = records.read_interactions(small_record_set, split)
        rows = [np.stack([each.user, each.item, each.timestamp], axis=1) for each in (read, expected)]
        np.testing.assert_array_equal(*(table[np.lexsort(table.T)] for table in rows))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "trian"}, 'unknown split "trian"; did you mean "train"'),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
        ({"epochs": -1}, "epochs is -1"),
        ({"first_epoch": -1}, "first_epoch is -1"),
        ({"memory_budget": -1}, "memory_budget is -1"),
        ({"batch_size": 5_001, "epochs": None, "drop_remainder": True}, "5000 interactions make no batch of 5001"),
        (
            {"batch_size": 9, "input_context": context(0, 2, 2)},
            "batch_size is 9, expected a multiple of the 2 replicas",
        ),
        ({"input_context": context(0, 2, 3)}, "3 replicas cannot be shared by 2 input pipelines"),
    ],
)
def test_arguments_out_of_range_are_refused(small_record_set, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        records.interactions(small_record_set, **{"batch_size": 6, **arguments})


def test_importing_the_package_does_not_import_tensorflow():
    program = "import sys, tf_metammf.records as records; records.RawData; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_public_names_are_what_they_say_even_after_their_modules_were_imported():
    for _ in range(2):
        for name in records.__all__:
            assert getattr(records, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'interaction'"):
        _ = records.interaction


@pytest.mark.parametrize("global_seed", [0, 5])
def test_a_split_beyond_memory_is_read_whatever_the_global_seed(small_record_set, global_seed):
    tf.random.set_seed(global_seed)
    dataset = records.interactions(small_record_set, batch_size=32, shuffle_seed=3, memory_budget=0)
    users = np.concatenate([batch["user"] for batch in dataset.as_numpy_iterator()])
    np.testing.assert_array_equal(np.sort(users), np.sort(records.read_interactions(small_record_set, "train").user))


@pytest.mark.parametrize("memory_budget", [STREAMED, IN_MEMORY])
@pytest.mark.parametrize(("batch_size", "smallest", "rest"), [(41, 2, 1), (41, 1, 1), (100, 11, 11), (100, 12, 11)])
def test_too_few_interactions_for_a_batch_join_the_one_before(numbered, memory_budget, batch_size, smallest, rest):
    arguments = {"batch_size": batch_size, "memory_budget": memory_budget, "shuffle_seed": 3, "epochs": 2}
    read = batches(numbered, smallest_batch=smallest, **arguments)
    whole = 411 // batch_size
    joined = [*[batch_size] * (whole - 1), batch_size + rest]
    expected = joined if smallest > rest else [*[batch_size] * whole, rest]
    assert [len(batch) for batch in read] == 2 * expected
    # The same interactions in the same order: only the border between the last two batches is gone.
    assert flat(read) == flat(batches(numbered, **arguments))
    assert batches(numbered, smallest_batch=smallest, drop_remainder=True, **arguments) == batches(
        numbered, drop_remainder=True, **arguments
    )


def test_a_split_of_less_than_a_batch_is_one_batch(small_record_set):
    count = small_record_set.metadata.splits["train"].interactions
    for memory_budget in (STREAMED, IN_MEMORY):
        read = records.interactions(
            small_record_set, batch_size=count + 5, smallest_batch=count + 1, memory_budget=memory_budget
        )
        assert [len(batch["user"]) for batch in read] == [count]


@pytest.mark.parametrize("memory_budget", [STREAMED, IN_MEMORY])
def test_replicas_share_a_last_batch_that_others_joined(numbered, memory_budget):
    arguments = {"batch_size": 82, "shuffle_seed": 5, "smallest_batch": 2, "memory_budget": memory_budget}
    alone = batches(numbered, epochs=2, **arguments)  # 411 are 5 x 82 + 1
    shared = batches(numbered, epochs=2, input_context=context(0, 1, 2), **arguments)
    assert [len(batch) for batch in shared] == 2 * [*[41] * 8, 41, 42]
    assert [flat(shared[step : step + 2]) for step in range(0, len(shared), 2)] == alone
