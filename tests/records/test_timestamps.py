"""Times are read in full precision, and never guessed."""

import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.timestamps import joined_facts, read_times, time_facts, time_reading
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources.tabular import Options, read
from tf_metammf.records.splits.filtering import Filtering, apply_filtering
from tf_metammf.records.splits.splitting import Splitting, split_interactions

SECONDS = ["900", "100", "500"]


def column(values, kind=None):
    return pyarrow.chunked_array([pyarrow.array(values, kind)])


def times_of(values, kind=None, written=None):
    """What is stored, and its unit."""
    times = column(values, kind)
    reading = time_reading(Path("views.csv"), "time", time_facts(times, written), written)
    stored, fits = read_times(times, reading)
    assert fits.all()
    return stored.tolist(), reading.unit


def refusal(values, kind=None, written=None):
    with pytest.raises(InvalidInputError) as raised:
        times_of(values, kind, written)
    return str(raised.value)


def moments(kind):
    """A day's last three moments within one second, as a column of some type."""
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    if kind == "iso":
        return [f"2026-01-01T00:00:00.{fraction}Z" for fraction in SECONDS]
    if kind == "decimal text":
        return [f"1577836800.{fraction}" for fraction in SECONDS]
    if kind == "float":
        return [1577836800 + int(fraction) / 1000 for fraction in SECONDS]
    return pyarrow.array([start + datetime.timedelta(milliseconds=int(fraction)) for fraction in SECONDS]).cast(kind)


@pytest.mark.parametrize(
    "kind",
    ["iso", "decimal text", "float", *(pyarrow.timestamp(unit, "UTC") for unit in ("ms", "us", "ns"))],
    ids=str,
)
def test_fractions_of_a_second_decide_what_is_last(kind, tmp_path):
    table = pyarrow.table({"user": ["u"] * 3, "item": list("abc"), "time": moments(kind)})
    pyarrow.parquet.write_table(table, tmp_path / "views.parquet")
    data = read(tmp_path / "views.parquet", Options())
    splits = split_interactions(data, Splitting(method="leave_last_out"), seed=0)
    assert {name: [data.item_ids[item] for item in split.item] for name, split in splits.items()} == {
        "train": ["b"],
        "validation": ["c"],
        "test": ["a"],
    }
    assert data.provenance["timestamp_unit"] == (
        "ms" if "float" not in str(kind) and "text" not in str(kind) else "1/1000"
    )


def test_the_earliest_of_duplicates_is_known_by_its_fraction(tmp_path):
    rows = ["u,a,7.9", "u,a,7.1", "u,a,7.5", "u,b,7"]
    (tmp_path / "views.csv").write_text("\n".join(["user,item,time", *rows]))
    kept = apply_filtering(read(tmp_path / "views.csv", Options()), Filtering()).interactions
    assert kept.timestamp.tolist() == [7100, 7000]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["5", "-3", "+2", " 7 "], None, ([5, -3, 2, 7], None)),
        (["881250949.0", "3."], None, ([881250949, 3], None)),
        (["1.5e3", "1E0"], None, ([1500, 1], None)),
        (["9223372036854775807"], None, ([2**63 - 1], None)),
        (["0.000000001"], None, ([1], "1/1000000000")),
        (["-1.25"], None, ([-1250], "1/1000")),
        ([2.0**60], None, ([2**60], None)),
        ([0.1], pyarrow.float32(), ([100], "1/1000")),
        ([1577836800.123456], None, ([1577836800123456], "1/1000000")),
        ([Decimal("2.50")], None, ([2500], "1/1000")),
        ([0, 1], pyarrow.date32(), ([0, 86_400], "s")),
        ([10**9], pyarrow.timestamp("ns"), ([1], "s")),
        ([-1], pyarrow.timestamp("ns"), ([-1], "ns")),
        (["2026-05-01T10:00:00+02:00", "2026-05-01 08:00Z"], None, ([1777622400] * 2, "s")),
        (["01/05/2026 10:00", "13/05/2026 10:00"], None, ([1777629600, 1778666400], "s")),
        (["01/05/2026 10:00 PM", "1/13/2026 12:00 AM"], None, ([1767650400, 1768262400], "s")),
        (["01.01.2026", "02.02.2026"], None, ([1767225600, 1769990400], "s")),
    ],
)
def test_times_of_every_form_are_stored_exactly(values, kind, expected):
    assert times_of(values, kind) == expected


@given(st.lists(st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)), min_size=1, max_size=8))
def test_dates_are_the_microseconds_since_1970_in_every_form(dates):
    since = [(date - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1) for date in dates]
    for values, written in (
        ([date.isoformat() for date in dates], None),
        ([f"{date:%d/%m/%Y %H:%M:%S.%f}" for date in [datetime.datetime(2000, 1, 31), *dates]], None),
        ([f"{date:%d %b %Y, %H:%M:%S.%f}" for date in dates], "%d %b %Y, %H:%M:%S.%f"),
    ):
        stored, unit = times_of(values, written=written)
        factor = {"s": 10**6, "ms": 10**3, "us": 1}[unit]
        assert [time * factor for time in stored][-len(dates) :] == since


@given(st.lists(st.decimals(-(10**9), 10**9, places=9), min_size=1, max_size=8))
def test_decimals_are_exact(numbers):
    stored, unit = times_of([f"{number:f}" for number in numbers])
    factor = int(unit.partition("/")[2]) if unit else 1
    assert [Decimal(time) / factor for time in stored] == numbers


def test_a_day_or_a_month_is_not_guessed():
    message = refusal(["01/05/2026 10:00", "02/05/2026 10:00"])
    assert "may have the day first or the month first" in message
    assert "--tabular.timestamp_format" in message and "%d/%m/%Y" in message and "%m/%d/%Y" in message
    assert times_of(["01/05/2026"], written="%d/%m/%Y")[0] == [1777593600]
    assert times_of(["01/05/2026"], written="%m/%d/%Y")[0] == [1767571200]
    assert "day first in some rows and the month first in others" in refusal(["13/01/2026", "01/13/2026"])


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["2026-05-01T10:00:00Z", "2026-05-01T10:00:00"], None, "1 times with an offset from UTC and 1 without"),
        (["noon"], None, 'such as "noon", expected numbers or dates'),
        ([True], None, "expected numbers or dates"),
        (["2026-02-30"], None, "expected numbers or dates"),
        ([2**63], pyarrow.uint64(), "expected numbers or dates"),
        ([0.1 + 0.2], None, "expected numbers or dates"),
        (["1e18", "0.000000001"], None, "beyond 64 bits"),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(values, kind, message):
    assert message in refusal(values, kind)


@pytest.mark.parametrize("written", ["%Q", "%", "%d %"])
def test_a_form_that_is_none_is_refused(written):
    assert "Write it as Python's strptime takes it" in refusal(["5"], written=written)


@given(
    st.lists(
        st.sampled_from(["5", "6.25", "01/05/2026", "13/05/2026", "2026-01-01", "2026-01-01T00:00Z", "noon"]),
        min_size=2,
    ),
    st.data(),
)
def test_parts_of_a_column_say_together_what_the_whole_says(values, data):
    cut = data.draw(st.integers(1, len(values) - 1))
    whole = time_facts(column(values))
    assert joined_facts([time_facts(column(values[:cut])), time_facts(column(values[cut:]))]) == whole


def test_whole_numbers_stay_as_they_are_in_files_of_every_type(tmp_path):
    np.savez(tmp_path / "views.npz", user=[1, 2], item=[1, 2], time=np.array([3, 4], ">u4"))
    data = read(tmp_path / "views.npz", Options())
    assert data.interactions.timestamp.tolist() == [3, 4]
    assert "timestamp_unit" not in data.provenance


AT = 1577836800
"""The beginning of 2020 in seconds."""


@pytest.mark.parametrize(("unit", "factor"), [("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)])
@pytest.mark.parametrize("kind", [str, int, float])
def test_a_row_in_another_unit_is_named_or_left_out(unit, factor, kind, tmp_path):
    times = [AT * factor, AT + 1, AT + 2, AT + 3, (AT + 4) * factor]
    table = pyarrow.table({"user": list("uuuvv"), "item": list("abcde"), "time": list(map(kind, times))})
    pyarrow.parquet.write_table(table, tmp_path / "views.parquet")
    with pytest.raises(InvalidInputError) as raised:
        read(tmp_path / "views.parquet", Options())
    message = str(raised.value)
    assert "record 1" in message and str(kind(times[0])) in message
    assert f"a time in {unit}, but most of its times are in seconds" in message and "--on_error skip" in message
    request = ReadRequest(bad_rows=BadRows(skip=True))
    data = read(tmp_path / "views.parquet", Options(), request=request)
    assert data.interactions.timestamp.tolist() == [AT + 1, AT + 2, AT + 3]
    assert [row.record for row in request.bad_rows.rejected] == [1, 5]
    assert request.bad_rows.counts() == {"time in another unit": 2}


@pytest.mark.parametrize(
    "times",
    [
        [0, 10**9, 4 * 10**9, 10**12, 10**13, 5 * 10**13],  # nanoseconds since the log began
        [1, 2, 3, 4, 5, AT],  # numbers of events, and one that happens to be large
        [20260101, 20260102, 20261231],
        [20260101103000, 20261231235959],
        [AT * factor for factor in (10**3,)],
    ],
)
def test_numbers_that_are_no_unix_times_are_of_no_unit(times):
    assert times_of(times)[0] == times


@pytest.mark.parametrize(
    ("times", "count", "shown"),
    [
        ([AT, 0, AT + 1, -1], "2 of 4", '"0"'),
        (["2020-01-01", "1970-01-01", "2020-01-02"], "1 of 3", '"1970-01-01"'),
        (["01.01.2020", "31.12.9999"], "1 of 2", '"31.12.9999"'),
        (pyarrow.array([AT, 0, AT], pyarrow.timestamp("s")), "1 of 3", '"1970-01-01T00:00:00"'),
        ([float(AT), 0.5, float(AT)], "1 of 3", '"0.5"'),
    ],
)
def test_times_that_often_stand_for_none_are_counted(times, count, shown, tmp_path):
    size = len(times)
    table = pyarrow.table({"user": ["u"] * size, "item": [f"i{n}" for n in range(size)], "time": times})
    pyarrow.parquet.write_table(table, tmp_path / "views.parquet")
    (note,) = read(tmp_path / "views.parquet", Options()).notes
    assert count in note and shown in note and '"time"' in note


@pytest.mark.parametrize("times", [[AT, AT + 1], [5, 0, -1], ["1950-01-01", "1950-01-02", "2020-01-01"], [AT * 1000]])
def test_times_that_do_not_stand_apart_need_no_note(times, tmp_path):
    size = len(times)
    table = pyarrow.table({"user": ["u"] * size, "item": [f"i{n}" for n in range(size)], "time": times})
    pyarrow.parquet.write_table(table, tmp_path / "views.parquet")
    assert read(tmp_path / "views.parquet", Options()).notes == ()
