"""Preferences that a rule finds in a log: units of time, and columns that hold no numbers."""

from datetime import UTC, datetime

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from preference_log import RULE, log

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.preference_rule import preference_rule
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.raw_files.preferences_from_logs import LogFile, preferences_from_logs


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
    assert found_in(path, skip=True) == left
