"""Validation finds what is wrong with a record set, and nothing where nothing is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import ArrayLike

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.item_index import walk, write_index
from tf_metammf.records.metadata import file_entry
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.validation import validate
from tf_metammf.records.writer import write_record_set

USERS, ITEMS, WIDTH = 6, 5, 4


def write(folder: Path, **splits: ArrayLike) -> RecordSet:
    pairs = {"train": [(0, 0), (1, 1), (2, 2), (5, 4)], "validation": [(0, 1)], "test": [(1, 2)]} | splits
    columns = {name: Interactions(*np.array(rows, np.int64).T) for name, rows in pairs.items()}
    features = np.random.default_rng(0).normal(size=(ITEMS, WIDTH)).astype(np.float32)
    row_of_item = np.array([0, 1, -1, 3, 4])
    data = RawData(
        "small",
        [f"u{n}" for n in range(USERS)],
        [f"v{n}" for n in range(ITEMS)],
        columns["train"],
        {"visual": ModalityFeatures(features, row_of_item)},
    )
    return write_record_set(data, columns, folder, shards=2)


def findings(folder: Path) -> list[str]:
    return [str(finding) for finding in validate(folder)]


def rewrite(record_set: RecordSet, shard: int, examples: list[tf.train.Example]) -> None:
    """Replaces an item shard, and brings its index and both entries in metadata.json up to date."""
    metadata = record_set.metadata
    path = record_set.folder / metadata.item_shards[shard].path
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    index = record_set.folder / metadata.item_indexes[shard].path
    write_index(index, walk(path, len(examples)).tolist())
    shards, indexes = list(metadata.item_shards), list(metadata.item_indexes)
    shards[shard] = file_entry(record_set.folder, path, records=len(examples))
    indexes[shard] = file_entry(record_set.folder, index, records=len(examples))
    replace(metadata, item_shards=tuple(shards), item_indexes=tuple(indexes)).write(record_set.folder)


def with_path(content: dict, path: str | None) -> dict:
    """The contents of metadata.json with another path of an item shard."""
    return content | {"item_shards": [content["item_shards"][0] | {"path": path}]}


def item(number: int, values: list[float]) -> tf.train.Example:
    example = tf.train.Example()
    example.features.feature["item"].int64_list.value.append(number)
    example.features.feature["visual"].float_list.value.extend(values)
    return example


def test_a_record_set_as_it_was_written_has_no_findings(tmp_path):
    assert findings(write(tmp_path / "set").folder) == []
    assert findings(write(tmp_path / "without validation", validation=np.zeros((0, 2))).folder) == []


def test_a_missing_file_and_a_foreign_one_are_named(tmp_path):
    folder = write(tmp_path / "set").folder
    (folder / "users.txt").unlink()
    (folder / "interactions" / "features.json").unlink()
    (folder / "notes.txt").write_text("mine")
    assert findings(folder) == [
        "interactions/features.json: is missing",
        "users.txt: is missing",
        "notes.txt: is not part of the record set",
    ]


def test_tfds_metadata_that_tfds_cannot_read_are_named(tmp_path):
    folder = write(tmp_path / "set").folder
    (folder / "items" / "features.json").write_text("")
    info = folder / "interactions" / "dataset_info.json"
    info.write_text(info.read_text().replace('"validation"', '"valuation"'))
    assert findings(folder) == [
        "interactions/dataset_info.json: does not match the splits or records per shard in metadata.json",
        "items/features.json: is not JSON (Expecting value: line 1 column 1 (char 0))",
    ]


def test_a_truncated_shard_is_named_with_its_record(tmp_path):
    record_set = write(tmp_path / "set")
    entry = record_set.metadata.item_shards[1]
    path = record_set.folder / entry.path
    path.write_bytes(path.read_bytes()[:-5])
    assert findings(record_set.folder) == [
        f"{entry.path}: has {entry.bytes - 5} bytes, metadata.json says {entry.bytes}",
        f"{entry.path}: record 2 is truncated. Convert the raw data again, or copy the shard again.",
    ]


@pytest.mark.parametrize("record", [0, 1])
def test_a_flipped_bit_is_named_with_its_record(tmp_path, record):
    record_set = write(tmp_path / "set")
    entry = record_set.metadata.item_shards[0]
    path = record_set.folder / entry.path
    content = bytearray(path.read_bytes())
    content[record * (len(content) // entry.records) + 20] ^= 4
    path.write_bytes(content)
    assert findings(record_set.folder) == [
        f"{entry.path}: does not match its checksum in metadata.json",
        f"{entry.path}: record {record} is damaged. Convert the raw data again, or copy the shard again.",
    ]


def test_duplicates_inside_a_split_and_leakage_between_splits_are_counted(tmp_path):
    record_set = write(tmp_path / "set", train=[(0, 0), (0, 0), (0, 0), (1, 1), (1, 2)], test=[(1, 2), (1, 1)])
    assert findings(record_set.folder) == [
        'split "train": has 2 duplicate interactions, first user 0, item 0',
        'splits "train" and "test": share 2 interactions, first user 1, item 1',
    ]


def test_items_of_another_width_not_finite_missing_or_twice_are_named(tmp_path):
    record_set = write(tmp_path / "set")
    rewrite(record_set, 0, [item(0, [1.0] * 3), item(0, [1.0, 2.0, np.nan, 0.0])])
    place = record_set.metadata.item_shards[0].path
    assert findings(record_set.folder) == [
        f'{place}: record 0 has 3 values for modality "visual", metadata.json says {WIDTH}',
        f'{place}: record 1 has NaN or infinite values for modality "visual"',
        "items: item 1 is missing",
        "items: item 0 occurs twice",
    ]


def test_an_id_out_of_range_is_named(tmp_path):
    record_set = write(tmp_path / "set")
    rewrite(record_set, 0, [item(0, [1.0] * WIDTH), item(ITEMS, [1.0] * WIDTH)])
    found = findings(record_set.folder)
    assert f"{record_set.metadata.item_shards[0].path}: record 1 has the item [5], expected one from 0 to 4" in found


def test_interactions_out_of_range_are_named(tmp_path):
    record_set = write(tmp_path / "set")
    content = json.loads((record_set.folder / "metadata.json").read_text())
    content["users"] = 5
    (record_set.folder / "metadata.json").write_text(json.dumps(content))
    found = findings(record_set.folder)
    assert "users.txt: has 6 ids, metadata.json says 5" in found
    assert any("has the user 5, expected 0 to 4" in line for line in found)


def test_ids_that_occur_twice_are_named(tmp_path):
    folder = write(tmp_path / "set").folder
    (folder / "items.txt").write_text("v0\nv1\nv1\nv3\nv4\n")
    assert 'items.txt: line 3 has the id "v1", as line 2 has' in findings(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content | {"schema_version": 6}, "schema version 6 is newer than 5"),
        (lambda content: {key: value for key, value in content.items() if key != "users"}, "incomplete or malformed"),
        (lambda content: [], "has no schema_version"),
        (lambda content: content | {"users": "six"}, "'six' instead of a number of at least 0"),
        (lambda content: content | {"items": -1}, "-1 instead of a number of at least 0"),
        (lambda content: content | {"item_indexes": content["item_indexes"][:1]}, "1 indexes of 2 item shards"),
        (lambda content: content | {"timestamps": None}, "timestamps is None"),
        (lambda content: with_path(content, None), "None instead of a text"),
        (lambda content: with_path(content, "../items.txt"), "instead of a path inside the record set"),
    ],
)
def test_metadata_that_cannot_be_used_is_an_error(tmp_path, change, message):
    path = write(tmp_path / "set").folder / "metadata.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InvalidRecordSetError, match=message):
        validate(path.parent)


def test_a_folder_without_metadata_is_no_record_set(tmp_path):
    with pytest.raises(InvalidRecordSetError, match="it is not a record set"):
        validate(tmp_path)
