"""Whatever is wrong with a shard, the error names the shard and the record."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import records
from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.metadata import FileEntry, file_entry
from tf_metammf.records.record_set import RecordSet


@pytest.fixture
def record_set(small_record_set: RecordSet, tmp_path: Path) -> RecordSet:
    """A copy to damage."""
    shutil.copytree(small_record_set.folder, tmp_path / "copy")
    return records.open_record_set(tmp_path / "copy")


def record_starts(path: Path) -> list[int]:
    """Where every record starts: 8 bytes of length, 4 of checksum, the record, 4 of checksum."""
    content, starts, position = path.read_bytes(), [], 0
    while position < len(content):
        starts.append(position)
        position += 16 + struct.unpack_from("<Q", content, position)[0]
    return starts


def flip_bit(path: Path, record: int, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[record_starts(path)[record] + offset] ^= 4
    path.write_bytes(content)


def rewrite(record_set: RecordSet, shard: FileEntry, examples: list[tf.train.Example]) -> RecordSet:
    """Replaces a shard by sound records, with the size and the number of records in metadata.json."""
    path = record_set.folder / shard.path
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    entry = file_entry(record_set.folder, path, records=len(examples), interactions=shard.interactions)

    def replaced(shards: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        return tuple(entry if old is shard else old for old in shards)

    metadata = record_set.metadata
    splits = {name: replace(split, shards=replaced(split.shards)) for name, split in metadata.splits.items()}
    replace(metadata, splits=splits, item_shards=replaced(metadata.item_shards)).write(record_set.folder)
    return records.open_record_set(record_set.folder)


def examples(record_set: RecordSet, shard: FileEntry) -> list[tf.train.Example]:
    dataset = tf.data.TFRecordDataset(str(record_set.folder / shard.path))
    return [tf.train.Example.FromString(record) for record in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("offset", [3, 9, 100])  # in the length, its checksum, the record
def test_a_flipped_bit_in_an_interaction_shard_is_named(record_set, offset):
    flip_bit(record_set.interaction_shards("train")[1], 1, offset)
    with pytest.raises(
        InvalidRecordSetError, match=r"^interactions-train\.tfrecord-00001-of-00003: record 1 is damaged"
    ):
        records.read_interactions(records.open_record_set(record_set.folder), "train")


def test_a_flipped_bit_in_an_item_shard_is_named(record_set):
    flip_bit(record_set.item_shards()[2], 57, 40)
    with pytest.raises(InvalidRecordSetError, match=r"^items-all\.tfrecord-00002-of-00003: record 57 is damaged"):
        records.read_items(record_set)


def test_a_shard_truncated_after_it_was_opened_is_named(record_set):
    path = record_set.item_shards()[0]
    path.write_bytes(path.read_bytes()[: record_starts(path)[33] + 20])
    with pytest.raises(InvalidRecordSetError, match=r"^items-all\.tfrecord-00000-of-00003: record 33 is truncated"):
        records.read_items(record_set)


def test_a_shard_truncated_between_two_records_is_named(record_set):
    path = record_set.interaction_shards("test")[0]
    path.write_bytes(b"")
    with pytest.raises(InvalidRecordSetError, match=r'split "test" has 200 interactions, metadata.json says 300'):
        records.read_interactions(record_set, "test")


def test_a_truncated_shard_is_not_opened(record_set):
    path = record_set.item_shards()[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidRecordSetError, match=r"items-all\.tfrecord-00000-of-00003: has \d+ bytes"):
        records.open_record_set(record_set.folder)


def test_a_width_that_changes_between_shards_is_named(record_set):
    shard = record_set.metadata.item_shards[1]
    items = examples(record_set, shard)
    items[12].features.feature["visual"].float_list.value.append(0.5)
    changed = rewrite(record_set, shard, items)
    message = (
        r'^items-all\.tfrecord-00001-of-00003: record 12 has 7 values for modality "visual", metadata\.json says 6\.'
    )
    with pytest.raises(InvalidRecordSetError, match=message):
        records.read_items(changed)


@pytest.mark.parametrize(("column", "count"), [("user", 50), ("item", 300)])
@pytest.mark.parametrize("outside", [-1, 300, 2**62])
def test_an_id_out_of_range_is_named(record_set, column, count, outside):
    shard = record_set.metadata.splits["train"].shards[2]
    blocks = examples(record_set, shard)
    blocks[1].features.feature[column].int64_list.value[17] = outside
    changed = rewrite(record_set, shard, blocks)
    message = (
        rf"^interactions-train\.tfrecord-00002-of-00003: record 1 has the {column} {outside}, expected 0 to {count - 1}"
    )
    with pytest.raises(InvalidRecordSetError, match=message):
        records.read_interactions(changed, "train")


def test_columns_of_different_lengths_are_named(record_set):
    shard = record_set.metadata.splits["train"].shards[0]
    blocks = examples(record_set, shard)
    del blocks[0].features.feature["item"].int64_list.value[-1]
    changed = rewrite(record_set, shard, blocks)
    with pytest.raises(InvalidRecordSetError, match="record 0 has lists of different lengths: user 1024, item 1023"):
        records.read_interactions(changed, "train")


def test_an_item_that_comes_twice_is_named(record_set):
    shard = record_set.metadata.item_shards[0]
    items = examples(record_set, shard)
    items[4].features.feature["item"].int64_list.value[0] = 3
    with pytest.raises(InvalidRecordSetError, match="item 3 occurs 2 times in the item shards, expected once"):
        records.read_items(rewrite(record_set, shard, items))


@pytest.mark.parametrize("reading", ["streamed interactions", "items"])
def test_the_error_of_a_dataset_can_be_explained(record_set, reading):
    if reading == "items":
        damaged, dataset = record_set.item_shards()[1], records.items(record_set, batch_size=32, shuffle_seed=1)
    else:
        damaged = record_set.interaction_shards("train")[0]
        dataset = records.interactions(record_set, batch_size=32, shuffle_seed=1, memory_budget=0)
    flip_bit(damaged, 1, 50)
    with pytest.raises(tf.errors.DataLossError) as raised:
        list(dataset)
    explanation = records.explain_damage(record_set, raised.value)
    assert isinstance(explanation, InvalidRecordSetError)
    assert str(explanation).startswith(f"{damaged.name}: record 1 is damaged")


def test_an_error_that_is_not_about_the_record_set_has_no_explanation(record_set):
    invalid = tf.errors.InvalidArgumentError(None, None, "logits and labels must have the same first dimension")
    assert records.explain_damage(record_set, invalid) is None
    flip_bit(record_set.item_shards()[0], 0, 20)
    assert records.explain_damage(record_set, KeyError("user")) is None


def test_items_may_come_in_any_order(record_set):
    before = records.read_items(record_set)
    shard = record_set.metadata.item_shards[0]
    after = records.read_items(rewrite(record_set, shard, examples(record_set, shard)[::-1]))
    for modality in before.modalities:
        np.testing.assert_array_equal(after.features[modality], before.features[modality])
        np.testing.assert_array_equal(after.presence[modality], before.presence[modality])
