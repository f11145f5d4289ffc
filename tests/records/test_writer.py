"""What is written is what is read, by this project and by TFDS; what is not whole does not look finished."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf import records
from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records import writer
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData

STUCK_WRITER = """
import sys
import time

import numpy as np

from tf_metammf.records import Interactions, ModalityFeatures, RawData, write_record_set


class StuckFeatures:
    shape, dtype = (5, 2), np.dtype(np.float32)

    def __getitem__(self, rows):
        print("half-way", flush=True)
        time.sleep(600)


train = Interactions(np.arange(5), np.arange(5))
modalities = {"visual": ModalityFeatures(StuckFeatures(), np.arange(5))}
data = RawData("stuck", list("abcde"), list("vwxyz"), train, modalities)
write_record_set(data, {"train": train}, sys.argv[1])
"""

WRITER_ON_A_FULL_DISK = """
import resource
import signal
import sys

import numpy as np

from tf_metammf.records import Interactions, RawData, write_record_set

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
train = Interactions(np.arange(30_000), np.arange(30_000))
ids = [str(n) for n in range(30_000)]
write_record_set(RawData("large", ids[:1000], ids[:1000], train, {}), {"train": train}, sys.argv[1])
"""


@st.composite
def raw_data(draw: st.DrawFn) -> RawData:
    users, items = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    timestamps = draw(st.booleans())

    def interactions() -> Interactions:
        size = draw(st.integers(0, 30))
        return Interactions(
            generator.integers(users, size=size),
            generator.integers(items, size=size),
            timestamp=generator.integers(-(2**40), 2**40, size) if timestamps else None,
        )

    modalities = {}
    for name in draw(st.sets(st.sampled_from(["visual", "acoustic", "textual"]))):
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64, np.int8]))
        features = generator.normal(scale=50, size=(items, draw(st.integers(1, 5)))).astype(dtype)
        row_of_item = np.where(generator.random(items) < 0.7, generator.permutation(items), -1)
        modalities[name] = ModalityFeatures(features, row_of_item)
    ids = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=5)
    return RawData(
        name="drawn",
        user_ids=draw(st.lists(ids, min_size=users, max_size=users)),
        item_ids=draw(st.lists(ids, min_size=items, max_size=items)),
        interactions=interactions(),
        modalities=modalities,
        splits={"train": interactions(), "test": interactions()},
    )


def sorted_rows(interactions: Interactions) -> list[tuple[int, ...]]:
    columns = [interactions.user, interactions.item]
    if interactions.timestamp is not None:
        columns.append(interactions.timestamp)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=10, deadline=None)
@given(data=raw_data(), shards=st.integers(1, 4), block_size=st.integers(1, 9))
def test_what_is_written_is_what_is_read(data, shards, block_size):
    with TemporaryDirectory() as folder, patch.object(writer, "BLOCK_SIZE", block_size):
        records.write_record_set(data, data.splits, Path(folder) / "set", shards=shards)
        record_set = records.open_record_set(Path(folder) / "set")
        assert record_set.user_ids == data.user_ids
        assert record_set.item_ids == data.item_ids
        for split, expected in data.splits.items():
            assert sorted_rows(records.read_interactions(record_set, split)) == sorted_rows(expected)
        read = records.read_items(record_set)
        assert read.modalities == tuple(sorted(data.modalities))
        for name, modality in data.modalities.items():
            np.testing.assert_array_equal(read.presence[name], modality.row_of_item >= 0)
            for item, row in enumerate(modality.row_of_item):
                expected = modality.features[row].astype(np.float32) if row >= 0 else np.zeros(modality.width)
                np.testing.assert_array_equal(read.features[name][item], expected)


def test_metadata_counts_what_was_written(small_record_set):
    metadata = small_record_set.metadata
    assert (metadata.users, metadata.items, metadata.timestamps) == (50, 300, True)
    assert {name: split.interactions for name, split in metadata.splits.items()} == {
        "train": 5_000,
        "validation": 400,
        "test": 300,
    }
    assert {name: (entry.width, entry.source_dtype, entry.items) for name, entry in metadata.modalities.items()} == {
        "acoustic": (4, "float32", 297),
        "visual": (6, "float16", 297),
    }
    for entry in metadata.files:
        content = (small_record_set.folder / entry.path).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_tfds_reads_the_interactions(small_raw_data, small_record_set):
    builder = tfds.builder_from_directory(small_record_set.folder / "interactions")
    assert set(builder.info.splits) == {"train", "validation", "test"}
    for split, expected in small_raw_data.splits.items():
        blocks = list(tfds.as_numpy(builder.as_dataset(split=split)))
        assert builder.info.splits[split].num_examples == len(blocks)
        columns = {name: np.concatenate([block[name] for block in blocks]) for name in ("user", "item", "timestamp")}
        assert sorted_rows(Interactions(**columns)) == sorted_rows(expected)


def test_tfds_reads_the_items(small_raw_data, small_record_set):
    builder = tfds.builder_from_directory(small_record_set.folder / "items")
    assert list(builder.info.splits) == ["items"]
    items = list(tfds.as_numpy(builder.as_dataset(split="items")))
    assert sorted(int(item["item"]) for item in items) == list(range(300))
    for name, modality in small_raw_data.modalities.items():
        for item in items:
            row = modality.row_of_item[item["item"]]
            expected = modality.features[row].astype(np.float32) if row >= 0 else []
            np.testing.assert_array_equal(item[name], expected)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_another_order(small_raw_data, tmp_path):
    def content(name: str, seed: int) -> dict[str, bytes]:
        folder = records.write_record_set(small_raw_data, small_raw_data.splits, tmp_path / name, seed=seed).folder
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    one, again, other = content("one", 1), content("again", 1), content("other", 2)
    assert one == again
    assert {path for path in one if one[path] != other[path]} == {
        "metadata.json",
        *(f"interactions/interactions-{split}.tfrecord-00000-of-00001" for split in ("train", "validation", "test")),
    }


def test_a_killed_writer_leaves_nothing_that_looks_finished(small_raw_data, tmp_path):
    target = tmp_path / "set"
    with subprocess.Popen([sys.executable, "-c", STUCK_WRITER, target], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half-way\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    (left,) = tmp_path.iterdir()
    assert (left / "interactions" / "interactions-train.tfrecord-00000-of-00001").exists()
    with pytest.raises(InvalidRecordSetError, match=r"has no metadata\.json"):
        records.open_record_set(left)
    records.write_record_set(small_raw_data, small_raw_data.splits, target)
    assert len(records.read_interactions(records.open_record_set(target), "train")) == 5_000


@pytest.mark.skipif(os.name != "posix", reason="limits of the file size are those of POSIX")
def test_a_disk_that_is_full_is_one_clear_line_and_leaves_nothing(tmp_path):
    target = tmp_path / "set"
    process = subprocess.run([sys.executable, "-c", WRITER_ON_A_FULL_DISK, target], capture_output=True, text=True)
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith(f"tf_metammf.errors.InvalidInputError: {target}: could not be written (")
    assert "No partial output was left. Free some space or choose another --output." in last
    assert list(tmp_path.iterdir()) == []


def test_an_existing_target_is_refused_and_left_as_it_was(small_raw_data, tmp_path):
    target = tmp_path / "set"
    target.mkdir()
    (target / "precious").write_text("mine")
    with pytest.raises(InvalidInputError, match=r"set: already exists\. Choose another --output or remove it first"):
        records.write_record_set(small_raw_data, small_raw_data.splits, target)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "precious"]
    assert (target / "precious").read_text() == "mine"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_named_and_leave_nothing(tmp_path, value):
    features = np.ones((3, 2), np.float32)
    features[2, 1] = value
    train = Interactions(np.array([0]), np.array([1]))
    modalities = {"visual": ModalityFeatures(features, np.array([0, 2, -1]))}
    data = RawData("broken", ["u"], ["first", "second", "third"], train, modalities)
    with pytest.raises(
        InvalidInputError, match=r'modality "visual": item "second" \(row 2\) has NaN or infinite values'
    ):
        records.write_record_set(data, {"train": train}, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("raw", ["", "two\nlines", "carriage\rreturn"])
def test_ids_that_do_not_fit_on_a_line_are_named(tmp_path, raw):
    nothing = Interactions(np.zeros(0, np.int64), np.zeros(0, np.int64))
    with pytest.raises(InvalidInputError, match="item number 1 has the id"):
        records.write_record_set(RawData("ids", ["u"], ["v", raw], nothing, {}), {"train": nothing}, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_fewer_than_one_shard_is_refused(small_raw_data, tmp_path):
    with pytest.raises(InvalidInputError, match="shards is 0, expected at least 1"):
        records.write_record_set(small_raw_data, small_raw_data.splits, tmp_path / "set", shards=0)


def test_timestamps_on_some_splits_only_are_refused(tmp_path):
    stamped = Interactions(np.array([0]), np.array([0]), timestamp=np.array([5]))
    plain = Interactions(np.array([0]), np.array([1]))
    data = RawData("mixed", ["u"], ["a", "b"], stamped, {})
    with pytest.raises(InvalidInputError, match="only some splits have timestamps"):
        writer.write_record_set(data, {"train": stamped, "test": plain}, tmp_path / "set")
    assert not list(tmp_path.iterdir())
