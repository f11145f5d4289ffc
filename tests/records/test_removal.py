"""Record sets without users or items: everything else stays, and nothing tells of what is gone."""

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.removal import remove
from tf_metammf.records.validation import validate


def events(record_set, split) -> set[tuple[str, str, int]]:
    """Interactions by raw ids."""
    users, items, found = record_set.user_ids, record_set.item_ids, read_interactions(record_set, split)
    return {(users[u], items[i], t) for u, i, t in zip(found.user, found.item, found.timestamp, strict=True)}


@pytest.fixture(scope="module")
def removal(small_record_set, tmp_path_factory):
    return remove(
        small_record_set,
        tmp_path_factory.mktemp("removal") / "smaller",
        users=["user 3", "nobody"],
        items=["video-7", "video-200"],
    )


def test_interactions_of_others_stay_in_their_splits(small_record_set, removal):
    gone = 0
    for split in ("train", "validation", "test"):
        before = events(small_record_set, split)
        expected = {(u, i, t) for u, i, t in before if u != "user 3" and i not in ("video-7", "video-200")}
        assert events(removal.record_set, split) == expected
        gone += len(before) - len(expected)
    assert (removal.users, removal.items, removal.interactions, removal.unknown) == (1, 2, gone, ("nobody",))


def test_features_stay_with_their_items(small_record_set, removal):
    old, new = read_items(small_record_set), read_items(removal.record_set)
    kept = [n for n in range(small_record_set.metadata.items) if n not in (7, 200)]
    assert removal.record_set.item_ids == [f"video-{n}" for n in kept]
    for name in old.modalities:
        np.testing.assert_array_equal(new.features[name], old.features[name][kept])
        np.testing.assert_array_equal(new.presence[name], old.presence[name][kept])
    assert {name: entry.source_dtype for name, entry in removal.record_set.metadata.modalities.items()} == {
        name: entry.source_dtype for name, entry in small_record_set.metadata.modalities.items()
    }


def test_no_file_has_a_removed_id(removal):
    for file in removal.record_set.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"user 3\n" not in content and b"video-7\n" not in content and b"video-200" not in content, file
    assert validate(removal.record_set.folder) == []


def test_the_metadata_say_how_many_were_removed_and_from_what(small_record_set, removal, tmp_path):
    step = {"from": small_record_set.metadata.checksum, "users": 1, "items": 2}
    assert removal.record_set.metadata.source["removed"] == [step]
    again = remove(removal.record_set, tmp_path / "again", users=["user 4"])
    assert [one["users"] for one in again.record_set.metadata.source["removed"]] == [1, 1]


def test_the_command_says_what_is_gone_and_what_was_not_there(small_record_set, tmp_path, capsys):
    (tmp_path / "ids.txt").write_bytes("\ufeffuser 0\r\n\r\nuser 1\r\nnobody\r\n".encode())
    words = ["records", "remove-users", str(tmp_path / "ids.txt"), "--records", str(small_record_set.folder)]
    assert main([*words, "--output", str(tmp_path / "smaller")]) == 0
    printed = capsys.readouterr().out
    assert "without 2 users and" in printed and "(nobody)" in printed
    assert open_record_set(tmp_path / "smaller").user_ids[0] == "user 2"


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        ({"users": ["nobody"]}, r'has none of the 1 ids that are to be removed, "nobody" for example'),
        ({"items": [f"video-{n}" for n in range(300)]}, "no training interactions would be left"),
    ],
)
def test_what_would_remove_nothing_or_everything_is_refused(small_record_set, tmp_path, removed, message):
    with pytest.raises(InvalidInputError, match=message):
        remove(small_record_set, tmp_path / "smaller", **removed)
    assert not (tmp_path / "smaller").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no ids"),
        (b"\n\n", "holds no ids"),
        (b"\xff\xfe1\x00", "is not UTF-8 text"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_ids_that_cannot_be_read_is_named(tmp_path, capsys, content, message):
    file = tmp_path / "ids.txt"
    if content is not None:
        file.write_bytes(content)
    words = ["records", "remove-items", str(file), "--records", "r", "--output", "o"]
    assert main(words) == 2
    assert f"{file}: {message}" in capsys.readouterr().err
