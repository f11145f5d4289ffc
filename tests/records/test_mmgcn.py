import os
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.mmgcn import Options, read

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "metammf_sample"

DICTIONARY = {0: [2, 0], 2: [1]}


class Command:
    def __reduce__(self):
        return os.system, ("touch MARKER",)


def folder_of(path, dictionary, **features):
    np.save(path / "user_item_dict.npy", np.array(dictionary, object), allow_pickle=True)
    for stem, matrix in (features or {"v_feat": np.ones((4, 2))}).items():
        np.save(path / f"{stem}.npy", matrix)
    return path


def pairs(data):
    interactions = data.interactions
    return [(data.user_ids[user], int(item)) for user, item in zip(interactions.user, interactions.item, strict=True)]


def refusal(path, options=None):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options or Options())
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_dictionary_becomes_interactions_and_modalities_get_their_names(tmp_path):
    data = read(
        folder_of(tmp_path, DICTIONARY, v_feat=np.ones((4, 2)), a_feat_all=np.ones((4, 3)), t_feat_x=np.ones((4, 1))),
        Options(),
    )
    assert pairs(data) == [("0", 2), ("0", 0), ("2", 1)]
    assert data.user_ids == ["0", "1", "2"]
    assert data.item_ids == ["0", "1", "2", "3"]
    assert data.splits is None
    assert {name: modality.width for name, modality in data.modalities.items()} == {
        "visual": 2,
        "acoustic": 3,
        "textual": 1,
    }


@pytest.mark.parametrize("of", [list, tuple, set, np.array, lambda items: [np.int64(item) for item in items]])
def test_items_of_a_user_may_be_any_collection_of_whole_numbers(of, tmp_path):
    data = read(folder_of(tmp_path, {np.int64(0): of([2, 0]), 2: of([1])}), Options())
    assert sorted(pairs(data)) == [("0", 0), ("0", 2), ("2", 1)]


def test_a_user_without_items_is_a_user(tmp_path):
    assert read(folder_of(tmp_path, {0: [1], 1: []}), Options()).user_ids == ["0", "1"]


def test_items_counted_on_from_the_users_are_recognised_and_keep_their_raw_ids(tmp_path):
    data = read(folder_of(tmp_path, {0: [5, 3], 2: [6]}), Options())  # three users, so items 3 to 6
    assert data.interactions.item.tolist() == [2, 0, 3]
    assert data.item_ids == ["3", "4", "5", "6"]


def test_the_offset_can_be_given_and_has_to_be_where_two_fit(tmp_path):
    folder_of(tmp_path, {0: [3], 2: [3]})  # rows 0 to 3: item 3 as it is, or the first after three users
    assert "Say which with --mmgcn.item_offset 0 or 3" in refusal(tmp_path)
    assert read(tmp_path, Options(item_offset=0)).interactions.item.tolist() == [3, 3]
    assert read(tmp_path, Options(item_offset=3)).interactions.item.tolist() == [0, 0]
    assert read(tmp_path, Options(item_offset=2)).interactions.item.tolist() == [1, 1]
    assert "has the item 3, which minus 4 is none of the 4 rows of the feature files" in refusal(
        tmp_path, Options(item_offset=4)
    )


@pytest.mark.parametrize(
    ("dictionary", "message"),
    [
        ({0: [0, 4]}, "has items 0 to 4, and the feature files 4 rows"),
        ({0: [-1]}, "has the item -1, expected 0 to"),
        ({-2: [1]}, "has the user -2, expected 0 to"),
        ({0: [10**12]}, "has the item 1000000000000"),
        ({9999999: [1]}, "has the user 9999999"),
        ({0: ["1"]}, "has the item '1', expected whole numbers"),
        ({0: [1.0]}, "has the item 1.0, expected whole numbers"),
        ({0: [True]}, "has the item True, expected whole numbers"),
        ({"0": [1]}, "has the user '0', expected whole numbers"),
        ({0: 1}, "expected a dictionary from user to a list of items"),
        ({0: "12"}, "expected a dictionary from user to a list of items"),
        ([[0, 1]], "expected a dictionary from user to a list of items"),
        ({}, "has no items"),
        ({0: []}, "has no items"),
    ],
)
def test_a_dictionary_that_is_not_acceptable_is_refused(dictionary, message, tmp_path):
    assert message in refusal(folder_of(tmp_path, dictionary))


def test_a_dictionary_that_wants_code_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path, {0: [Command()]})
    assert 'user_item_dict.npy: refers to "posix.system"' in refusal(tmp_path)
    assert not (tmp_path / "MARKER").exists()


def test_a_truncated_dictionary_is_refused(tmp_path):
    folder_of(tmp_path, DICTIONARY)
    content = (tmp_path / "user_item_dict.npy").read_bytes()
    (tmp_path / "user_item_dict.npy").write_bytes(content[:-5])
    assert "is not a readable pickle" in refusal(tmp_path)


def test_missing_and_disagreeing_files_are_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere")
    assert "has no file user_item_dict*.npy" in refusal(tmp_path)
    np.save(tmp_path / "user_item_dict.npy", np.array(DICTIONARY, object), allow_pickle=True)
    assert "has no feature file v_feat*.npy" in refusal(tmp_path)
    folder_of(tmp_path, DICTIONARY, v_feat=np.ones((4, 2)), a_feat=np.ones((5, 2)))
    assert "differ in rows (a_feat.npy 5, v_feat.npy 4)" in refusal(tmp_path)
    assert list(read(tmp_path, Options(modalities=("visual",))).modalities) == ["visual"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the authors' sample is not beside the checkout")
def test_the_sample_of_the_authors_has_its_counts():
    data = read(SHARED, Options())
    assert (len(data.user_ids), len(data.item_ids), len(data.interactions)) == (100, 1141, 2071)
    assert {name: modality.width for name, modality in data.modalities.items()} == {"acoustic": 128, "textual": 100}
    np.testing.assert_array_equal(data.modalities["textual"].features, np.load(SHARED / "t_feat_sample.npy"))


def rows_left_out(folder, options=None):
    bad_rows = BadRows(skip=True)
    data = read(folder, options or Options(), request=ReadRequest(bad_rows=bad_rows))
    assert sum(data.rows_rejected.values()) == len(bad_rows.rejected)
    return data, [(row.file.name, row.record, row.kind, row.text) for row in bad_rows.rejected]


def test_pairs_that_are_no_numbers_or_out_of_range_are_left_out(tmp_path):
    folder_of(tmp_path, {0: [2, -1, 0], "one": [1], 2: ["x", 1, 1.5], -3: [], 10**8: [2]})
    assert "record 2: has the item -1, expected 0 to 1000000000" in refusal(tmp_path)
    data, left_out = rows_left_out(tmp_path)
    assert pairs(data) == [("0", 2), ("0", 0), ("2", 1)]
    assert data.user_ids == ["0", "1", "2"]
    assert [entry[1:] for entry in left_out] == [
        (2, "item out of range", "0,-1"),
        (4, "user is not a number", "'one',1"),
        (5, "item is not a number", "2,'x'"),
        (7, "item is not a number", "2,1.5"),
        (8, "user out of range", "100000000,2"),
        (9, "user out of range", "-3"),
    ]
    folder_of(tmp_path, {0: ["x"], 1: ["y"]})
    with pytest.raises(InvalidInputError, match="all 2 rows were left out, as none can be read; record 1: has the it"):
        rows_left_out(tmp_path)


def test_items_without_features_are_left_out_only_where_the_offset_is_known(tmp_path):
    folder_of(tmp_path, {0: [3, 9], 2: [5]})
    with pytest.raises(InvalidInputError, match="item_offset, with which --on_error skip leaves such items out"):
        rows_left_out(tmp_path)
    data, left_out = rows_left_out(tmp_path, Options(item_offset=2))
    assert pairs(data) == [("0", 1), ("2", 3)]
    assert [entry[1:] for entry in left_out] == [(2, "item without features", "0,9")]


def test_a_pair_that_the_dictionary_and_a_split_have_is_left_out_once(tmp_path):
    folder_of(tmp_path, {0: [2, -1], 1: [1, -5]})
    np.save(tmp_path / "val.npy", np.array([[0, 2], [0, -1]]))
    data, left_out = rows_left_out(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 1, "validation": 1, "test": 0}
    assert [(file, text) for file, _, _, text in left_out] == [("val.npy", "0,-1"), ("user_item_dict.npy", "1,-5")]
