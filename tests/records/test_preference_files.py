"""Files of preferences: all forms say the same, and what cannot be read is named."""

import gzip

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records import (
    NamedPreferences,
)
from tf_metammf.records.raw_files.preference_files import (
    read_preferences_file,
    require_writable,
    write_preferences_file,
)

PAIRS = NamedPreferences(
    ["u1", "u1", "u2", "gone"],
    ["v1", "v2", "v3", "v4"],
    [["v50", "v51"], ["v52"], ["v53", "gone"], ["v54"]],
    np.array([1, 0.5, 2, 1], np.float32),
    ["survey", "survey", "judge", "judge"],
)


def texts(mark):
    return {
        "user": list(PAIRS.user),
        "chosen": list(PAIRS.chosen),
        "rejected": [mark.join(each) for each in PAIRS.rejected],
        "weight": [1, 0.5, 2, 1],
        "source": list(PAIRS.source),
        "ignored": [None] * 4,
    }


def write_forms(folder):
    pyarrow.csv.write_csv(pyarrow.table(texts("|")), folder / "a.csv")
    pyarrow.csv.write_csv(
        pyarrow.table(texts(";")), folder / "a.tsv", write_options=pyarrow.csv.WriteOptions(delimiter="\t")
    )
    (folder / "b.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    pyarrow.parquet.write_table(
        pyarrow.table({**texts("|"), "rejected": [list(each) for each in PAIRS.rejected]}), folder / "a.parquet"
    )
    write_preferences_file(folder / "own.csv", PAIRS)
    write_preferences_file(folder / "own.parquet", PAIRS)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "b.csv.gz", "a.parquet", "own.csv", "own.parquet"])
def test_all_forms_of_a_file_say_the_same(tmp_path, name):
    write_forms(tmp_path)
    found = read_preferences_file(tmp_path / name)
    assert list(found.user) == list(PAIRS.user)
    assert list(found.chosen) == list(PAIRS.chosen)
    assert [list(each) for each in found.rejected] == PAIRS.rejected
    assert found.weight.tolist() == [1, 0.5, 2, 1]
    assert list(found.source) == list(PAIRS.source)


def test_an_archive_may_have_numbers_and_a_matrix(tmp_path):
    np.savez(tmp_path / "a.npz", user=[1, 2], chosen=[3, 4], rejected=[[5, 6], [7, 8]])
    found = read_preferences_file(tmp_path / "a.npz")
    assert [list(each) for each in found.rejected] == [["5", "6"], ["7", "8"]]
    assert found.weight is None
    np.savez(tmp_path / "b.npz", user=[1, 2], chosen=[3, 4], rejected=[5, 6])
    assert read_preferences_file(tmp_path / "b.npz").rejected == [["5"], ["6"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user,chosen\n1,2\n", "has the columns user, chosen; expected user, chosen, rejected"),
        ("user,chosen,rejected\n1,2,\n", 'line 2: column "rejected" has no item'),
        ("user,chosen,rejected\n,2,3\n", 'line 2: column "user" has no value'),
        ("user,chosen,rejected,weight\n1,2,3,-1\n", 'column "weight" has -1'),
        ("user,chosen,rejected,weight\n1,2,3,nan\n", 'column "weight" has no number'),
        ("user,chosen,rejected,weight\n1,2,3,\n", 'column "weight" has no number'),
        ("user,chosen,rejected\n1,2\n", r"Fix the row\.$"),
        ("user,chosen,rejected\n", "no rows"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_at_their_place(tmp_path, text, expected):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=expected):
        read_preferences_file(tmp_path / "a.csv")


def test_ids_that_text_cannot_hold_are_refused_before_anybody_is_asked(tmp_path):
    with pytest.raises(InvalidInputError, match=r'the item "a\|b" has a mark.*parquet'):
        require_writable(tmp_path / "pairs.csv", ["a", "a|b"])
    require_writable(tmp_path / "pairs.parquet", ["a", "a|b"])
