"""Tables of a comparison: what stands in them, and names that are markup elsewhere."""

import csv
import html
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest

from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.comparison.model_names import folder_name, plot_label
from tf_metammf.trainer.comparison.plots import _modalities as modality_figure
from tf_metammf.trainer.comparison.references import choose_references
from tf_metammf.trainer.comparison.report import _main_table
from tf_metammf.trainer.comparison.results import _compare, _compared_metric, _spread
from tf_metammf.trainer.comparison.tables import comma_separated, latex, markdown, note

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
    return {"metric": "ndcg@5", "seeds": list(seeds), "trials": 0, "groups": {}, "models": found}


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
    page = Cells(_main_table(found))
    assert [row[0] for row in page.rows[1:]] == NAMES and "script" not in page.tags
    assert "ndcg@5 minus base [95 %]" in page.rows[0] and cell in page.rows[2] and "reference" in page.rows[1]
    assert cell in markdown(found).replace("\\", "") and cell in latex(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    rows = {(row[0], row[1], row[2]): row[4] for row in csv.reader(io.StringIO(comma_separated(found)))}
    assert float(rows[NAMES[1], "ndcg@5 minus base", "mean"]) == mean
    assert float(rows[NAMES[1], "ndcg@5 minus base", "p_holm"]) == better["p_holm"] >= better["p_value"]
    assert not any(key[2] == "cold/recall@5" for key in rows)  # there is no number, and no row
    assert "****" not in markdown(found) and r"\textbf{}" not in latex(found)


def test_every_model_names_its_reference_where_they_differ():
    found = results(references={NAMES[1]: "base", NAMES[2]: NAMES[1], NAMES[4]: NAMES[1]})
    page = Cells(_main_table(found))
    column = page.rows[0].index("reference")
    assert [row[column] for row in page.rows[1:]] == ["", "base", NAMES[1], "", NAMES[1]]
    assert "Holm's correction for 3 tests" in note(found)


def test_names_are_text_in_markdown_and_latex():
    lines = markdown(results()).splitlines()
    assert all(line.count(" | ") == lines[0].count(" | ") for line in lines[2 : 2 + len(NAMES)])
    shown = [html.unescape(line.split(" | ")[0].removeprefix("| ")) for line in lines[2 : 2 + len(NAMES)]]
    unescaped = [name.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\") for name in shown]
    assert unescaped == NAMES and "<script>" not in "\n".join(lines)
    rows = latex(results()).splitlines()
    assert r"a\&b\_\%\$\#\{x\}\textasciicircum{}\textasciitilde{}\textbackslash{}y & " in rows[5]
    assert rows[7].startswith("{}[0.1]")  # a bracket would be an option of the end of the row above
    assert {row.count(" & ") for row in rows[4:9]} == {5} and rows[8].startswith("lr=-0.5, *b*")


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


def test_the_bars_of_missing_modalities_have_the_interval_of_the_difference():
    """Not the deviation of the model, which is large where the difference may be none."""

    def model(mean, difference):
        return {"metrics": {"ndcg@20": {"mean": mean, "deviation": 0.2}}, "reference": "m", "difference": difference}

    models = {
        "m": model(0.5, None) | {"reference": None},
        "m, visual alone": model(0.5, {"mean": 0.0, "low": 0.0, "high": 0.0}),
        "m, no content": model(0.4, {"mean": -0.1, "low": -0.13, "high": -0.07}),
    }
    (panel,) = modality_figure({"metric": "ndcg@20", "models": models}, {"m": list(models)[1:]}).axes
    bars = [each.get_segments()[0][:, 0] for each in panel.collections]
    np.testing.assert_allclose(bars, [[0, 0], [-0.13, -0.07]], atol=1e-12)
