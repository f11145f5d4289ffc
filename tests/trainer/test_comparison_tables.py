"""Tables of a comparison: what stands in them, and names that are markup elsewhere."""

import csv
import html
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.comparison.forest_plot import forest_plot, seed_noise
from tf_metammf.trainer.comparison.latex_table import latex
from tf_metammf.trainer.comparison.model_names import folder_name, plot_label
from tf_metammf.trainer.comparison.model_styles import model_styles
from tf_metammf.trainer.comparison.page import _full_table, _short_table
from tf_metammf.trainer.comparison.plot_labels import label_places
from tf_metammf.trainer.comparison.references import choose_references
from tf_metammf.trainer.comparison.results import _compare, _compared_metric, _spread
from tf_metammf.trainer.comparison.tables import comma_separated, markdown, note
from tf_metammf.trainer.comparison.verdict import verdict

NAMES = ["base", r"a&b_%$#{x}^~\y", "<script>alert(1)</script>", "[0.1] | x", "lr=-0.5, *b*"]


def results(*, references=None, users=40, seeds=(1, 2)):
    """Five models, each better than the one before; none has cold items."""
    random = np.random.default_rng(0)
    found = {}
    for position, name in enumerate(NAMES):
        values = 0.1 * position + random.normal(0.3, 0.02, (len(seeds), users))
        spread = _spread(list(values.mean(axis=1)))
        found[name] = {
            "metrics": {"recall@5": spread, "ndcg@5": spread, "cold/recall@5": _spread([float("nan")] * len(seeds))},
            "validation": {"ndcg@5": spread},
            "groups": {},
            "of users": values,
            "seconds": _spread([1.0] * len(seeds)),
            "epochs": _spread([2.0] * len(seeds)),
            "memory_bytes": 2**20,
            "parameters": 10,
            "searched": [],
        }
    _compare(found, references or choose_references(NAMES))
    return {"metric": "ndcg@5", "order": NAMES, "seeds": list(seeds), "trials": 0, "groups": {}, "models": found}


class Cells(HTMLParser):
    """Rows of a page as a browser shows them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, _):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_difference_from_the_reference_is_in_every_table():
    found = results()
    better = found["models"][NAMES[1]]
    mean, low, high = (better["difference"][name] for name in ("mean", "low", "high"))
    cell = f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"
    assert 0 < low < mean < high < 0.2
    page = Cells(_full_table(found))
    assert [row[0] for row in page.rows[1:]] == NAMES and "script" not in page.tags
    assert "ndcg@5 minus base [95 %]" in page.rows[0] and cell in page.rows[2] and "reference" in page.rows[1]
    short = Cells(_short_table(found))
    heads = [cell.strip() for cell in short.rows[0]]
    assert heads == ["model", "ndcg@5", "minus base [95 %]", "p (Holm)", "training, s"]
    assert short.rows[1][2] == "reference" and short.rows[2][2] == cell and short.rows[2][3].endswith("*")
    assert cell in markdown(found).replace("\\", "")
    # The interval lies evenly around the difference, so half its width says all.
    assert f"{mean:+.4f}({round((high - mean) * 10_000)}){{*}}" in latex(found, record_set="x")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    rows = {(row[0], row[1], row[2]): row[4] for row in csv.reader(io.StringIO(comma_separated(found)))}
    assert float(rows[NAMES[1], "ndcg@5 minus base", "mean"]) == mean
    assert float(rows[NAMES[1], "ndcg@5 minus base", "p_holm"]) == better["p_holm"] >= better["p_value"]
    assert not any(key[2] == "cold/recall@5" for key in rows)  # there is no number, and no row
    assert "****" not in markdown(found) and r"\bfseries {}" not in latex(
        found, record_set="x", metrics=["cold/recall@5"]
    )


def test_every_model_names_its_reference_where_they_differ():
    found = results(references={NAMES[1]: "base", NAMES[2]: NAMES[1], NAMES[4]: NAMES[1]})
    page = Cells(_full_table(found))
    column = page.rows[0].index("reference")
    assert [row[column] for row in page.rows[1:]] == ["", "base", NAMES[1], "", NAMES[1]]
    assert "Holm's correction for 3 tests" in note(found)


def test_names_are_text_in_markdown_and_latex():
    lines = markdown(results()).splitlines()
    assert all(line.count(" | ") == lines[0].count(" | ") for line in lines[2 : 2 + len(NAMES)])
    shown = [html.unescape(line.split(" | ")[0].removeprefix("| ")) for line in lines[2 : 2 + len(NAMES)]]
    unescaped = [name.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") for name in shown]
    assert unescaped == NAMES and "<script>" not in "\n".join(lines)
    rows = latex(results(), record_set="50 % of a_b").splitlines()
    first = rows.index(r"\midrule") + 1
    assert r"a\&b\_\%\$\#\{x\}\textasciicircum{}\textasciitilde{}\textbackslash{}y & " in rows[first + 1]
    assert rows[first + 3].startswith("{}[0.1]")  # a bracket would be an option of the end of the row above
    assert {row.count(" & ") for row in rows[first : first + 5]} == {3}
    assert rows[first + 4].startswith("lr=-0.5, *b*") and r"50 \% of a\_b" in "\n".join(rows[:first])


def test_names_are_text_in_plots_and_no_way_out_of_the_folder():
    from matplotlib.figure import Figure

    figure = Figure()
    panel = figure.subplots()
    for name in (r"$\frac$", "_hidden", r"a$b$c"):
        panel.plot([0, 1], label=plot_label(name))
    figure.canvas.draw()
    panel.legend()
    figure.savefig(io.BytesIO())
    assert len(panel.get_legend().get_texts()) == 3
    for name in ("../../x", "/etc/x", "a/b", "<script>"):
        assert "/" not in folder_name(name) and folder_name(name).strip(".")


def test_the_note_says_what_an_interval_covers_and_when_there_is_none():
    assert "interval over users and seeds (40 users)" in note(results())
    assert "over users, not seeds, of which there is one" in note(results(seeds=(1,)))
    few = results(users=9)
    assert "with 9 users there is no interval and no p-value" in note(few)
    assert few["models"][NAMES[1]]["p_holm"] is None and "+0.1" in markdown(few)


def test_trials_and_what_had_nothing_to_search_are_named():
    found = {**results(), "trials": 4}
    for name in NAMES[1:]:
        found["models"][name]["searched"] = ["model.l2"]
    assert "settings by 4 trials on validation for each (nothing to search: base)" in note(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.25, float("nan"), 0.75], {"mean": 0.5, "values": [0.25, None, 0.75]}),
        ([None], {"mean": None, "deviation": None, "values": [None]}),
        ([0.5], {"mean": 0.5, "deviation": None, "values": [0.5]}),
    ],
)
def test_a_value_that_is_missing_keeps_the_place_of_its_seed(values, expected):
    found = _spread(values)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("monitored", "compared"),
    [("recall@5", "recall@5"), ("recall@10", "recall@5"), ("mrr@3", "ndcg@3"), ("cold/recall@3", "recall@3")],
)
def test_models_are_compared_at_a_cut_off_that_they_are_evaluated_at(monitored, compared):
    assert _compared_metric(MetricName.parse(monitored), [3, 5]) == compared


def test_a_row_of_the_forest_has_interval_seeds_and_the_band_of_their_noise():
    def model(values, difference):
        spread = {"mean": np.mean(values), "deviation": np.std(values, ddof=1), "values": values}
        found = {"metrics": {"ndcg@20": spread}, "difference": difference, "p_holm": 0.2}
        return found | {"reference": None if difference is None else "m"}

    models = {
        "m": model([0.5, 0.52], None),
        "m, visual alone": model([0.5, 0.5], {"mean": -0.01, "low": -0.02, "high": 0.0}),
        "m, no content": model([0.4, 0.44], {"mean": -0.09, "low": -0.13, "high": -0.05}),
    }
    results = {"metric": "ndcg@20", "order": list(models), "models": models}
    # Of the two that vary: variances 0.0002 and 0.0008.
    assert seed_noise(results) == pytest.approx(np.sqrt(0.0005))
    axes = forest_plot(results, model_styles(results)).axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == list(models)
    lines = {tuple(np.round(line.get_xdata(), 9)): line for line in axes.lines}
    assert (-0.02, 0.0) in lines and (-0.13, -0.05) in lines and (-0.1, -0.08) in lines
    assert lines[(-0.09,)].get_markerfacecolor() != lines[(-0.09,)].get_color()  # not significant
    assert axes.patches[0].get_x() == pytest.approx(-seed_noise(results))


def test_colours_belong_to_models_whatever_their_results():
    names = [f"model {place}" for place in range(30)]
    models = {name: {"reference": None if name == "model 3" else "model 3"} for name in names}
    styles = model_styles({"order": names, "models": models})
    assert len(set(styles.values())) == 30
    worse = dict(reversed(models.items()))
    assert model_styles({"order": names, "models": worse}) == styles
    assert model_styles({"order": names[:9], "models": {name: models[name] for name in names[:9]}}) == {
        name: styles[name] for name in names[:9]
    }


def test_labels_at_the_same_place_do_not_touch():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    places = {f"model {place}": (1.0, 0.5 + 1e-4 * place) for place in range(8)}
    label_places(axes, places, dict.fromkeys(places, "black"))
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 8 and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(
    ("best", "holm", "low", "sentence"),
    [
        ("new", 0.00001, 0.01, "new is better than old: ndcg@5 0.3000 against 0.2500, a difference of +0.0500 "
         "(95 % interval +0.0100 to +0.0900, p < 0.0001)."),
        ("new", 0.21, -0.01, "new is not significantly better than old: "),
        ("new", None, None, "a difference of +0.0500, too few users for an interval."),
        ("old", 0.00001, 0.01, "old, the reference, has the highest ndcg@5, 0.2500; the next, new, is worse: 0.3000"),
        ("old", 0.21, 0.01, "but new is not significantly worse: 0.3000, a difference of +0.0500"),
    ],
)  # fmt: skip
def test_the_verdict_is_a_sentence(best, holm, low, sentence):
    difference = {"mean": 0.05, "low": low, "high": None if low is None else 0.1 - low}
    models = {
        "old": {"reference": None, "difference": None, "metrics": {"ndcg@5": {"mean": 0.25}}, "p_holm": None},
        "new": {"reference": "old", "difference": difference, "metrics": {"ndcg@5": {"mean": 0.3}}, "p_holm": holm},
    }
    ordered = {name: models[name] for name in sorted(models, key=lambda name: name != best)}
    assert sentence in verdict({"metric": "ndcg@5", "models": ordered})
