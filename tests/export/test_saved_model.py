"""Version directories: numbered, whole or not there, and refused where they could not be right."""

import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.export.export_options import ExportOptions
from tf_metammf.export.reports import read_report
from tf_metammf.export.saved_model import export_model
from tf_metammf.export.versions import newest_version, version_directory


@pytest.fixture
def versions(tmp_path):
    """A folder with the versions 2 and 10, a folder that is none, and half of version 11."""
    for name in ("2", "10", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / ".11.partial-123").mkdir()
    return tmp_path


def test_versions_count_up_from_one(tmp_path, versions):
    assert version_directory(tmp_path / "new").name == "1"
    assert version_directory(versions) == versions / "11"
    assert version_directory(versions, 3) == versions / "3"


def test_the_newest_version_is_the_largest_number_that_is_whole(versions):
    (versions / "12").mkdir()
    assert newest_version(versions) == versions / "10"
    assert newest_version(versions / "2") == versions / "2"


@pytest.mark.parametrize(("version", "message"), [(10, "already exists"), (0, "version is 0"), (-1, "version is -1")])
def test_a_version_that_exists_or_is_no_version_is_refused(versions, version, message):
    with pytest.raises(InvalidInputError, match=message):
        version_directory(versions, version)


@pytest.mark.long
def test_a_second_export_becomes_the_next_version_and_both_answer_in_one_process(catalogue, version, tmp_path):
    seen = (np.array([3]), np.array([0]))
    ids = {"user_ids": catalogue.user_ids, "item_ids": [f"new {raw}" for raw in catalogue.item_ids]}
    first = Path(shutil.copytree(version, tmp_path / "models" / "1"))
    options = ExportOptions(k=9, reports={"build": {"commit": "4f2a"}})
    second = export_model(catalogue.model, tmp_path / "models", **ids, seen=seen, options=options, k=4)
    assert second.name == "2"
    assert sorted(path.name for path in (tmp_path / "models").glob("[!.]*")) == ["1", "2"]
    old, new = Client(first), Client(tmp_path / "models")
    assert new.predict("serving_default", {"user_id": ["nobody"]})["item_id"].shape == (1, 4)
    assert read_report(second, "build") == {"commit": "4f2a"}
    (of_new,) = new.recommend([catalogue.user_ids[3]], 3, exclude_seen=False)
    (of_old,) = old.recommend([catalogue.user_ids[3]], 3, exclude_seen=False)
    assert of_new.item_ids == [f"new {raw}" for raw in of_old.item_ids]


def test_a_server_that_polls_sees_no_numeric_folder_before_the_version_is_whole(catalogue, tmp_path, monkeypatch):
    seen_while_saving = []

    def save(module, folder, **options):
        seen_while_saving.extend(path.name for path in tmp_path.iterdir())

    monkeypatch.setattr(tf.saved_model, "save", save)
    catalogue.export(tmp_path)
    assert sorted(seen_while_saving) == [".1.exported", f".1.partial-{os.getpid()}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".1.exported", "1"]


def test_a_disk_that_is_full_leaves_nothing_and_is_told_in_one_line(catalogue, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InvalidInputError, match=f"{tmp_path / '1'}: could not be written") as refused:
            catalogue.export(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"version": 0}, "version is 0"),
        ({"user_ids": ["one", "two"]}, "the model has 21 users, but there are 2 user ids"),
        ({"item_ids": ["twice"] * 200}, 'item 1 has the id "twice" of another one'),
        ({"item_ids": [""] * 200}, "item 0 has the id ''"),
        ({"item_ids": ["a\rb"] * 200}, "must not be empty or hold line breaks"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_and_leave_nothing(catalogue, tmp_path, change, message):
    arguments = {"user_ids": catalogue.user_ids, "item_ids": catalogue.item_ids, "seen": catalogue.seen} | change
    with pytest.raises(InvalidInputError, match=message):
        export_model(catalogue.model, tmp_path / "models", **arguments)
    assert not (tmp_path / "models").exists()


def test_a_model_whose_weights_are_no_numbers_is_refused(catalogue, tmp_path):
    embeddings = catalogue.model.user_tower.embedding.embeddings
    before = embeddings.numpy()
    embeddings.assign(np.where(np.arange(len(before))[:, None] == 2, np.nan, before))
    try:
        with pytest.raises(InvalidInputError, match=f'embedding of user "{catalogue.user_ids[2]}" is NaN or infinite'):
            catalogue.export(tmp_path / "models")
    finally:
        embeddings.assign(before)
    assert not (tmp_path / "models").exists()
