"""The report on data: its numbers against NumPy and pandas-like counting, its suggestions, and the page."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.report.content_duplicates import content_duplicates
from tf_metammf.records.report.data_report import report_on
from tf_metammf.records.report.page import page
from tf_metammf.records.report.timeline import timeline
from tf_metammf.records.writer import write_record_set

DAY = 86_400
START = 1_700_000_000 // DAY * DAY
USERS, ITEMS = 40, 60


def some_interactions(seed: int, count: int, *, times: bool = True) -> Interactions:
    random = np.random.default_rng(seed)
    pairs = random.choice(USERS * ITEMS, count, replace=False)
    moments = START + random.integers(0, 30 * DAY, count)
    return Interactions(pairs // ITEMS, pairs % ITEMS, moments if times else None)


@pytest.fixture(scope="module")
def splits() -> dict[str, Interactions]:
    """A random split: training has only the first 50 items."""
    every = some_interactions(0, 900)
    part = np.random.default_rng(1).choice(3, len(every), p=(0.8, 0.1, 0.1))
    part[(every.item >= 50) & (part == 0)] = 2
    return {name: every.take(part == number) for number, name in enumerate(("train", "validation", "test"))}


@pytest.fixture(scope="module")
def folder(splits, tmp_path_factory):
    """Items 0 to 19 share their picture, item 20 is a near copy of item 21, 22 to 24 have no sound."""
    random = np.random.default_rng(2)
    visual = random.normal(size=(ITEMS, 200)).astype(np.float32)
    visual[:20] = visual[0]
    visual[20] = visual[21] * 1.001
    visual[:, 7] = 3
    rows = np.where((np.arange(ITEMS) >= 22) & (np.arange(ITEMS) < 25), -1, np.arange(ITEMS))
    features = {
        "visual": ModalityFeatures(visual, np.arange(ITEMS)),
        "acoustic": ModalityFeatures(random.normal(size=(ITEMS, 4)).astype(np.float32), rows),
    }
    users, items = (np.concatenate([getattr(part, name) for part in splits.values()]) for name in ("user", "item"))
    data = RawData(
        "<b>data</b>",
        [f"u{user}" for user in range(USERS)],
        [f"v{item}" for item in range(ITEMS)],
        Interactions(users, items),
        features,
    )
    target = tmp_path_factory.mktemp("report") / "set"
    write_record_set(data, splits, target)
    return target


@pytest.fixture(scope="module")
def report(folder):
    return report_on(open_record_set(folder))


def test_splits_are_counted(report, splits):
    train, test = splits["train"], splits["test"]
    found = report.splits["test"]
    trained = set(train.item.tolist())
    assert (found.interactions, found.users) == (len(test), len(set(test.user.tolist())))
    assert found.on_new_items == pytest.approx(np.mean([item not in trained for item in test.item.tolist()]))
    popularity = np.bincount(train.item, minlength=ITEMS)
    assert found.mean_popularity == pytest.approx(popularity[test.item].mean())
    assert found.before_training_ends == pytest.approx((test.timestamp < train.timestamp.max()).mean())


def test_popularity_and_degrees_are_those_of_training(report, splits):
    popularity = np.sort(np.bincount(splits["train"].item, minlength=ITEMS))[::-1]
    assert report.head_share == pytest.approx(popularity[: ITEMS // 5].sum() / popularity.sum())
    assert report.popularity_curve[0] == 0 and report.popularity_curve[-1] == pytest.approx(1)
    assert sum(count for _, count in report.degrees["items"]) == ITEMS
    assert sum(degree * count for degree, count in report.degrees["users"]) == len(splits["train"])


def test_periods_hold_every_interaction_once(report, splits):
    found = report.timeline
    assert (found.unit, found.period) == ("s", "day")
    assert found.days == pytest.approx(
        (max(part.timestamp.max() for part in splits.values()) - min(part.timestamp.min() for part in splits.values()))
        / DAY
    )
    for name, split in splits.items():
        expected = np.bincount((split.timestamp - START) // DAY, minlength=len(found.starts) - 1)
        assert list(found.interactions[name]) == expected.tolist()


def test_new_items_are_those_first_seen_in_the_period():
    times = np.array([0, 1, 4 * DAY, 4 * DAY + 5, 8 * DAY, 8 * DAY]) + START
    found = timeline({"train": Interactions(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 0, 2, 2, 3]), times)})
    assert (found.period, len(found.starts)) == ("day", 10)
    assert found.on_new_items[::4] == (1, 0.5, 0.5)
    assert found.of_new_users[::4] == (1, 0.5, 0)


@pytest.mark.parametrize(
    ("times", "unit", "period"),
    [
        ([1_700_000_000_000, 1_700_000_060_000], "ms", "minute"),
        ([1_400_000_000, 1_700_000_000], "s", "365 days"),
        ([1, 2, 300], "", ""),
        ([7, 7], "", ""),
    ],
)
def test_times_are_dates_where_they_can_be(times, unit, period):
    ids = np.arange(len(times))
    found = timeline({"train": Interactions(ids, ids, np.array(times))})
    assert (found.unit, found.period) == (unit, period)
    assert sum(found.interactions["train"]) == len(times) and len(found.starts) <= 61


def test_without_times_there_is_no_timeline(splits):
    assert timeline({name: replace(split, timestamp=None) for name, split in splits.items()}) is None
    assert timeline({}) is None


def test_copies_near_copies_and_constants_are_found(report):
    visual, acoustic = report.duplicates["visual"], report.duplicates["acoustic"]
    assert (visual.items, visual.distinct, visual.copies, visual.largest_group) == (ITEMS, ITEMS - 19, 20, 20)
    assert visual.constant == 1 and (visual.sampled, visual.near) == (ITEMS, 22)
    assert {tuple(sorted(pair)) for pair in visual.examples} == {(20, 21)}
    assert (acoustic.items, acoustic.copies, acoustic.near, acoustic.constant) == (ITEMS - 3, 0, 0, 0)
    assert dict(report.modality_sets) == {("acoustic", "visual"): ITEMS - 3, ("visual",): 3}


def test_a_modality_that_no_item_has_is_counted_as_nothing():
    nothing = {
        "item": np.arange(3),
        "features": {"a": np.zeros((3, 2), np.float32)},
        "presence": {"a": np.zeros(3, bool)},
    }
    found = content_duplicates([nothing])["a"]
    assert (found.items, found.distinct, found.sampled, found.near, found.constant) == (0, 0, 0, 0, 0)


def test_what_is_suggested_follows_from_the_numbers(report):
    found = {}
    for each in report.suggestions:
        found.setdefault(each.about, []).append(each.reason)
    assert "20 of 60 items have the same features" in found["features"][0]
    assert "1 of 200 values are the same" in found["features"][1]
    assert any("on items without training interactions" in reason for reason in found["preset"])
    assert "batch" in found and "With 3" in found["metrics"][0]


def test_the_page_is_whole_and_escaped(report):
    text = page(report)
    assert "<b>data</b>" not in text and "&lt;b&gt;data&lt;/b&gt;" in text
    assert text.count("<svg") == 5 and "http://" not in text.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")
    for drawing in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + drawing[: drawing.index("</svg>")] + "</svg>")
        assert 'role="img" aria-label=' in drawing and "currentColor" in drawing


def test_the_command_writes_the_page_and_prints_numbers(folder, report, tmp_path, capsys):
    target = tmp_path / "page.html"
    assert main(["records", "report", str(folder), "--output", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == page(report)
    assert report.suggestions[0].reason in capsys.readouterr().out
    assert main(["records", "report", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["head_share"] == pytest.approx(report.head_share)


@pytest.mark.parametrize(
    ("name", "message"), [("page.txt", "an .html file"), ("missing/page.html", "does not exist"), ("", "an .html file")]
)
def test_where_no_page_can_be_is_refused(folder, tmp_path, capsys, name, message):
    assert main(["records", "report", str(folder), "--output", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
