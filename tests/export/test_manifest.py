"""The manifest of an export: what it lists, and how damage is found when a version is loaded or verified."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client

MANIFEST = "assets.extra/manifest.json"


@pytest.fixture
def copy(version, tmp_path) -> Path:
    """A copy of a version, to damage."""
    return Path(shutil.copytree(version, tmp_path / "models" / "1"))


def test_it_lists_every_file_with_size_and_sha256(version):
    files = {path.relative_to(version).as_posix(): path.read_bytes() for path in version.rglob("*") if path.is_file()}
    manifest = json.loads(files.pop(MANIFEST))
    assert manifest["format"] == 1
    assert manifest["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    assert {"saved_model.pb", "assets/items.txt", "assets.extra/index.json"} <= set(files)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "name", "found", "loads"),
    [
        (Path.unlink, "assets/items.txt", "is missing", False),
        (cut, "variables/variables.data-00000-of-00001", "bytes, expected ", False),
        (flip, "assets/items.txt", "checksum mismatch", True),
        (Path.touch, "assets/notes.txt", "is not a part of the export", True),
    ],
    ids=["missing", "cut", "flipped", "added"],
)
def test_damage_is_named_by_verify_and_wrong_sizes_when_the_version_is_loaded(copy, damage, name, found, loads, capsys):
    assert main(["verify", str(copy.parent)]) == 0
    assert capsys.readouterr().out == f"{copy}: as exported\n"
    damage(copy / name)
    assert main(["verify", str(copy)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{copy / name}: ") and found in line
    if loads:
        Client(copy)
    else:
        with pytest.raises(InvalidInputError, match=f'{copy / name}: .*{found}.*"tf-metammf verify" finds all damage'):
            Client(copy)


def test_every_version_of_a_folder_is_verified(copy, version, capsys):
    other = Path(shutil.copytree(version, copy.parent / "2"))
    cut(copy / "saved_model.pb")
    flip(other / "assets" / "users.txt")
    assert main(["verify", str(copy.parent)]) == 1
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        f"{copy / 'saved_model.pb'}",
        f"{other / 'assets' / 'users.txt'}",
    ]


def test_an_export_without_manifest_is_loaded_and_cannot_be_verified(copy, catalogue, capsys):
    (copy / MANIFEST).unlink()
    assert Client(copy).recommend([catalogue.user_ids[3]])[0].known
    assert main(["verify", str(copy)]) == 2
    assert f"{copy}: has no {MANIFEST}, so it cannot be verified" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2, "files": {}}', '{"format": 1, "files": {"a": 1}}'])
def test_a_manifest_that_is_damaged_is_an_error(copy, content, capsys):
    (copy / MANIFEST).write_text(content)
    with pytest.raises(InvalidInputError, match=rf"{copy / MANIFEST}: cannot be read \("):
        Client(copy)
    assert main(["verify", str(copy)]) == 2
    assert "manifest.json: cannot be read" in capsys.readouterr().err
