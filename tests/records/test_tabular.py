import csv
import datetime

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.sources.tabular import Options, read

INTERACTIONS = {
    "user_id": ["bob", "ann", "bob"],
    "video_id": ["a 1", "b", "c"],
    "rating": [4.0, 5.0, 1.5],
    "timestamp": [30, 20, 10],
}
FRAMES = {"item": ["b", "z", "a 1"], "f0": [1.0, 3.0, 5.0], "f1": [2.0, 4.0, 6.0]}

raw_ids = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), min_size=1, max_size=8).filter(
    lambda raw: not raw.isspace()
)


def write(path, columns):
    table = pyarrow.table(columns)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    elif path.suffix == ".npy":
        np.save(path, np.rec.fromarrays([np.array(values) for values in columns.values()], names=list(columns)))
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    return path


def rows_of(data):
    interactions = data.interactions
    return [
        (data.user_ids[user], data.item_ids[item])
        for user, item in zip(interactions.user, interactions.item, strict=True)
    ]


def features_of(data, modality):
    """Features by raw id; an item without the modality is left out."""
    features = data.modalities[modality]
    return {
        raw: features.features[row].tolist()
        for raw, row in zip(data.item_ids, features.row_of_item, strict=True)
        if row >= 0
    }


def refusal(path, **options):
    with pytest.raises(InvalidInputError) as raised:
        read(path, Options(**options))
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz", ".npy"])
def test_interactions_are_read_from_every_format(suffix, tmp_path):
    data = read(write(tmp_path / f"views{suffix}", INTERACTIONS), Options())
    assert data.name == "views"
    assert rows_of(data) == [("bob", "a 1"), ("ann", "b"), ("bob", "c")]
    assert data.interactions.rating.tolist() == [4.0, 5.0, 1.5]
    assert data.interactions.timestamp.tolist() == [30, 20, 10]
    assert data.splits is None
    assert data.modalities == {}


def test_a_plain_array_of_two_columns_is_users_and_items(tmp_path):
    np.save(tmp_path / "views.npy", [[10, 3], [9, 7]])
    assert rows_of(read(tmp_path / "views.npy", Options())) == [("10", "3"), ("9", "7")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_features_are_read_from_columns_of_numbers(suffix, tmp_path):
    write(tmp_path / "interactions.csv", INTERACTIONS)
    write(tmp_path / f"image_features{suffix}", FRAMES)
    data = read(tmp_path, Options())
    assert features_of(data, "visual") == {"b": [1, 2], "z": [3, 4], "a 1": [5, 6]}
    assert data.item_ids == ["a 1", "b", "c", "z"]  # c has no features, z has no interaction


@pytest.mark.parametrize("written", ["[0.5, -2e3]", "0.5 -2000", "0.5;-2000", " 0.5,-2000 "])
def test_features_are_read_from_lists_in_text(written, tmp_path):
    write(tmp_path / "interactions.csv", INTERACTIONS)
    write(tmp_path / "mood_feat.csv", {"video": ["c", "b"], "embedding": [written, ""]})
    assert features_of(read(tmp_path, Options()), "mood") == {"c": [0.5, -2000.0]}


@pytest.mark.parametrize(
    "lists",
    [pyarrow.list_(pyarrow.float32()), pyarrow.large_list(pyarrow.float64()), pyarrow.list_(pyarrow.int8(), 2)],
    ids=str,
)
def test_features_are_read_from_lists_in_parquet(lists, tmp_path):
    write(tmp_path / "interactions.parquet", INTERACTIONS)
    write(
        tmp_path / "audio_feat.parquet",
        {"item": ["c", "b", "a 1"], "embedding": pyarrow.array([[1, 2], None, [3, 4]], lists)},
    )
    assert features_of(read(tmp_path, Options()), "acoustic") == {"c": [1, 2], "a 1": [3, 4]}


def test_features_are_read_from_arrays_with_ids(tmp_path):
    write(tmp_path / "interactions.csv", INTERACTIONS)
    np.savez(tmp_path / "image_feat.npz", item=["c", "b"], features=np.float16([[1, 2], [3, 4]]))
    np.save(tmp_path / "text_feat.npy", [[7.0], [8.0]])
    (tmp_path / "text_feat_ids.txt").write_text("z\u2028z\na 1\n", encoding="utf-8")
    data = read(tmp_path, Options())
    assert features_of(data, "visual") == {"c": [1, 2], "b": [3, 4]}
    assert features_of(data, "textual") == {"z\u2028z": [7], "a 1": [8]}
    assert data.modalities["visual"].features.dtype == np.float16
    assert sorted(data.provenance["files"]) == [
        "image_feat.npz",
        "interactions.csv",
        "text_feat.npy",
        "text_feat_ids.txt",
    ]


def test_a_matrix_without_ids_is_read_only_if_the_items_are_its_rows(tmp_path):
    np.save(tmp_path / "image_feat.npy", [[1.0], [2.0], [3.0]])
    write(tmp_path / "interactions.csv", {"user": ["u", "u"], "item": [2, 0]})
    assert features_of(read(tmp_path, Options()), "visual") == {"0": [1], "1": [2], "2": [3]}
    write(tmp_path / "interactions.csv", {"user": ["u", "u"], "item": [2, 3]})
    assert 'has rows 0 to 2, and item "3" is none of them' in refusal(tmp_path)
    write(tmp_path / "interactions.csv", {"user": ["u", "u"], "item": ["2", "x"]})
    assert "image_feat_ids.txt beside it" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("ids", "ordered"),
    [
        ([10, 9, 2], ["2", "9", "10"]),
        (["10", "9", "007", "7"], ["007", "7", "9", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["b", "B", "ä", "a"], ["B", "a", "b", "ä"]),
    ],
)
def test_dense_ids_follow_the_raw_ids_and_not_the_rows(ids, ordered, tmp_path):
    for rows in (ids, ids[::-1]):
        path = write(tmp_path / "views.csv", {"user": rows, "item": rows})
        data = read(path, Options())
        assert data.user_ids == data.item_ids == ordered
        assert rows_of(data) == [(str(raw), str(raw)) for raw in rows]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(raw_ids, raw_ids), min_size=1, max_size=12), suffix=st.sampled_from([".csv", ".tsv"]))
def test_raw_ids_of_any_text_survive(rows, suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("ids") / f"views{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",", quoting=csv.QUOTE_ALL)
        writer.writerows([("user", "item"), *rows])
    assert rows_of(read(path, Options())) == rows


@pytest.mark.parametrize(
    ("user", "item"),
    [("userId", "movieId"), ("USER_ID", "Item-ID"), ("uid", "iid"), ("reviewerID", "asin"), ("User", "Video Id")],
)
def test_well_known_spellings_of_columns_are_recognised(user, item, tmp_path):
    path = write(tmp_path / "views.csv", {item: ["i"], "title": ["x"], user: ["u"]})
    assert rows_of(read(path, Options())) == [("u", "i")]


def test_columns_can_be_named_or_left_out(tmp_path):
    path = write(tmp_path / "views.csv", {**INTERACTIONS, "who": ["x", "y", "z"], "when": [7.9, 8.0, -1.5]})
    data = read(path, Options(user_column="who", timestamp_column="when", rating_column=""))
    assert data.user_ids == ["x", "y", "z"]
    assert data.interactions.timestamp.tolist() == [7900, 8000, -1500]
    assert data.interactions.rating is None


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_dates_become_seconds(suffix, tmp_path):
    times = [datetime.datetime(2021, 3, 4, 5, 6, 7), datetime.datetime(1969, 12, 31, 23, 59, 59)]
    path = write(tmp_path / f"views{suffix}", {"user": [1, 2], "item": [1, 2], "time": times})
    expected = [int(time.replace(tzinfo=datetime.UTC).timestamp()) for time in times]
    assert read(path, Options()).interactions.timestamp.tolist() == expected


def test_a_column_of_splits_gives_the_splits(tmp_path):
    path = write(
        tmp_path / "views.csv", {"user": list("abcd"), "item": list("wxyz"), "split": ["train", "Valid", "2", "0"]}
    )
    splits = read(path, Options()).splits
    assert {name: split.user.tolist() for name, split in splits.items()} == {
        "train": [0, 3],
        "validation": [1],
        "test": [2],
    }


def test_a_category_of_parquet_that_does_not_occur_is_no_user(tmp_path):
    users = pyarrow.DictionaryArray.from_arrays(pyarrow.array([2, 0]), ["b", "nobody", "a"])
    path = write(tmp_path / "views.parquet", {"user": users, "item": [1, 2]})
    assert read(path, Options()).user_ids == ["a", "b"]


def test_files_can_be_named(tmp_path):
    write(tmp_path / "log.tsv", INTERACTIONS)
    write(tmp_path / "frames.parquet", FRAMES)
    data = read(tmp_path, Options(interactions="log.tsv", features={"visual": "frames.parquet"}))
    assert list(data.modalities) == ["visual"]
    assert list(read(tmp_path / "log.tsv", Options(features={"looks": "frames.parquet"})).modalities) == ["looks"]
    assert read(tmp_path, Options(interactions="log.tsv", features={})).modalities == {}
    assert 'did you mean "visual"' in refusal(
        tmp_path, interactions="log.tsv", features={"visual": "frames.parquet"}, modalities=("visuals",)
    )
    assert "frames.csv: file not found. It is not among frames.parquet, log.tsv" in refusal(
        tmp_path, interactions="log.tsv", features={"visual": "frames.csv"}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("user,item\n", "has columns and no rows"),
        (
            "user,video,item\n1,2,3\n",
            "the columns video, item are all recognised as the item. Choose one with --tabular.item",
        ),
        ("user,thing\n1,2\n", "has the columns user, thing; none of them is recognised as the item (item, itemid,"),
        (
            "user,item\n1,2\n1,2,3\n",
            "line 3: has 3 values, expected 2 (1,2,3). Fix the row, or leave such rows out",
        ),
        ("user,item\n1,2\n1\n", "line 3: has 1 values, expected 2"),
        ("user,item\n1,2\n,2\n", 'line 3: column "user" has no id (,2)'),
        ("user,item,rating\n1,2,good\n", 'line 2: column "rating" has "good", expected a number'),
        ("user,item,time\n1,2,3\n1,2,\n", 'line 3: column "time" has no time'),
        ("user,item,time\n1,2,noon\n", 'column "time" holds values such as "noon", expected numbers or dates'),
        ("user,item,split\n1,2,training\n1,3,spare\n", 'column "split" holds "spare"; expected train'),
    ],
)
def test_interactions_that_are_not_acceptable_are_refused(text, message, tmp_path):
    (tmp_path / "views.csv").write_text(text)
    assert message in refusal(tmp_path / "views.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("item\nb\n", 'expected features beside "item"'),
        ("thing,f0\nb,1\n", "none of them is recognised as the item"),
        ("item,f0,f1\nb,1,2\nc,1,x\n", 'line 3: column "f1" has "x", expected a number'),
        ("item,f0,f0\nb,1,2\n", 'has 2 columns "f0", expected one'),
        ("item,f0,f1\nb,1,2\nb,3,4\n", 'has item "b" 2 times, expected once'),
        ("item,f0,f1\nb,,\n", "no item has a value in f0, f1"),
        ("item,list\nb,1 2\nc,1 2 3\n", 'has 2 values for item "b", others have 3'),
        ("item,f\nB,1\nC,2\n", 'modality "visual": none of its 2 items ("B", ...) has an interaction'),
        ("item,list\nb,1 two\n", "Failed to parse string: 'two'"),
    ],
)
def test_features_that_are_not_acceptable_are_refused(text, message, tmp_path):
    write(tmp_path / "interactions.csv", INTERACTIONS)
    (tmp_path / "image_feat.csv").write_text(text)
    assert message in refusal(tmp_path)


def test_arrays_that_are_not_acceptable_are_refused(tmp_path):
    write(tmp_path / "interactions.csv", INTERACTIONS)
    file = tmp_path / "image_feat.npz"
    np.savez(file, item=["a", "b"], features=np.ones((3, 2)))
    assert "has 3 rows of features and 2 items" in refusal(tmp_path)
    np.savez(file, item=["a", "b"], features=np.ones((2, 2)), more=[1])
    assert "has the arrays item, features, more; expected item ids and one matrix" in refusal(tmp_path)
    np.savez(file, item=np.ones((2, 2)), features=np.ones((2, 2)))
    assert "item holds float64 [2, 2], expected raw item ids" in refusal(tmp_path)
    np.savez(file, item=np.array([{}, {}], object), features=np.ones((2, 2)))
    assert "is not a readable .npz file of plain arrays" in refusal(tmp_path)
    file.write_bytes(b"PK\x03\x04 damaged")
    assert "is not a readable .npz file of plain arrays" in refusal(tmp_path)
    file.unlink()
    np.save(tmp_path / "image_feat.npy", np.ones((2, 2)))
    (tmp_path / "image_feat_ids.txt").write_text("a\nb\nc\n")
    assert "has 2 rows of features and 3 items" in refusal(tmp_path)


def test_interaction_arrays_that_are_not_acceptable_are_refused(tmp_path):
    np.save(tmp_path / "views.npy", np.ones((4, 3), int))
    assert "holds int64 [4, 3]; expected ids [n, 2] (user, item) or a structured array" in refusal(
        tmp_path / "views.npy"
    )
    np.savez(tmp_path / "views.npz", user=[1, 2], item=[1, 2, 3])
    assert "expected arrays [n] of one length" in refusal(tmp_path / "views.npz")
    np.savez(tmp_path / "views.npz", user=[1.5, 2], item=[1, 2])
    assert 'column "user" holds double, expected text or whole numbers' in refusal(tmp_path / "views.npz")


def test_a_file_of_no_known_or_another_format_is_refused(tmp_path):
    (tmp_path / "views.xlsx").write_text("x")
    assert 'has the unknown extension ".xlsx", expected one of .csv, .tsv, .parquet' in refusal(tmp_path / "views.xlsx")
    (tmp_path / "views.parquet").write_text("user,item\n1,2\n")
    assert "is not a readable Parquet file" in refusal(tmp_path / "views.parquet")
    (tmp_path / "views.csv").write_bytes(b"user,item\n\xff\xfe,2\n")
    assert 'line 2: column "user" has "\\xff\\xfe", expected text in UTF-8' in refusal(tmp_path / "views.csv")


def test_missing_and_ambiguous_files_are_refused(tmp_path):
    assert "does not exist, expected a folder" in refusal(tmp_path / "nowhere")
    assert "expected one file of interactions called interactions, inter" in refusal(tmp_path)
    write(tmp_path / "interactions.csv", INTERACTIONS)
    assert "has no feature file called NAME_features or NAME_feat" in refusal(tmp_path)
    write(tmp_path / "image_feat.csv", FRAMES)
    write(tmp_path / "image_features.csv", FRAMES)
    assert 'image_feat.csv and image_features.csv both belong to the modality "visual"' in refusal(tmp_path)
    write(tmp_path / "ratings.csv", INTERACTIONS)
    assert "found interactions.csv, ratings.csv. Name it with --tabular.interactions" in refusal(tmp_path, features={})
