"""A record set that keeps the splits of an earlier one."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError, InvalidRecordSetError
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.sources.tabular import Options
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting

Row = tuple[str, str, int]


def rows_of_users(first: int, last: int, *, items: int = 40, each: int = 12) -> list[Row]:
    generator = np.random.default_rng([first, last])
    return [
        (f"u{user}", f"i{item}", int(time))
        for user in range(first, last)
        for item, time in zip(
            generator.choice(items, each, replace=False), generator.integers(0, 10**6, each), strict=True
        )
    ]


def record_set_of(folder: Path, rows: list[Row], *, times: bool = True, **arguments) -> RecordSet:
    raw = folder.with_name(folder.name + ".raw")
    raw.mkdir()
    lines = [",".join(("user", "item", "time")[: 2 + times])]
    lines += [",".join(map(str, row[: 2 + times])) for row in rows]
    (raw / "interactions.csv").write_text("\n".join(lines) + "\n")
    return convert("tabular", raw, folder, options=Options(features={}), **arguments)


def splits_of(record_set: RecordSet) -> dict[tuple[str, str, int], Counter[str]]:
    """Splits of every interaction."""
    found: dict[tuple[str, str, int], Counter[str]] = {}
    for name in SPLITS:
        split = read_interactions(record_set, name)
        times = split.timestamp if split.timestamp is not None else np.zeros(len(split), int)
        for user, item, time in zip(split.user, split.item, times, strict=True):
            key = record_set.user_ids[user], record_set.item_ids[item], int(time)
            found.setdefault(key, Counter())[name] += 1
    return found


def test_repeats_are_matched_by_time_also_where_the_new_log_has_fractions_of_a_second(tmp_path):
    rows = [("u", "i", time) for time in range(20)] + [("v", "j", time) for time in range(20)]
    keep = Filtering(deduplicate=False)
    before = record_set_of(tmp_path / "yesterday", rows, filtering=keep, splitting=Splitting(method="time"))
    later = [*rows[4:20], *rows[24:], ("w", "i", "99.5")]  # without the first ones, what is left fits otherwise
    like = Splitting(like=str(before.folder))
    after = record_set_of(tmp_path / "today", later, filtering=keep, splitting=like)
    assert after.metadata.source["timestamp_unit"] == "1/1000"
    found = splits_of(after)
    assert {name for count in splits_of(before).values() for name in count} == set(SPLITS)
    earlier = splits_of(before)
    assert all(found[user, item, 1000 * time] == earlier[user, item, time] for user, item, time in rows if time > 3)


YESTERDAY = rows_of_users(0, 60)
TODAY = [*rows_of_users(100, 110), *YESTERDAY[5:], ("u3", "i999", 10**6 + 1), ("u4", "i999", 10**6 + 2)]


@pytest.fixture(scope="module", params=["random", "leave_last_out", "time", "cold_start"])
def yesterday(request, tmp_path_factory) -> tuple[str, RecordSet, dict]:
    """A method, yesterday's record set that was split by it, and its splits."""
    folder = tmp_path_factory.mktemp(request.param) / "old"
    old = record_set_of(folder, YESTERDAY, splitting=Splitting(request.param), seed=1)
    return request.param, old, splits_of(old)


@pytest.mark.parametrize("method", [None, "random", "leave_last_out", "time", "cold_start"])
def test_every_old_interaction_keeps_its_split_and_new_ones_are_split(yesterday, method, tmp_path):
    before, old, was = yesterday
    new = record_set_of(tmp_path / "new", TODAY, splitting=Splitting(method, like=str(old.folder)), seed=2)
    now = splits_of(new)
    assert {key: now[key] for key in was if key in now} == {key: was[key] for key in was if key in now}
    assert set(now) == set(TODAY)
    assert {name for key in now.keys() - was.keys() for name in now[key]} == set(SPLITS)
    funnel = new.metadata.funnel
    assert (funnel.like.name, funnel.like.checksum) == ("old", old.metadata.checksum)
    assert (funnel.like.kept, funnel.like.new, funnel.like.gone) == (715, 122, 5)
    assert funnel.method == new.metadata.source["splitting"]["method"] == (method or before)
    assert new.metadata.source["splitting"]["like"] == "old"


def test_cold_items_stay_out_of_training_and_cold_ones_are_drawn_among_new_items(tmp_path):
    old = record_set_of(tmp_path / "old", rows_of_users(0, 60), splitting=Splitting("cold_start"))
    new_rows = [*rows_of_users(0, 60), *rows_of_users(200, 260), *rows_of_users(300, 360, items=80)]
    new = record_set_of(tmp_path / "new", new_rows, splitting=Splitting(like=str(old.folder)))

    def items(record_set: RecordSet, split: str) -> set[str]:
        return {record_set.item_ids[item] for item in read_interactions(record_set, split).item}

    was = {name: items(old, name) for name in SPLITS}
    now = {name: items(new, name) for name in SPLITS}
    known = set.union(*was.values())
    cold = known - was["train"]
    assert cold and not cold & now["train"]
    assert cold & was["test"] <= now["test"] and not (cold & was["test"]) & now["validation"]
    assert was["train"] <= now["train"]
    fresh = set.union(*now.values()) - known
    assert len(fresh - now["train"]) == round(0.2 * len(fresh))


def test_shares_and_method_are_those_of_the_earlier_set_unless_given(tmp_path):
    before = Splitting("random", validation=0.2, test=0.3)
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=before)
    new = record_set_of(tmp_path / "new", TODAY, splitting=Splitting(validation=0.15, like=str(old.folder)))
    used = new.metadata.source["splitting"]
    assert (used["method"], used["validation"], used["test"]) == ("random", 0.15, 0.3)


def test_the_method_of_a_set_that_does_not_say_it_is_the_default_of_its_release(tmp_path):
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=Splitting("random"))
    content = json.loads((old.folder / "metadata.json").read_text())
    content["source"]["splitting"] = {"method": None, "validation": 0.2, "test": 0.1, "cold_items": 0.2}
    (old.folder / "metadata.json").write_text(json.dumps(content))
    new = record_set_of(tmp_path / "new", TODAY, splitting=Splitting(like=str(old.folder)))
    assert (new.metadata.funnel.method, new.metadata.source["splitting"]["validation"]) == ("random", 0.2)
    assert new.metadata.funnel.reason == "the method of old"


def test_a_user_whose_training_is_kept_may_have_all_new_interactions_held_out(tmp_path):
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=Splitting("leave_last_out"))
    later = [(f"u{user}", "i999", 10**6 + 1) for user in range(60)]
    new = record_set_of(tmp_path / "new", [*YESTERDAY, *later], splitting=Splitting(like=str(old.folder)))
    now = splits_of(new)
    assert all(now[row] == Counter(["test"]) for row in later)


def test_nothing_new_gives_the_same_splits_and_nothing_old_is_said(tmp_path):
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=Splitting("random"))
    again = record_set_of(tmp_path / "again", YESTERDAY[::-1], splitting=Splitting(like=old.folder), seed=5)
    assert splits_of(again) == splits_of(old)
    other = record_set_of(tmp_path / "other", rows_of_users(500, 520), splitting=Splitting(like=old.folder))
    assert (other.metadata.funnel.like.kept, other.metadata.funnel.like.gone) == (0, len(YESTERDAY))


@pytest.mark.parametrize("times", [True, False])
def test_repeats_of_a_pair_stay_where_they_were_and_new_ones_go_to_training_if_any_was_there(times, tmp_path):
    rows = [(f"u{user}", f"i{n % 5}", 100 * n + user) for user in range(30) for n in range(10)]
    arguments = {"filtering": Filtering(deduplicate=False), "times": times}
    old = record_set_of(tmp_path / "old", rows, splitting=Splitting("random", 0.2, 0.2), **arguments)
    more = [(user, item, time + 5_000) for user, item, time in rows[::3]]
    early = [(user, item, time - 50) for user, item, time in rows[::7]]
    splitting = Splitting(like=str(old.folder))
    new = record_set_of(tmp_path / "new", [*more, *rows, *early], splitting=splitting, **arguments)
    was, now = splits_of(old), splits_of(new)
    pairs: dict[tuple[str, str], Counter[str]] = {}
    for key, names in was.items():
        assert not names - now[key]  # each of the old ones is where it was
        pairs.setdefault(key[:2], Counter()).update(names)
    for key in now:
        extra = now[key] - was.get(key, Counter())
        of_pair = pairs[key[:2]]
        assert set(extra) <= ({"train"} if of_pair["train"] else set(of_pair))
    assert new.metadata.funnel.like.kept == len(rows)


def test_filtering_comes_first(tmp_path):
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=Splitting("random"))
    rows = [row for row in TODAY if row[1] != "i7"] + [("u1", "i7", 5)]
    new = record_set_of(
        tmp_path / "new", rows, filtering=Filtering(k_core=2), splitting=Splitting(like=str(old.folder))
    )
    assert not any(key[1] == "i7" for key in splits_of(new))
    assert new.metadata.funnel.outside_k_core >= 1


def test_an_earlier_set_that_is_none_and_a_method_that_cannot_go_on_are_refused(tmp_path):
    with pytest.raises(InvalidRecordSetError, match="is not a record set"):
        record_set_of(tmp_path / "new", YESTERDAY, splitting=Splitting(like=str(tmp_path)))
    old = record_set_of(tmp_path / "old", YESTERDAY, splitting=Splitting("time"))
    with pytest.raises(InvalidInputError, match='"time" needs timestamps'):
        record_set_of(tmp_path / "later", TODAY, times=False, splitting=Splitting(like=str(old.folder)))
