"""Folders and files that appear at once: everything in them is on disk before they have their name."""

import pytest

from tf_metammf.records import staging


def test_files_and_folders_are_synced_before_the_rename_and_what_it_changes_after_it(tmp_path, monkeypatch):
    target, synced = tmp_path / "new" / "target", []
    monkeypatch.setattr(staging, "sync", lambda path: synced.append((path, target.exists())))
    with staging.staged_directory(target) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "file").write_text("content")
    before = {path.relative_to(folder).as_posix() for path, is_there in synced if not is_there}
    after = {path for path, is_there in synced if is_there}
    assert before == {".", "part", "part/file"}
    assert after == {target.parent, tmp_path}


def test_a_file_that_is_replaced_keeps_its_former_text_until_the_new_one_is_there(tmp_path, monkeypatch):
    file = tmp_path / "configuration.yaml"
    staging.replace_text(file, "former")
    with monkeypatch.context() as patch:
        patch.setattr(staging, "sync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            staging.replace_text(file, "ä new one")
        assert file.read_text(encoding="utf-8") == "former"
    staging.replace_text(file, "ä new one")
    assert file.read_text(encoding="utf-8") == "ä new one" and list(tmp_path.iterdir()) == [file]


def interrupted(path) -> None:
    raise KeyboardInterrupt
