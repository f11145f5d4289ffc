"""Old versions are deleted, and whoever polls the folder never sees an incomplete one."""

import os
import shutil

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export import versions as versions_module
from tf_metammf.export.retention import delete_old_versions
from tf_metammf.export.versions import reserved_version, version_directory
from tf_metammf.records import staging
from tf_metammf.records.staging import staged_directory


@pytest.fixture
def folder(tmp_path):
    """The versions 2, 9, 10 and 11, a number that is no version, and other things."""
    for name in ("2", "9", "10", "11", "notes"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "3").mkdir()
    (tmp_path / "README").touch()
    return tmp_path


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_largest_numbers_stay_and_so_does_what_is_no_version(folder):
    assert [path.name for path in delete_old_versions(folder, keep=2)] == ["2", "9"]
    assert names(folder) == {"10", "11", "3", "notes", "README"}
    assert delete_old_versions(folder, keep=2) == []


def test_more_to_keep_than_there_are_keeps_all(folder):
    assert delete_old_versions(folder, keep=5) == []
    assert names(folder) >= {"2", "9", "10", "11"}


def test_the_version_just_written_stays_though_it_is_not_the_newest(folder):
    assert [path.name for path in delete_old_versions(folder, keep=1, written=folder / "9")] == ["2", "10"]
    assert names(folder) >= {"9", "11"}


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_version_is_kept(folder, keep):
    with pytest.raises(InvalidInputError, match=f"--keep is {keep}, expected at least 1"):
        delete_old_versions(folder, keep=keep)
    assert names(folder) >= {"2", "9", "10", "11"}


def test_a_version_has_lost_its_number_before_it_loses_a_file(folder, monkeypatch):
    seen = []

    def watch(path, **_):
        seen.append((path.name, names(folder), (path / "saved_model.pb").is_file()))

    monkeypatch.setattr(shutil, "rmtree", watch)
    delete_old_versions(folder, keep=3)
    assert [(name, whole) for name, _, whole in seen] == [(f".2.deleted-{os.getpid()}", True)]
    assert "2" not in seen[0][1]


def test_what_an_interrupted_deletion_left_goes_at_the_next(folder):
    (folder / ".1.deleted-99" / "variables").mkdir(parents=True)
    delete_old_versions(folder, keep=4)
    assert ".1.deleted-99" not in names(folder)


def test_a_version_appears_when_every_file_and_folder_of_it_is_on_disk_and_then_its_name_is(tmp_path, monkeypatch):
    target, synced = tmp_path / "new" / "models" / "7", []
    monkeypatch.setattr(staging, "sync", lambda path: synced.append((path, target.exists())))
    with staged_directory(target) as inside:
        (inside / "variables").mkdir()
        (inside / "variables" / "variables.index").touch()
        (inside / ".hidden").touch()
        contents = {inside, *inside.rglob("*")}
        assert len(contents) == 4
    assert {path for path, appeared in synced if not appeared} == contents
    assert [path for path, appeared in synced if appeared] == [tmp_path / "new" / "models", tmp_path / "new", tmp_path]


def test_a_version_that_another_process_wrote_meanwhile_is_not_overwritten(tmp_path):
    refused = pytest.raises(InvalidInputError, match="7: could not be written")
    with refused, staged_directory(tmp_path / "7") as inside:
        (inside / "mine").touch()
        (tmp_path / "7").mkdir()
        (tmp_path / "7" / "theirs").touch()
    assert names(tmp_path) == {"7"} and names(tmp_path / "7") == {"theirs"}


def write_version(folder, version=None) -> str:
    with reserved_version(folder, version) as target:
        target.mkdir()
        (target / "saved_model.pb").touch()
    return target.name


def test_the_number_of_a_deleted_version_is_not_given_again(tmp_path):
    assert [write_version(tmp_path) for _ in range(3)] == ["1", "2", "3"]
    shutil.rmtree(tmp_path / "3")
    shutil.rmtree(tmp_path / "2")
    assert write_version(tmp_path) == "4"
    shutil.rmtree(tmp_path / "4")
    shutil.rmtree(tmp_path / "1")
    assert write_version(tmp_path) == "5"
    assert write_version(tmp_path, 2) == "2"
    assert delete_old_versions(tmp_path, keep=1) == [tmp_path / "2"]
    assert write_version(tmp_path) == "6"
    assert names(tmp_path) == {"5", "6", ".6.exported"}


def test_a_version_of_the_highest_number_asked_for_and_deleted_counts_as_well(tmp_path):
    write_version(tmp_path, 41)
    shutil.rmtree(tmp_path / "41")
    assert write_version(tmp_path) == "42"
    shutil.rmtree(tmp_path / "42")
    assert write_version(tmp_path, 42) == "42"
    assert write_version(tmp_path) == "43"


def test_exports_at_the_same_time_get_numbers_of_their_own(tmp_path):
    with reserved_version(tmp_path) as first, reserved_version(tmp_path) as second:
        assert (first.name, second.name) == ("1", "2")
        second.mkdir()
    first.mkdir()
    assert write_version(tmp_path) == "3"


def test_an_export_that_fails_gives_its_number_back(tmp_path):
    write_version(tmp_path)
    with pytest.raises(OSError, match="full"), reserved_version(tmp_path):
        raise OSError("full")
    assert names(tmp_path) == {"1", ".1.exported"}
    assert write_version(tmp_path) == "2"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "model").touch()
    with pytest.raises(InvalidInputError, match="model: could not be written"), reserved_version(tmp_path / "model"):
        pass


def test_versions_from_before_there_was_a_record_count_by_what_is_there(folder):
    assert write_version(folder) == "12"


def test_a_timestamp_is_the_seconds_since_1970_and_always_larger_than_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(versions_module.time, "time", lambda: 1_700_000_000.9)
    assert version_directory(tmp_path, "timestamp").name == "1700000000"
    (tmp_path / "1700000000").mkdir()
    assert version_directory(tmp_path, "timestamp").name == "1700000001"
