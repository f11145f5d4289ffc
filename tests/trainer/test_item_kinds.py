"""Kinds of items: from a file, from the record set, or found in the features."""

import re
import shutil

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.comparison.item_kinds import find_kinds, kinds_of_features, read_kinds


def test_kinds_are_those_of_the_file(halves, tmp_path):
    file = tmp_path / "kinds.csv"
    rows = [f"item {n},{'dance' if n < 15 else 'music'}" for n in range(29)]
    file.write_text("\n".join(["item,kind", *rows, "stranger,music"]))
    kinds = read_kinds(file, halves)
    assert kinds.names == ["dance", "music"] and kinds.source == "kinds.csv"
    np.testing.assert_array_equal(kinds.of_item, [0] * 15 + [1] * 14 + [-1])


def test_a_record_set_that_has_kinds_needs_no_file(halves, tmp_path):
    assert find_kinds(halves) is None
    own = open_record_set(shutil.copytree(halves.folder, tmp_path / "halves"))
    (tmp_path / "halves.kinds.csv").write_text("item,kind\nitem 0,dance\nitem 1,music\n")
    (tmp_path / "other.csv").write_text("item,kind\nitem 0,sport\n")
    assert find_kinds(own).names == ["dance", "music"]
    assert find_kinds(own, tmp_path / "other.csv").names == ["sport"]


def test_more_kinds_than_colours_become_one(halves, tmp_path):
    file = tmp_path / "kinds.csv"
    file.write_text("\n".join(["item,kind", *(f"item {n},kind {n // 3}" for n in range(30))]))
    kinds = read_kinds(file, halves)
    assert len(kinds.names) == 9 and kinds.names[-1] == "other" and (kinds.of_item == 8).sum() == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,kind\nnobody,dance\n", r"none of its 1 items is in .*halves"),
        ("item\nitem 1\n", r"has the row \['item'\]"),
    ],
)
def test_kinds_that_cannot_be_read_are_refused_before_anything_is_trained(text, message, halves, tmp_path, capsys):
    (tmp_path / "kinds.csv").write_text(text)
    words = ["compare", "--records", str(halves.folder), "--output", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--models", "popularity,item-knn", "--kinds", str(tmp_path / "kinds.csv")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_clusters_of_features_are_the_halves(halves):
    kinds = kinds_of_features(halves)
    half = np.arange(30) >= 15
    # Clusters may be finer, but the modality that tells the halves apart is not mixed up.
    mixed = [set(half[kinds.of_item == kind]) for kind in range(len(kinds.names))]
    assert sum(len(found) == 2 for found in mixed) <= 1 and (np.diff(np.bincount(kinds.of_item)) <= 0).all()
