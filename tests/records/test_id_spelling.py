"""Ids as files have them: what looks like the same one, what stands for none, and what is none."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.id_spelling import OddIds, near_miss
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.tabular import Options, read

NO_FEATURES = Options(features={})


def refusal(path, options=NO_FEATURES):
    with pytest.raises(InvalidInputError) as raised:
        read(path, options)
    message = str(raised.value)
    assert "\n" not in message
    return message


def left_out(path, options=NO_FEATURES):
    bad_rows = BadRows(skip=True)
    data = read(path, options, request=ReadRequest(bad_rows=bad_rows))
    return data, [(row.record, row.kind, row.text) for row in bad_rows.rejected]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("7", "007"), ("7", "7.0"), ("v", " v"), ("v", "v\u00a0"), ("v", "\ufeffv")],
        *[("100000", "1e5"), ("100000", "1E+05"), ("120", "1.2e2"), ("caf\u00e9", "cafe\u0301")],
    ],
)
def test_ids_that_look_alike_are_found(one, other):
    assert near_miss({one, "x"}, {other, "x"}) == (one, other)
    assert near_miss({one}, {one, other}) is None
    odd = OddIds.among([one, other, "x"])
    assert (odd.twins, set(odd.example)) == (1, {one, other})


@pytest.mark.parametrize(("one", "other"), [("1e5", "1e6"), ("1.5", "15"), ("v", "V"), ("1e-5", "1e5"), ("0x1", "1")])
def test_other_ids_are_not_taken_for_the_same(one, other):
    assert near_miss({one}, {other}) is None


def test_odd_ids_of_parts_are_those_of_all():
    ids = ["nan", "7", "07", "1.5E+17", "u", "u ", "NULL", "x", "2E+3"]
    parts = [["07", "7", "NULL"], ["u", "u ", "1.5E+17"], ["nan", "2E+3", "x"]]
    joined = OddIds()
    for part in parts:
        joined = joined.joined(OddIds.among(part))
    assert joined == OddIds.among(ids) == OddIds(("NULL", "nan"), "1.5E+17", 2, ("07", "7"))
    assert OddIds.among(["a", "b", "1", "10"]).notes("user") == ()


def test_ids_that_may_not_be_what_was_meant_are_said(tmp_path):
    (tmp_path / "views.csv").write_text("user,item\nnan,a\n1.23457E+17,b\n1.23457E+17,a \n")
    assert read(tmp_path / "views.csv", NO_FEATURES).notes == (
        'Taken as ids of users, but often written for a missing one: "nan".',
        'The user id "1.23457E+17" looks like a longer number whose last digits a spreadsheet cut, so that different '
        "users may have become one.",
        "Ids of items that look like another (spaces, leading zeros, .0) and were taken as different: 1, such as "
        '"a" and "a ".',
    )


def test_a_header_between_rows_blank_ids_and_line_breaks_are_no_interactions(tmp_path):
    (tmp_path / "views.csv").write_text('user,item\nu,a\nuser,item\nuser,b\n  ,a\n"v\n1",a\n')
    assert "line 3: repeats the header, as files do that were laid end to end (user,item)" in refusal(
        tmp_path / "views.csv"
    )
    data, rows = left_out(tmp_path / "views.csv")
    assert data.user_ids == ["u", "user"]
    assert rows == [
        (2, "header once more", "user,item"),
        (4, "no user", "  ,a"),
        (5, "line break in user", '"v\n1",a'),
    ]


@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.large_binary()])
def test_ids_of_parquet_that_are_not_utf8_are_left_out(kind, tmp_path):
    users = pyarrow.array([b"u", b"caf\xe9", None, "é".encode()], kind)
    pyarrow.parquet.write_table(pyarrow.table({"user": users, "item": ["a", "b", "c", "d"]}), tmp_path / "v.parquet")
    assert r'record 2: column "user" holds text that is not UTF-8 (caf\xe9,b)' in refusal(tmp_path / "v.parquet")
    data, rows = left_out(tmp_path / "v.parquet")
    assert data.user_ids == ["u", "é"]
    assert rows == [(2, "not UTF-8", r"caf\xe9,b"), (3, "no user", ",c")]


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        (pyarrow.array([1], pyarrow.timestamp("ns", "UTC")), "1970-01-01 00:00:00.000000001Z"),
        (pyarrow.array([2**62], pyarrow.int64()).view(pyarrow.date64()), "out of range"),
        (pyarrow.array([[1.0]], pyarrow.list_(pyarrow.float32())), "[1.0]"),
    ],
)
def test_rows_of_values_that_python_has_not_are_shown(items, shown, tmp_path):
    table = pyarrow.table({"user": pyarrow.array([None], pyarrow.string()), "item": ["a"], "time": items})
    pyarrow.parquet.write_table(table, tmp_path / "v.parquet")
    message = refusal(tmp_path / "v.parquet")
    assert 'record 1: column "user" has no id' in message and shown in message
    pyarrow.parquet.write_table(pyarrow.table({"user": ["u"], "item": items}), tmp_path / "v.parquet")
    assert 'column "item" holds ' in refusal(tmp_path / "v.parquet")


def test_features_none_of_whose_items_has_an_id_are_refused(tmp_path):
    (tmp_path / "views.csv").write_text("user;item\na;a")
    (tmp_path / "frames.tsv").write_text("user_id;item\n;")
    with pytest.raises(InvalidInputError, match=r"frames\.tsv: no item has a value in user_id"):
        left_out(tmp_path, Options(interactions="views.csv", features={"visual": "frames.tsv"}))


@pytest.mark.parametrize(
    ("values", "readable"),
    [
        (["1,5", "3,0"], False),
        (["1,5 2,5", "3,0 4,0"], False),
        (["1,5;2,5", "3,0;4,0"], False),
        (["[1,5]", "[3,0]"], True),
        (["1, 5", "3, 0"], True),
        (["1,5,2", "3,0,1"], True),
        (["[1.0, 2.0,\n 3.0]", "[1.5, 2.0, 3.0]"], True),
        (["[1. 2.\n 3.]", "[1. 2. 3.]"], True),
        (["1;2", "3;4"], True),
        (["1.5", "3.0"], True),
    ],
)
def test_commas_that_may_be_decimal_points_are_not_guessed(values, readable, tmp_path):
    (tmp_path / "views.csv").write_text("user;item\nu;a\nv;b\n")
    lines = [f'{item};"{value}"' for item, value in zip("ab", values, strict=True)]
    (tmp_path / "frames.csv").write_text("\n".join(["item;f0", *lines]))
    options = Options(interactions="views.csv", features={"visual": "frames.csv"})
    if readable:
        numbers = [[float(word) for word in value.translate(str.maketrans("[],;", "    ")).split()] for value in values]
        np.testing.assert_array_equal(read(tmp_path, options).modalities["visual"].features, numbers)
    else:
        assert "whose commas may divide values or be decimal points" in refusal(tmp_path, options)


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08\x00", b"PK\x03\x04"])
def test_compressed_files_are_named_as_such(start, tmp_path):
    (tmp_path / "views.csv").write_bytes(start + b"rest")
    assert "views.csv: is compressed, expected text. Unpack it, or name it views.csv.gz if gzip packed it." in refusal(
        tmp_path / "views.csv"
    )
