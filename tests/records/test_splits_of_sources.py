"""Sources that have their splits in files of their own: MMGCN, RecBole and tables."""

import os

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources import load_source
from tf_metammf.records.splits.splitting import Splitting, divide

PAIRS = {"train": [(0, 0), (0, 1), (1, 2), (2, 3)], "validation": [(0, 2), (2, 0)], "test": [(1, 0), (2, 1), (2, 2)]}
ALL = [*PAIRS["train"], *PAIRS["validation"], *PAIRS["test"]]
USERS, ITEMS = 3, 4


def found_in(folder, source, **options):
    """Pairs of raw ids by split, as the default splitting gives them."""
    module = load_source(source)
    data = module.read(folder, module.Options(**options))
    division = divide(data, Splitting(), seed=0)
    assert division.splitting.method == "source"
    return {
        name: sorted((int(data.user_ids[user]), int(data.item_ids[item])) for user, item in zip(*ids, strict=True))
        for name, ids in ((name, (division.splits[name].user, division.splits[name].item)) for name in SPLITS)
    }


def refusal(folder, source, **options):
    module = load_source(source)
    with pytest.raises(InvalidInputError) as raised:
        module.read(folder, module.Options(**options))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def lists_of(pairs, offset=0):
    """One list a user: the user, then the items."""
    lists = [
        [user, *(item + offset for other, item in pairs if other == user)] for user in sorted({u for u, _ in pairs})
    ]
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


def dictionary_of(pairs, offset=0):
    return np.array({user: [item + offset for other, item in pairs if other == user] for user in range(USERS)}, object)


def mmgcn(folder, *, dictionary=ALL, offsets=(0, 0), lists=lists_of, names=None):
    for split, name in (names or {"train": "train", "validation": "val_full", "test": "test_full"}).items():
        if split == "train":
            content = np.array([(user, item + offsets[1]) for user, item in PAIRS[split]])
        else:
            content = lists(PAIRS[split], offsets[1])
        np.save(folder / f"{name}.npy", content, allow_pickle=True)
    if dictionary is not None:
        np.save(folder / "user_item_dict.npy", dictionary_of(dictionary, offsets[0]), allow_pickle=True)
    np.save(folder / "v_feat.npy", np.ones((ITEMS, 2), np.float32))
    return folder


@pytest.mark.parametrize("dictionary", [ALL, PAIRS["train"], None], ids=["all", "train", "none"])
def test_mmgcn_splits_are_those_of_the_files_whatever_the_dictionary_holds(dictionary, tmp_path):
    assert found_in(mmgcn(tmp_path, dictionary=dictionary), "mmgcn") == PAIRS


@pytest.mark.parametrize("offsets", [(USERS, USERS), (0, USERS), (USERS, 0)], ids=["both", "splits", "dictionary"])
def test_mmgcn_items_may_be_counted_on_from_the_users_in_any_file(offsets, tmp_path):
    found = found_in(mmgcn(tmp_path, offsets=offsets), "mmgcn")
    raw = offsets[0]  # raw ids are those of the dictionary
    assert found == {name: [(user, item + raw) for user, item in pairs] for name, pairs in PAIRS.items()}


def rows_of(pairs, offset):
    return np.array([(user, item + offset) for user, item in pairs])


def dictionaries(pairs, offset):
    return np.array({user: {item + offset for other, item in pairs if other == user} for user, _ in pairs}, object)


@pytest.mark.parametrize("lists", [lists_of, rows_of, dictionaries])
def test_mmgcn_held_out_files_may_hold_lists_pairs_or_dictionaries(lists, tmp_path):
    assert found_in(mmgcn(tmp_path, lists=lists), "mmgcn") == PAIRS


@pytest.mark.parametrize(
    "words", [("training", "valid", "test"), ("train", "dev_full", "testing"), ("Train", "val", "Test")]
)
def test_mmgcn_files_of_splits_have_many_names(words, tmp_path):
    assert found_in(mmgcn(tmp_path, names=dict(zip(SPLITS, words, strict=True))), "mmgcn") == PAIRS


def test_mmgcn_full_files_come_before_others_and_training_may_be_in_the_dictionary_alone(tmp_path):
    mmgcn(tmp_path)
    np.save(tmp_path / "val.npy", np.array([(0, 3)]))
    np.save(tmp_path / "val_cold_full.npy", np.array([(0, 3)]))
    (tmp_path / "train.npy").unlink()
    assert found_in(tmp_path, "mmgcn") == PAIRS


@pytest.mark.parametrize(
    ("dictionary", "message"),
    [
        (PAIRS["train"][1:], "1 of 4 interactions of the train split are not in user_item_dict, such as user 0"),
        (PAIRS["train"] + PAIRS["test"][:1], "2 of 3 interactions of the test split are not in user_item_dict"),
        ([*ALL, (0, 3)], "1 of 10 interactions of user_item_dict are in no split, such as user 0"),
    ],
)
def test_mmgcn_files_that_disagree_are_refused(dictionary, message, tmp_path):
    found = refusal(mmgcn(tmp_path, dictionary=dictionary), "mmgcn")
    assert "the files disagree" in found and message in found


class Command:
    def __reduce__(self):
        return os.system, ("touch MARKER",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([[0.0, 1.0]]), "has the user 0.0"),
        (np.array([[0, -1]]), "has the item -1, expected 0 to"),
        (np.array([[0], [1]]), "has no items"),
        (np.array([0, 1]), "expected rows of a user and items"),
        (np.array([Command()], object), 'refers to "posix.system"'),
        (np.array([[0, ITEMS]]), "some item has no row"),
    ],
)
def test_mmgcn_files_of_splits_that_are_not_acceptable_are_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mmgcn(tmp_path)
    np.save(tmp_path / "val_full.npy", content, allow_pickle=True)
    assert message in refusal(tmp_path, "mmgcn")
    assert not (tmp_path / "MARKER").exists()


def recbole(folder, words=("train", "valid", "test"), *, whole=None):
    for split, word in zip(SPLITS, words, strict=True):
        lines = ["user_id:token\titem_id:token", *(f"{user}\t{item}" for user, item in PAIRS[split])]
        (folder / f"x.{word}.inter").write_text("\n".join(lines) + "\n")
    if whole is not None:
        lines = ["user_id:token\titem_id:token", *(f"{user}\t{item}" for user, item in whole)]
        (folder / "x.inter").write_text("\n".join(lines) + "\n")
    items = ["item_id:token\tframes:float_seq", *(f"{item}\t1 2" for item in range(ITEMS))]
    (folder / "x.item").write_text("\n".join(items) + "\n")
    return folder


@pytest.mark.parametrize("words", [("train", "valid", "test"), ("training", "validation", "testing")])
@pytest.mark.parametrize("whole", [None, ALL[::-1]])
def test_recbole_splits_are_those_of_the_benchmark_files(words, whole, tmp_path):
    assert found_in(recbole(tmp_path, words, whole=whole), "recbole") == PAIRS


def test_recbole_files_that_disagree_or_belong_elsewhere_are_refused(tmp_path):
    recbole(tmp_path, whole=PAIRS["train"])
    assert "x.inter and the benchmark files beside it disagree about 5 pairs" in refusal(tmp_path, "recbole")
    recbole(tmp_path, whole=ALL)
    (tmp_path / "x.val.inter").write_text((tmp_path / "x.valid.inter").read_text())
    assert "Move the others away" in refusal(tmp_path, "recbole")
    (tmp_path / "x.val.inter").unlink()
    (tmp_path / "y.inter").write_text((tmp_path / "x.inter").read_text())
    assert "has y.inter beside the benchmark files of x" in refusal(tmp_path, "recbole")


def tables(folder, names):
    for split, name in zip(SPLITS, names, strict=True):
        lines = ["user,item", *(f"{user},{item}" for user, item in PAIRS[split])]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("train", "valid", "test"),
        ("Train", "dev", "Test"),
        ("ratings_train", "ratings_val", "ratings_test"),
        ("train-interactions", "validation interactions", "test.interactions"),
    ],
)
def test_files_called_like_splits_are_the_splits(names, tmp_path):
    assert found_in(tables(tmp_path, names), "tabular", features={}) == PAIRS


def test_parts_that_a_pattern_matches_are_splits_if_they_are_called_so(tmp_path):
    tables(tmp_path, ("views-train-0", "views-val-0", "views-test-0"))
    assert found_in(tmp_path, "tabular", features={}, interactions="views-*.csv") == PAIRS


def test_tables_that_leave_open_what_the_splits_are_are_refused(tmp_path):
    tables(tmp_path, ("train", "valid", "test"))
    (tmp_path / "interactions.csv").write_text("user,item\n0,1\n")
    message = refusal(tmp_path, "tabular", features={})
    assert "has interactions.csv and files of splits, train.csv, valid.csv, test.csv" in message
    module = load_source("tabular")
    named = module.read(tmp_path, module.Options(features={}, interactions="interactions.csv"))
    assert (named.splits, len(named.interactions)) == (None, 1)
    (tmp_path / "interactions.csv").unlink()
    (tmp_path / "train.tsv").write_text("user\titem\n0\t1\n")
    assert "train.csv, train.tsv are all recognised as the train split" in refusal(tmp_path, "tabular", features={})
    (tmp_path / "train.tsv").unlink()
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.csv").write_text("user,item,split\n0,1,train\n")
    assert 'a column of splits, "split"' in refusal(tmp_path, "tabular", features={})


def spoiled(folder, source):
    """Files of splits with times in different precision, and a row without an item in the one of validation."""
    module = load_source(source)
    if source == "recbole":
        recbole(folder, whole=ALL)
        header, mark, words = "user_id:token\titem_id:token\ttimestamp:float", "\t", ("train", "valid", "test")
        names = [f"x.{word}.inter" for word in words]
    else:
        header, mark, names = "user,item,timestamp", ",", ["train.csv", "valid.csv", "test.csv"]
    whole = [header]
    for number, (split, name) in enumerate(zip(SPLITS, names, strict=True)):
        lines = [mark.join((str(user), str(item), f"{number}.5" if number else "0")) for user, item in PAIRS[split]]
        lines += [f"7{mark}{mark}1"] if split == "validation" else []
        whole += lines
        (folder / name).write_text("\n".join([header, *lines]) + "\n")
    if source == "recbole":
        (folder / "x.inter").write_text("\n".join(whole) + "\n")
    return module, module.Options() if source == "recbole" else module.Options(features={})


@pytest.mark.parametrize("source", ["recbole", "tabular"])
def test_files_of_splits_are_read_as_one_table_without_the_rows_that_are_left_out(source, tmp_path):
    module, options = spoiled(tmp_path, source)
    with pytest.raises(InvalidInputError, match=r"valid\.(inter|csv): line 4: .*no id"):
        module.read(tmp_path, options)
    bad_rows = BadRows(skip=True)
    data = module.read(tmp_path, options, request=ReadRequest(bad_rows=bad_rows))
    assert {name: len(data.splits[name]) for name in SPLITS} == {name: len(PAIRS[name]) for name in SPLITS}
    assert [data.splits[name].timestamp.tolist()[0] for name in SPLITS] == [0, 1500, 2500]
    assert (data.rows_read, data.rows_rejected) == (len(ALL) + 1, {"no item": 1})
    assert [(row.file.stem.removeprefix("x."), row.line) for row in bad_rows.rejected] == [("valid", 4)]


@pytest.mark.parametrize("labels", [("0", "1", "2"), ("train", "valid", "test"), ("0.0", "1.0", "2.0")])
def test_mmrec_labels_may_be_numbers_or_names(labels, tmp_path):
    rows = [
        f"{user}\t{item}\t{label}" for name, label in zip(SPLITS, labels, strict=True) for user, item in PAIRS[name]
    ]
    (tmp_path / "x.inter").write_text("\n".join(["userID\titemID\tx_label", *rows]) + "\n")
    np.save(tmp_path / "image_feat.npy", np.ones((ITEMS, 2), np.float32))
    assert found_in(tmp_path, "mmrec") == PAIRS


@pytest.mark.parametrize(("source", "ending"), [("tabular", "features"), ("tabular", "feat"), ("mmrec", "feat")])
@pytest.mark.parametrize("name", ["user", "users", "user_profile"])
def test_features_of_users_are_no_modality_and_make_no_items(source, ending, name, tmp_path):
    if source == "mmrec":
        (tmp_path / "x.inter").write_text("userID\titemID\tx_label\n0\t3\t0\n1\t0\t1\n")
    else:
        (tmp_path / "interactions.csv").write_text("user,item\n0,3\n1,0\n")
    np.save(tmp_path / f"image_{ending}.npy", np.ones((4, 2)))
    np.save(tmp_path / f"{name}_{ending}.npy", np.ones((6, 3)))
    module = load_source(source)
    data = module.read(tmp_path, module.Options())
    assert list(data.modalities) == ["visual"]
    assert data.item_ids == ["0", "1", "2", "3"]
    assert data.notes == (
        f"{name}_{ending}.npy was left out: its name says user features, and modalities belong to items.",
    )


def test_a_folder_where_a_file_of_features_is_expected_is_called_one(tmp_path):
    (tmp_path / "interactions.csv").write_text("user,item\n0,3\n1,0\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "3.mp4").touch()
    message = refusal(tmp_path, "tabular", features={"visual": "videos"})
    assert "videos: is a folder (with 3.mp4), expected a file" in message
    assert "file not found" not in message
