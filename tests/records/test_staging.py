"""A folder that appears at once: everything in it is on disk before it has its name."""

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
