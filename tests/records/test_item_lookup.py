"""Looking items up gives what reading all of them gives, and batches carry the features of the items they need."""

import shutil
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import records
from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records import item_lookup
from tf_metammf.records.item_features import ItemFeatures
from tf_metammf.records.record_set import RecordSet

USERS, ITEMS = 50, 300


@pytest.fixture(scope="module")
def read(small_record_set: RecordSet) -> ItemFeatures:
    return records.read_items(small_record_set)


@pytest.fixture
def copied(small_record_set: RecordSet, tmp_path: Path) -> RecordSet:
    return records.open_record_set(shutil.copytree(small_record_set.folder, tmp_path / "copy"))


def assert_rows(found: dict, expected: ItemFeatures, ids: np.ndarray) -> None:
    np.testing.assert_array_equal(found["item"], ids)
    assert set(found["features"]) == set(found["presence"]) == set(expected.modalities)
    for name in expected.modalities:
        np.testing.assert_array_equal(found["features"][name], expected.features[name][ids])
        np.testing.assert_array_equal(found["presence"][name], expected.presence[name][ids])


@pytest.mark.parametrize("shards_at_once", [1, 2, 64])
@pytest.mark.parametrize("ids", [[], [7], [299, 0, 99, 100, 8, 8, 199, 200], range(300)])
def test_any_items_are_found_in_any_order(small_record_set, read, ids, shards_at_once):
    ids = np.array(ids, np.int64)
    with patch.object(item_lookup, "_SHARDS_AT_ONCE", shards_at_once):
        assert_rows(records.ItemLookup(small_record_set).lookup(tf.constant(ids)), read, ids)


def test_only_the_modalities_asked_for_are_read(small_record_set, read):
    lookup = records.ItemLookup(small_record_set, modalities=["visual"])
    assert (lookup.items, lookup.widths) == (300, {"visual": 6})
    assert_rows(lookup.lookup(tf.constant([8, 90], tf.int64)), read.select(["visual"]), np.array([8, 90]))
    assert_rows(
        {"item": range(300)} | dict(zip(("features", "presence"), next(lookup.blocks(300)), strict=True)),
        read.select(["visual"]),
        np.arange(300),
    )
    with pytest.raises(InvalidInputError, match='unknown modality "visuals"; did you mean "visual"'):
        records.ItemLookup(small_record_set, modalities=["visuals"])


def test_blocks_are_all_items_by_id(small_record_set, read):
    blocks = list(records.ItemLookup(small_record_set).blocks(128))
    assert [len(presence["visual"]) for _, presence in blocks] == [128, 128, 44]
    for name in read.modalities:
        np.testing.assert_array_equal(tf.concat([features[name] for features, _ in blocks], 0), read.features[name])
        np.testing.assert_array_equal(tf.concat([presence[name] for _, presence in blocks], 0), read.presence[name])


@pytest.mark.parametrize("outside", [-1, 300])
def test_an_id_out_of_range_is_refused(small_record_set, outside):
    with pytest.raises(InvalidInputError, match=f"the item ids are from .*{outside}.*, expected 0 to 299"):
        records.ItemLookup(small_record_set).read(np.array([5, outside]))


def test_a_record_that_is_truncated_or_damaged_is_named_after_the_error(copied):
    lookup = records.ItemLookup(copied)
    shard = copied.item_shards()[1]
    content = bytearray(shard.read_bytes())
    content[lookup._starts[133] + 14] ^= 255  # the tags inside the Example
    shard.write_bytes(content[: lookup._starts[170] + 20])
    with pytest.raises((tf.errors.InvalidArgumentError, UnicodeDecodeError)) as raised:
        lookup.lookup(tf.constant([133], tf.int64))
    assert str(records.explain_damage(copied, raised.value)).startswith(f"{shard.name}: record 33 is damaged")
    for item in (170, 171):
        with pytest.raises(InvalidRecordSetError, match=f"^{shard.name}: record {item - 100} is truncated"):
            lookup.read(np.array([item]))
    with pytest.raises(InvalidRecordSetError, match=f"^{shard.name}: record 33 is damaged"):
        list(lookup.blocks(64))


def test_items_in_another_order_than_their_ids_are_refused(copied):
    first, _, last = copied.item_shards()  # of equally many items
    last.write_bytes(first.read_bytes())
    index = copied.folder / copied.metadata.item_indexes[2].path
    index.write_bytes((copied.folder / copied.metadata.item_indexes[0].path).read_bytes())
    lookup = records.ItemLookup(copied)
    with pytest.raises((tf.errors.InvalidArgumentError, InvalidRecordSetError), match="an item shard has another item"):
        lookup.lookup(tf.constant([250], tf.int64))
    with pytest.raises(InvalidRecordSetError, match="an item shard has another item"):
        list(lookup.blocks(128))


@pytest.mark.parametrize(("memory_budget", "with_negatives", "with_neighbours"), product([0, 2**30], [0, 1], [0, 1]))
def test_batches_carry_the_features_of_the_items_they_need(
    small_record_set, read, memory_budget, with_negatives, with_neighbours
):
    train = records.read_interactions(small_record_set, "train")
    counts = {"users": USERS, "items": ITEMS}
    negatives = records.NegativeSampler(train, per_positive=2, **counts) if with_negatives else None
    neighbours = records.NeighbourSampler(train, fan_outs=[2], **counts) if with_neighbours else None
    arguments = {"batch_size": 32, "shuffle_seed": 3, "memory_budget": memory_budget, "negatives": negatives}
    dataset = records.interactions(
        small_record_set, neighbours=neighbours, item_features=records.ItemLookup(small_record_set), **arguments
    )
    plain = records.interactions(small_record_set, neighbours=neighbours, **arguments)
    assert dataset.cardinality() == plain.cardinality()
    for batch, other in zip(dataset.take(3).as_numpy_iterator(), plain.take(3).as_numpy_iterator(), strict=True):
        carried = batch.pop("item_features")
        tf.nest.map_structure(np.testing.assert_array_equal, batch, other)
        ids = np.concatenate([batch["item"], batch.get("negative", np.zeros(0, np.int64)).ravel()])
        wanted = tf.unique(ids).y.numpy()
        if with_neighbours:
            assert batch["neighbourhood"]["item"][: len(wanted)].tolist() == wanted.tolist()
            wanted = batch["neighbourhood"]["item"]
        assert_rows(carried, read, wanted)
