"""A comparison of models, from its command to its page; baselines, which are counted, stand in for trainings."""

import csv
import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest

import tf_metammf
from tf_metammf.commands.main import main
from tf_metammf.records.reader import read_interactions
from tf_metammf.trainer.runs.run_directory import RunDirectory


@pytest.fixture(scope="module")
def compared(halves, small, tmp_path_factory):
    """The folder of a comparison that the command made: a model that learns, and one that counts."""
    output = tmp_path_factory.mktemp("compared") / "out"
    learning = small()
    learning.training.epochs = 4
    # A plus would name a fusion, but not in the name of a file that is there.
    (output.parent / "learning+best.yaml").write_text(learning.to_yaml())
    words = ["compare", "--records", str(halves.folder), "--output", str(output), "--seeds", "2", "--quiet"]
    models = f"popularity,best one={output.parent / 'learning+best.yaml'}"
    words += ["--models", models, "--evaluation.k", "[3, 5]", "--evaluation.monitor", "ndcg@5"]
    assert main([*words, "--trec", "--metrics", "recall@3,cold/recall@5"]) == 0
    return output


@pytest.fixture(scope="module")
def results(compared):
    return json.loads((compared / "results.json").read_text())


def test_the_better_model_is_first_and_compared_with_the_one_that_was_named_first(results):
    assert list(results["models"]) == ["best one", "popularity"]
    best, popularity = results["models"].values()
    assert (best["reference"], popularity["reference"], popularity["p_holm"]) == ("popularity", None, None)
    mean = best["metrics"]["ndcg@5"]["mean"] - popularity["metrics"]["ndcg@5"]["mean"]
    assert best["difference"]["mean"] == pytest.approx(mean, abs=1e-6)
    assert best["difference"]["low"] < mean < best["difference"]["high"] and best["p_holm"] == best["p_value"] < 0.5


def test_means_and_deviations_are_those_of_the_runs(results, compared):
    for name, folder in (("best one", "best-one"), ("popularity", "popularity")):
        runs = [RunDirectory(compared / "models" / folder / f"seed-{seed}") for seed in (1, 2)]
        for metric, spread in results["models"][name]["metrics"].items():
            values = [run.read("metrics")["test"][metric] for run in runs]
            assert spread["values"] == values
            assert spread["mean"] == pytest.approx(np.mean(values))
            assert spread["deviation"] == pytest.approx(np.std(values, ddof=1))
        assert [run.configuration.training.seed for run in runs] == [1, 2]


def test_groups_of_items_and_the_curve_are_those_of_the_ranking(results):
    for found in results["models"].values():
        for kind in ("warm", "cold"):
            mean = found["metrics"][f"{kind}/recall@5"]["mean"]
            assert found["groups"][f"{kind} items"]["recall@5"]["mean"] == pytest.approx(mean)
        assert found["recall"][4] == pytest.approx(found["metrics"]["recall@5"]["mean"])
        assert np.all(np.diff(found["recall"]) >= 0) and len(found["recall"]) == 5
    assert results["groups"]["items with 2 of 2 modalities"] == 30


def test_every_number_of_every_seed_is_a_row_of_the_csv_file(results, compared):
    with (compared / "results.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    wanted = [row for row in rows if (row["model"], row["of"], row["metric"]) == ("best one", "test", "ndcg@5")]
    expected = results["models"]["best one"]["metrics"]["ndcg@5"]["values"]
    assert [(row["seed"], float(row["value"])) for row in wanted] == [("1", expected[0]), ("2", expected[1])]
    compared_with = {row["metric"]: float(row["value"]) for row in rows if row["of"] == "ndcg@5 minus popularity"}
    assert compared_with["low"] == results["models"]["best one"]["difference"]["low"]
    assert compared_with["p_holm"] == results["models"]["best one"]["p_holm"]


def test_metrics_beyond_accuracy_are_those_of_the_lists_in_every_output(results, compared, halves):
    train = read_interactions(halves, "train")
    frequency = np.bincount(train.item, minlength=30)
    groups = ["all users", "rare users (up to 7 interactions)"]
    with (compared / "results.csv").open() as lines:
        rows = {
            tuple(row[name] for name in ("model", "of", "metric", "seed")): row["value"]
            for row in csv.DictReader(lines)
        }
    for name, folder in (("best one", "best-one"), ("popularity", "popularity")):
        assert list(results["models"][name]["beyond_accuracy"]) == groups
        found = results["models"][name]["beyond_accuracy"]["all users"]
        for place, seed in enumerate((1, 2)):
            with np.load(compared / "models" / folder / "lists" / f"seed-{seed}.npz") as content:
                shown = content["recommended"][:, :5]
            assert found["cold_share@5"]["values"][place] == pytest.approx((frequency[shown] == 0).mean())
            # Every user watched seven items, so the mean over users is that over interactions.
            lift = frequency[shown].mean() / frequency[train.item].mean() - 1
            assert found["popularity_lift@5"]["values"][place] == pytest.approx(lift)
            assert float(rows[name, "lists of all users", "popularity_lift@5", str(seed)]) == pytest.approx(lift)
        coverage = results["models"][name]["metrics"]["coverage@5"]["mean"]
        assert found["coverage@5"]["mean"] == pytest.approx(coverage)
        for text in ((compared / "results.md").read_text(), (compared / "report.html").read_text()):
            assert f"{found['gini@5']['mean']:.4f}" in text and "intra list similarity@5" in text


def test_popularity_is_named_once_and_a_random_ranking_always(results, compared):
    assert list(results["untrained"]) == ["random"]
    references = json.loads((compared / "models" / "popularity" / "seed-1" / "references.json").read_text())["test"]
    assert results["untrained"]["random"] == pytest.approx(references["random"])
    number = f"{references['random']['recall@5']:.4f}"
    for name in ("results.md", "report.html"):
        assert "random (untrained)" in (compared / name).read_text() and number in (compared / name).read_text()
    row = f"random (untrained) & {references['random']['recall@3']:.4f} & "
    assert row in (compared / "results.tex").read_text()
    tables = Page((compared / "report.html").read_text()).tables
    heads, row = tables[1][0], next(row for row in tables[1] if row[0] == "random (untrained)")
    assert row[heads.index("recall@5")] == number and len(row) == len(heads)
    assert not any(cell for head, cell in zip(heads, row, strict=True) if "minus" in head or head in ("p", "epochs"))


@pytest.mark.long
def test_models_stand_beside_popularity_where_none_of_them_is(halves, tmp_path, capsys):
    words = ["compare", "--records", str(halves.folder), "--output", str(tmp_path / "out"), "--seeds", "1", "--quiet"]
    assert main([*words, "--models", "item-knn,item-knn-content", "--evaluation.k", "[3, 5]"]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["untrained"]
    expected = json.loads((tmp_path / "out/models/item-knn/seed-1/references.json").read_text())["test"]
    assert found == {name: expected[name] for name in ("popularity", "random")}
    assert "popularity (untrained)" in capsys.readouterr().out


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.drawings = 0
        self.tables: list[list[list[str]]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        self.drawings += tag == "svg"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._in_cell = tag in ("td", "th")

    def handle_data(self, data):
        if self._in_cell:
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag):
        self._in_cell = False


def test_the_page_holds_every_plot_and_asks_no_server_for_anything(compared):
    page = Page((compared / "report.html").read_text())
    plots = {path.stem for path in (compared / "plots").glob("*.png")}
    of_results = {"differences", "groups_of_users", "groups_of_items", "recall", "cost", "training"}
    of_results |= {"warm_cold", "beyond_accuracy"}
    assert plots == of_results | {"shares", "embeddings", "kernels"}
    assert {path.stem for path in (compared / "plots").glob("*.svg")} == plots
    assert page.drawings == len(plots) and page.links == []


def test_drawings_are_text_with_an_alternative_and_follow_the_ink_of_the_page(compared):
    text = (compared / "report.html").read_text()
    assert text.count('<svg role="img" aria-label="') == text.count("<svg ")
    assert "Differences from the reference: best one minus popularity +" in text
    drawing = (compared / "plots" / "differences.svg").read_text()
    root = ElementTree.fromstring(drawing.encode())
    words = {"".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"best one", "popularity", "reference"} <= words
    assert "prefers-color-scheme:dark" in drawing and "currentColor" in drawing and "#010203" not in drawing


def test_the_page_says_how_it_was_made(compared):
    text = (compared / "report.html").read_text()
    assert "tf-metammf compare --records" in text and f"tf-metammf {tf_metammf.__version__}" in text
    assert "Configuration of best one" in text and "learning_rate: 0.05" in text


def test_the_memory_of_each_training_is_measured(results):
    for found in results["models"].values():
        assert found["peak_memory_bytes"] > 2**20
    assert len(results["models"]["best one"]["validation_curves"][0]) == 4
    assert results["models"]["popularity"]["validation_curves"] == []


def test_metrics_of_every_user_are_rows_of_parquet(results, compared):
    rows = pq.read_table(compared / "users.parquet")
    assert rows.num_rows == 2 * 2 * 40 and set(rows["user"].to_pylist()) == {f"user {n}" for n in range(40)}
    means = rows.group_by(["model", "seed"]).aggregate([("recall@3", "mean"), ("ndcg@5", "mean")]).to_pylist()
    for row in means:
        metrics = results["models"][row["model"]]["metrics"]
        place = results["seeds"].index(row["seed"])
        for name in ("recall@3", "ndcg@5"):
            assert row[f"{name}_mean"] == pytest.approx(metrics[name]["values"][place])


def test_another_program_finds_the_same_metrics_in_the_trec_files(results, compared):
    """``ir-measures``, by the equations of ``trec_eval``."""
    measures = pytest.importorskip("ir_measures", reason="ir-measures is not installed")
    qrels = list(measures.read_trec_qrels(str(compared / "trec" / "qrels.txt")))
    assert {each.query_id for each in qrels} == {f"user%20{n}" for n in range(40)}
    for name, tag in (("best one", "best-one"), ("popularity", "popularity")):
        for place, seed in enumerate(results["seeds"]):
            run = measures.read_trec_run(str(compared / "trec" / f"{tag}.seed-{seed}.run"))
            found = measures.calc_aggregate([measures.nDCG @ 5, measures.R @ 3], qrels, run)
            metrics = results["models"][name]["metrics"]
            assert found[measures.nDCG @ 5] == pytest.approx(metrics["ndcg@5"]["values"][place])
            assert found[measures.R @ 3] == pytest.approx(metrics["recall@3"]["values"][place])
