"""Record sets and versions in TensorFlow's in-memory file system, which stands for buckets."""

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.bucket_versions import copy_version, next_version
from tf_metammf.records import bucket_copies
from tf_metammf.records.bucket_copies import copy_folder, is_url
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.validation import validate
from tf_metammf.records.writer import write_record_set

BUCKETS = count()


@pytest.fixture
def bucket() -> str:
    """A bucket of its own: the file system lives as long as the process."""
    return f"ram://bucket-{next(BUCKETS)}"


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("buckets") / "records"
    every = Interactions(np.arange(6) % 3, np.arange(6))
    splits = {
        "train": every.take(np.arange(4)),
        "validation": every.take(np.array([4])),
        "test": every.take(np.array([5])),
    }
    modalities = {"visual": ModalityFeatures(np.eye(6, 3, dtype=np.float32), np.arange(6))}
    data = RawData("small", ["a", "b", "c"], [f"v{item}" for item in range(6)], every, modalities, splits)
    write_record_set(data, splits, folder)
    return folder


@pytest.fixture
def version(tmp_path) -> Path:
    """What looks like an exported version."""
    folder = tmp_path / "models" / "3"
    (folder / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index"):
        (folder / name).write_text(name)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_record_set_comes_back_from_a_bucket_as_it_was(records, bucket, tmp_path, capsys):
    assert main(["copy", str(records), f"{bucket}/videos"]) == 0
    assert capsys.readouterr().out == f"{bucket}/videos\n"
    assert json.loads(tf.io.gfile.GFile(f"{bucket}/videos/metadata.json").read())["users"] == 3
    assert main(["copy", f"{bucket}/videos", str(tmp_path / "back")]) == 0
    assert content(tmp_path / "back") == content(records)
    assert validate(tmp_path / "back") == []


def test_the_file_that_makes_a_copy_whole_is_the_last_one(records, version, bucket, monkeypatch):
    copied, copy = [], tf.io.gfile.copy

    def watched(source, target, **options):
        copied.append(target)
        copy(source, target, **options)

    monkeypatch.setattr(tf.io.gfile, "copy", watched)
    copy_folder(records, f"{bucket}/videos")
    assert copied[-1] == f"{bucket}/videos/metadata.json" and len(copied) == len(content(records))
    assert copy_version(version, f"{bucket}/models") == f"{bucket}/models/3"
    assert copied[-1] == f"{bucket}/models/3/saved_model.pb"


def test_an_interrupted_copy_is_nothing_to_read_and_is_replaced(records, bucket, tmp_path, monkeypatch):
    copies, copy = count(), tf.io.gfile.copy

    def broken(source, target, **options):
        if next(copies) == 3:
            raise tf.errors.UnavailableError(None, None, "the network is gone")
        copy(source, target, **options)

    with monkeypatch.context() as patch, pytest.raises(InvalidInputError, match=r"ram://.*: the network is gone"):
        patch.setattr(tf.io.gfile, "copy", broken)
        copy_folder(records, f"{bucket}/videos")
    with pytest.raises(InvalidInputError, match=r"has no metadata\.json, so there is nothing whole to copy"):
        copy_folder(f"{bucket}/videos", tmp_path / "back")
    assert not (tmp_path / "back").exists()
    copy_folder(records, f"{bucket}/videos")
    copy_folder(f"{bucket}/videos", tmp_path / "back")
    assert content(tmp_path / "back") == content(records)


def test_what_is_there_is_not_overwritten(records, bucket):
    copy_folder(records, f"{bucket}/videos")
    with pytest.raises(InvalidInputError, match="already exists"):
        copy_folder(records, f"{bucket}/videos")
    tf.io.gfile.makedirs(f"{bucket}/other")
    tf.io.gfile.GFile(f"{bucket}/other/notes.txt", "w").write("keep")
    with pytest.raises(InvalidInputError, match=r"holds other files, such as notes\.txt"):
        copy_folder(records, f"{bucket}/other")


def test_damage_on_the_way_is_found(records, bucket, tmp_path, monkeypatch, capsys):
    copy_folder(records, f"{bucket}/videos")
    users = f"{bucket}/videos/users.txt"
    tf.io.gfile.remove(users)
    tf.io.gfile.GFile(users, "w").write("a\nb\nd\n")
    assert main(["copy", f"{bucket}/videos", str(tmp_path / "back")]) == 2
    assert "The copy is damaged: remove it, and copy again." in capsys.readouterr().err
    monkeypatch.setattr(tf.io.gfile, "copy", lambda source, target, **_: tf.io.gfile.GFile(target, "w").write("x"))
    with pytest.raises(InvalidInputError, match=r"has 1 bytes, expected \d+"):
        copy_folder(records, f"{bucket}/cut")


def test_a_version_gets_the_number_after_those_in_the_bucket(version, bucket):
    assert next_version(f"{bucket}/models") == 1
    copy_version(version, f"{bucket}/models")
    assert next_version(f"{bucket}/models") == 4
    assert next_version(f"{bucket}/models", 7) == 7
    assert next_version(f"{bucket}/models", "timestamp") > 10**9
    with pytest.raises(InvalidInputError, match=r"models/3: already exists"):
        next_version(f"{bucket}/models", 3)


def test_records_convert_writes_to_a_bucket(bucket, tmp_path, capsys):
    lines = [f"u{user},v{item},{item}" for user in range(5) for item in range(user, user + 12)]
    (tmp_path / "interactions.csv").write_text("\n".join(["user,item,time", *lines]))
    words = ["records", "convert", "--source", "tabular", "--input", str(tmp_path), "--output", f"{bucket}/videos"]
    words += ["--tabular.features", "{}"]
    assert main(words) == 0
    assert f"Wrote {bucket}/videos" in capsys.readouterr().out
    copy_folder(f"{bucket}/videos", tmp_path / "back")
    assert validate(tmp_path / "back") == []
    assert main(words) == 2
    assert "already exists" in capsys.readouterr().err
    assert main([*words, "--on_error", "skip"]) == 2
    assert 'Convert to a folder, and copy that with "tf-metammf copy"' in capsys.readouterr().err


def test_a_scheme_without_a_file_system_is_refused_with_those_that_there_are(records, tmp_path, capsys):
    for words in (["copy", str(records), "s3://bucket/videos"], ["copy", "s3://bucket/videos", str(tmp_path / "x")]):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert "TensorFlow has no file system for s3:// here, it has gs://, ram://" in error
    assert main(["copy", str(tmp_path), "ram://x"]) == 2
    assert "is neither a record set, which has metadata.json, nor an exported version" in capsys.readouterr().err
    assert main(["train", "--records", "gs://bucket/videos", "--run", "run"]) == 2
    assert 'Copy it with "tf-metammf copy", or mount it' in capsys.readouterr().err


def test_urls_are_told_from_paths():
    assert all(is_url(place) for place in ("gs://bucket/name", "ram://b", "S3://b/c"))
    assert not any(is_url(place) for place in ("videos", "/a/b", "a:b", "C:\\videos", "gs:/bucket", "://x"))
    assert bucket_copies.joined("gs://b/", "a", "c") == "gs://b/a/c"
