"""The index of an item shard says where its records start; a wrong one is named, and without one there is a way."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import records
from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.item_index import record_starts
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.validation import validate


@pytest.fixture
def folder(small_record_set: RecordSet, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(small_record_set.folder, tmp_path / "copy"))


def index_of(folder: Path, shard: int) -> Path:
    return folder / "items" / f"items-all-{shard:05d}-of-00003.offsets"


def walked(shard: Path) -> list[int]:
    """Where every record starts: 8 bytes of length, 4 of checksum, the record, 4 of checksum."""
    content, starts, position = shard.read_bytes(), [], 0
    while position < len(content):
        starts.append(position)
        position += 16 + struct.unpack_from("<Q", content, position)[0]
    return starts


def without_indexes(folder: Path) -> RecordSet:
    """Makes it a record set of schema version 1."""
    content = json.loads((folder / "metadata.json").read_text())
    for entry in content.pop("item_indexes"):
        (folder / entry["path"]).unlink()
    (folder / "metadata.json").write_text(json.dumps(content | {"schema_version": 1}))
    return records.open_record_set(folder)


def changed(index: Path, change: Callable[[np.ndarray], None]) -> None:
    starts = np.frombuffer(index.read_bytes(), "<i8").copy()
    change(starts)
    index.write_bytes(starts.tobytes())


def test_an_index_is_where_the_records_of_its_shard_start(small_record_set):
    for number, shard in enumerate(small_record_set.item_shards()):
        content = index_of(small_record_set.folder, number).read_bytes()
        assert list(struct.unpack(f"<{len(content) // 8}q", content)) == walked(shard)


def test_a_record_set_without_indexes_is_read_all_the_same(folder, small_record_set):
    older = without_indexes(folder)
    assert validate(folder) == []
    assert older.metadata.checksum == small_record_set.metadata.checksum
    for found, shard in zip(record_starts(older), older.item_shards(), strict=True):
        assert found.tolist() == walked(shard)
    ids = tf.constant([299, 0, 150], tf.int64)
    one, other = (records.ItemLookup(record_set).lookup(ids) for record_set in (older, small_record_set))
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("kept", [40, 8])  # amid the record, amid the header of the next
def test_a_shard_that_ends_too_early_is_named_where_its_headers_have_to_be_read(folder, kept):
    older = without_indexes(folder)
    shard = older.item_shards()[1]
    shard.write_bytes(shard.read_bytes()[: walked(shard)[7] + kept])
    with pytest.raises(InvalidRecordSetError, match=r"^items-all\.tfrecord-00001-of-00003: record 7 is truncated"):
        records.ItemLookup(older)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda starts: starts.__setitem__(3, starts[3] + 1), "record 3 starts at byte"),
        (lambda starts: starts.__setitem__(slice(None), starts[::-1].copy()), "record 0 starts at byte"),
    ],
)
def test_validation_names_a_damaged_index(folder, change, problem):
    changed(index_of(folder, 2), change)
    place = "items/items-all-00002-of-00003.offsets: "
    found = [str(finding) for finding in validate(folder)]
    assert found[0] == f"{place}does not match its checksum in metadata.json"
    assert found[1].startswith(f"{place}says that {problem}") and len(found) == 2


def test_an_index_of_another_size_is_not_opened(folder):
    index = index_of(folder, 0)
    index.write_bytes(index.read_bytes()[:-8])
    with pytest.raises(InvalidRecordSetError, match=r"items-all-00000-of-00003\.offsets: has 792 bytes"):
        records.open_record_set(folder)


def test_an_index_that_cannot_be_one_is_named_before_anything_is_looked_up(folder):
    changed(index_of(folder, 1), lambda starts: starts.sort(kind="stable") or starts.__setitem__(5, 2**40))
    with pytest.raises(InvalidRecordSetError, match=r"^items-all-00001-of-00003\.offsets: is not an index of the 100"):
        records.ItemLookup(records.open_record_set(folder))


def test_an_index_that_leads_astray_is_named_after_the_error(folder):
    changed(index_of(folder, 1), lambda starts: starts.__setitem__(5, starts[5] - 2))
    record_set = records.open_record_set(folder)
    lookup = records.ItemLookup(record_set)
    with pytest.raises(InvalidRecordSetError, match="record 5 is truncated, or not where its index says"):
        lookup.read(np.array([105]))
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        list(tf.data.Dataset.from_tensors([105]).map(lambda ids: lookup.lookup(tf.cast(ids, tf.int64))))
    explanation = records.explain_damage(record_set, raised.value)
    assert str(explanation).startswith("items-all-00001-of-00003.offsets: says that record 5 starts at byte")
