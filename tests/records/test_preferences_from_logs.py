"""Preferences that a rule finds in a log: units of time, and columns that hold no numbers."""

import csv
from datetime import UTC, datetime

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from preference_log import RULE, log

from tf_metammf.errors import InvalidInputError
from tf_metammf.records import Filtering, convert, read_interactions
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.preference_rule import preference_rule
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.raw_files.preferences_from_logs import LogFile, preferences_from_logs
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources import tabular
from tf_metammf.records.sources.tabular import Options


def found_in(path, table=None, **options):
    """What the rule finds in a file, which is written first where there is a table."""
    if table is not None:
        pyarrow.csv.write_csv(table, path)
    columns = InteractionColumns("user", "item", timestamp="timestamp")
    return preferences_from_logs([LogFile(path)], columns, preference_rule(RULE), **options)


@pytest.mark.parametrize(
    "form",
    [
        lambda time: str(time * 1000),
        lambda time: str(time * 1_000_000 + 1),
        lambda time: f"{time}.25",
        lambda time: f"{time * 1000}.5",
        lambda time: datetime.fromtimestamp(time, UTC).isoformat(),
        lambda time: datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds"),
    ],
    ids=["milliseconds", "microseconds", "fractions", "fractions of milliseconds", "dates", "dates with fractions"],
)
def test_the_hours_of_a_rule_are_hours_whatever_unit_times_are_in(tmp_path, form):
    times = log()["timestamp"].to_pylist()
    expected = found_in(tmp_path / "seconds.csv", log())
    found = found_in(tmp_path / "other.csv", log().set_column(2, "timestamp", [[form(time) for time in times]]))
    assert found == expected
    assert len(found) > 50


def test_what_is_no_number_in_a_column_of_a_rule_is_refused_at_its_place_or_left_out(tmp_path):
    rows = log().to_pylist()
    rows[4]["completion"] = "half"
    lines = [",".join(map(str, row.values())) for row in rows]
    path = tmp_path / "interactions.csv"
    path.write_text("\n".join(["user,item,timestamp,completion", *lines]))
    with pytest.raises(InvalidInputError, match=r'line 6: column "completion" has "half".*on_error skip'):
        found_in(path)
    left = found_in(tmp_path / "left.csv", pyarrow.concat_tables([log()[:4], log()[5:]]))
    assert found_in(path, bad_rows=BadRows(skip=True)) == left
    path.write_text("user,item,timestamp,completion\nu1,v1,1,half\nu1,v2,2,none\n")
    with pytest.raises(InvalidInputError, match=r'all 2 rows were left out.*line 2: column "completion" has "half"'):
        found_in(path, bad_rows=BadRows(skip=True))


def test_rows_that_a_rule_leaves_out_are_listed_with_their_lines_and_stay_interactions(tmp_path):
    rows = [row | {"score": row["completion"]} for row in log().to_pylist()]
    for row in (4, 7, 9):
        rows[row]["score"] = 1
    rows[4]["completion"], rows[7]["completion"], rows[9]["completion"] = "half", "", "NaN"
    rows[11]["user"], rows[13]["item"], rows[13]["completion"] = "", "", "?"
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, part in (("views-1.csv", rows[:300]), ("views-2.csv", [*rows[300:], rows[7], rows[0]])):
        lines = [",".join(map(str, row.values())) for row in part]
        (folder / name).write_text("\n".join(["user,item,timestamp,completion,score", *lines]))
    record_set = convert(
        "tabular",
        folder,
        tmp_path / "set",
        options=Options(interactions="views-*.csv", features={}, rating_column="score"),
        filtering=Filtering(rating_threshold=0.5),
        preferences=RULE,
        on_error="skip",
    )
    with (tmp_path / "set.rejected.csv").open() as file:
        rejected = [(row["file"], row["record"], row["line"], row["reason"]) for row in csv.DictReader(file)]
    left_out, none = "left out of the preferences", 'left out of the preferences: column "completion" has no number'
    assert rejected == [
        ("views-1.csv", "5", "6", f'{left_out}: column "completion" has "half", expected a number'),
        ("views-1.csv", "8", "9", none),
        ("views-1.csv", "10", "11", none),
        ("views-1.csv", "12", "13", 'no user: column "user" has no id'),
        ("views-1.csv", "14", "15", 'no item: column "item" has no id'),
        ("views-2.csv", "301", "302", none),
    ]
    funnel = record_set.metadata.funnel
    assert (funnel.rows_read, funnel.rejected) == (602, {"no item": 1, "no user": 1})
    assert "Rows that were left out of the preferences: 4." in funnel.notes
    kept = {(user, item) for _, user, item in named_interactions(record_set)}
    assert {(rows[row]["user"], rows[row]["item"]) for row in (4, 7, 9)} <= kept


def test_a_row_that_is_listed_as_no_interaction_is_not_listed_again(tmp_path):
    lines = ["user,item,completion", "u1,v1,0.9", "u1,v2,0.1", "u1,v3,?", "u1,v4,", "u2,v1,0.9", "u2,v5,0.3,extra"]
    (tmp_path / "views.csv").write_text("\n".join(lines))
    options = Options(weight="completion")
    request = ReadRequest(
        preferences=preference_rule("completion > 0.8 over completion < 0.2"),
        bad_rows=BadRows(skip=True),
        bad_preference_rows=BadRows(skip=True),
    )
    data = tabular.read(tmp_path / "views.csv", options, request=request)
    assert [row.record for row in request.bad_rows.rejected] == [3, 6, 4]
    assert request.bad_preference_rows.rejected == []
    assert (data.rows_read, len(data.preferences)) == (6, 1)


def test_rows_of_a_file_of_preferences_are_none_of_the_interactions(tmp_path):
    folder, pairs = tmp_path / "raw", tmp_path / "pairs.csv"
    folder.mkdir()
    pyarrow.csv.write_csv(log(), folder / "interactions.csv")
    taken = {*zip(log()["user"].to_pylist(), log()["item"].to_pylist(), strict=True)}
    free = [f"v{n}" for n in range(60) if ("u1", f"v{n}") not in taken]
    pairs.write_text(f"user,chosen,rejected\nu1,{free[0]},{free[1]}\nu1,,{free[1]}\n")
    options = Options(features={})
    record_set = convert("tabular", folder, tmp_path / "set", options=options, preferences=str(pairs), on_error="skip")
    funnel = record_set.metadata.funnel
    assert (funnel.rows_read, funnel.rejected) == (600, {})
    assert "Rows that were left out of the preferences: 1." in funnel.notes
    assert "pairs.csv,2,3," in (tmp_path / "set.rejected.csv").read_text()


def named_interactions(record_set):
    """Split, raw user and raw item of every interaction."""
    users, items = record_set.user_ids, record_set.item_ids
    for split in record_set.metadata.splits:
        found = read_interactions(record_set, split)
        yield from ((split, users[user], items[item]) for user, item in zip(found.user, found.item, strict=True))
