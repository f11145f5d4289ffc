"""The way back to an earlier version."""

from pathlib import Path

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.rollback import roll_back
from tf_metammf.export.versions import newest_version, version_directory


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three versions."""
    for number in (3, 7, 12):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").write_text(str(number))
    return tmp_path


def test_the_version_before_the_newest_is_live_and_its_number_is_not_given_again(folder, capsys):
    assert main(["rollback", "--model", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"set aside {folder / '.12.rolled-back'}",
        f"{folder / '7'}: the newest version now",
    ]
    assert newest_version(folder).name == "7"
    assert version_directory(folder).name == "13"
    (folder / ".12.rolled-back").rename(folder / "12")  # undone
    assert (newest_version(folder) / "saved_model.pb").read_text() == "12"


def test_a_rollback_to_a_number_can_be_repeated(folder):
    assert len(roll_back(folder, version=3).set_aside) == 2
    assert roll_back(folder, version=3).set_aside == ()
    assert newest_version(folder).name == "3"


def test_the_live_version_changes_once_however_many_are_set_aside(folder, monkeypatch):
    newest, rename = [], Path.rename

    def watched(path: Path, target: Path) -> Path:
        newest.append(newest_version(folder).name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", watched)
    roll_back(folder, version=3)
    assert newest == ["12", "12"]


@pytest.mark.parametrize(
    ("numbers", "version", "message"),
    [
        ([], None, "has no versions"),
        ([4], None, "has version 4 alone, so there is no earlier one"),
        ([4, 5], 6, "has no version 6, it has 4, 5"),
    ],
)
def test_there_has_to_be_a_version_to_return_to(tmp_path, numbers, version, message):
    for number in numbers:
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    with pytest.raises(InvalidInputError, match=message):
        roll_back(tmp_path, version=version)
