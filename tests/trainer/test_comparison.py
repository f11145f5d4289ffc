"""A comparison of models, from its command to its page."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.comparison import compare as comparison_module
from tf_metammf.trainer.comparison.ablations import QUESTIONS, ablations
from tf_metammf.trainer.comparison.compare import ComparedModel, Comparison, compare, fixed_space
from tf_metammf.trainer.comparison.item_kinds import kinds_of_features, read_kinds
from tf_metammf.trainer.comparison.report import write_report
from tf_metammf.trainer.comparison.tables import latex, markdown
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search.search_space import SearchSpace


@pytest.fixture(scope="module")
def files(small, tmp_path_factory):
    """Configurations of a model that learns and of one that hardly can."""
    folder = tmp_path_factory.mktemp("models")
    learning, idle = small(), small()
    learning.training.epochs = idle.training.epochs = 4
    idle.training.learning_rate = 1e-9
    for name, configuration in (("learning", learning), ("idle", idle)):
        (folder / f"{name}.yaml").write_text(configuration.to_yaml())
    return folder


@pytest.fixture(scope="module")
def compared(halves, files, tmp_path_factory):
    """The folder of a comparison that the command made, and what it printed."""
    output = tmp_path_factory.mktemp("compared") / "out"
    words = ["compare", "--records", str(halves.folder), "--output", str(output), "--seeds", "2", "--quiet"]
    # A plus would name a fusion, but not in the name of a file that is there.
    best = shutil.copy(files / "learning.yaml", output.with_name("learning+best.yaml"))
    models = f"{files / 'idle.yaml'},best one={best}"
    assert main([*words, "--models", models]) == 0
    return output


@pytest.fixture(scope="module")
def results(compared):
    return json.loads((compared / "results.json").read_text())


def test_the_better_model_is_first_and_the_other_differs_significantly(results):
    assert list(results["models"]) == ["best one", "idle"]
    assert results["models"]["best one"]["p_value"] is None and results["models"]["idle"]["p_value"] < 0.01


def test_means_and_deviations_are_those_of_the_runs(results, compared):
    for name, folder in (("best one", "best-one"), ("idle", "idle")):
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
    wanted = [row for row in rows if (row["model"], row["of"], row["metric"]) == ("idle", "test", "ndcg@5")]
    expected = results["models"]["idle"]["metrics"]["ndcg@5"]["values"]
    assert [(row["seed"], float(row["value"])) for row in wanted] == [("1", expected[0]), ("2", expected[1])]


def test_tables_have_a_row_a_model_with_the_best_in_bold(results):
    best = results["models"]["best one"]["metrics"]["ndcg@5"]
    cell = f"{best['mean']:.4f} ± {best['deviation']:.4f}"
    assert f"**{cell}**" in markdown(results)
    assert rf"\textbf{{{cell.replace('±', chr(36) + chr(92) + 'pm' + chr(36))}}}" in latex(results)
    assert latex(results).count(r"\\") == 3


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.drawings = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        self.drawings += tag == "svg"


def test_the_page_holds_every_plot_and_asks_nobody_for_anything(compared):
    page = Page((compared / "report.html").read_text())
    plots = {path.stem for path in (compared / "plots").glob("*.png")}
    assert plots == {"metrics", "recall", "groups", "cost", "training", "shares", "embeddings", "kernels"}
    assert {path.stem for path in (compared / "plots").glob("*.svg")} == plots
    assert page.drawings == len(plots) and page.links == []


def test_a_comparison_goes_on_where_it_was_and_takes_more_seeds(compared, halves, files, monkeypatch):
    trained = []
    original = comparison_module.train
    monkeypatch.setattr(
        comparison_module,
        "train",
        lambda *words, **options: trained.append(words[1].name) or original(*words, **options),
    )
    models = {
        name: fixed_space(Configuration.from_mapping(_plain(files / f"{file}.yaml")))
        for name, file in (("idle", "idle"), ("best one", "learning"))
    }
    assert compare(halves, compared, models, seeds=2, verbose=0).is_complete
    assert trained == []
    three = compare(halves, compared, models, seeds=3, verbose=0)
    assert trained == ["seed-3", "seed-3"]
    assert len(write_report(three, halves)["seeds"]) == 3
    with pytest.raises(InvalidInputError, match=r"another comparison \(models differ\)"):
        compare(halves, compared, {**models, "third": models["idle"]}, seeds=2)


def test_maps_are_coloured_by_the_kinds_of_a_file(compared, halves, tmp_path):
    file = tmp_path / "kinds.csv"
    rows = [f"item {n},{'dance' if n < 15 else 'music'}" for n in range(29)]
    file.write_text("\n".join(["item,kind", *rows, "stranger,music"]))
    kinds = read_kinds(file, halves)
    assert kinds.names == ["dance", "music"] and kinds.source == "kinds.csv"
    np.testing.assert_array_equal(kinds.of_item, [0] * 15 + [1] * 14 + [-1])
    with_kinds = compared.parent / "with kinds"
    shutil.copytree(compared, with_kinds)
    comparison = Comparison(
        with_kinds,
        tuple(
            ComparedModel(name, fixed_space(Configuration.from_mapping(_plain(file))), with_kinds / "models" / folder)
            for name, folder in (("idle", "idle"), ("best one", "best-one"))
            for file in [with_kinds / "models" / folder / "seed-1" / "configuration.yaml"]
        ),
        (1, 2),
        0,
    )
    write_report(comparison, halves, kinds=kinds)
    assert (
        "dance: 15" in (with_kinds / "report.html").read_text()
        and "cluster 1" not in (with_kinds / "report.html").read_text()
    )


def test_more_kinds_than_colours_become_one(halves, tmp_path):
    file = tmp_path / "kinds.csv"
    file.write_text("\n".join(["item,kind", *(f"item {n},kind {n // 3}" for n in range(30))]))
    kinds = read_kinds(file, halves)
    assert len(kinds.names) == 9 and kinds.names[-1] == "other" and (kinds.of_item == 8).sum() == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,kind\nnobody,dance\n", r"none of its 1 items is in .*halves"),
        ("item\nitem 1\n", r"has the row \['item'\]"),
    ],
)
def test_kinds_that_cannot_be_read_are_refused_before_anything_is_trained(
    text, message, halves, files, tmp_path, capsys
):
    (tmp_path / "kinds.csv").write_text(text)
    words = ["compare", "--records", str(halves.folder), "--output", str(tmp_path / "out"), "--quiet"]
    models = f"{files / 'idle.yaml'},{files / 'learning.yaml'}"
    assert main([*words, "--models", models, "--kinds", str(tmp_path / "kinds.csv")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_clusters_of_features_are_the_halves(halves):
    kinds = kinds_of_features(halves)
    half = np.arange(30) >= 15
    # Clusters may be finer, but the modality that tells the halves apart is not mixed up.
    mixed = [set(half[kinds.of_item == kind]) for kind in range(len(kinds.names))]
    assert sum(len(found) == 2 for found in mixed) <= 1 and (np.diff(np.bincount(kinds.of_item)) <= 0).all()


def test_every_model_gets_its_trials_and_is_trained_with_what_they_found(halves, small, tmp_path):
    mapping = {**json.loads(json.dumps(_nested(small()))), "training": {"epochs": 2, "batch_size": 64}}
    mapping["training"]["learning_rate"] = {"choice": [1e-9, 0.05]}
    mapping["model"]["fusion"] = {"name": "none"}
    space = SearchSpace.from_mapping(mapping)
    comparison = compare(
        halves, tmp_path / "out", {"a": space, "b": space}, seeds=1, trials=2, tuner="random", verbose=0
    )
    for model in comparison.models:
        assert len(json.loads((model.folder / "search" / "trials.json").read_text())) == 2
        assert model.run(1).configuration.training.learning_rate == 0.05


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda models: models.pop("b"), {}, "found 1 models, expected at least two"),
        (lambda models: None, {"seeds": 0}, "seeds is 0, expected at least 1"),
        (lambda models: None, {"trials": -1}, "trials is -1, expected at least 0"),
        (lambda models: models.update({"a b": models["b"], "a-b": models["a"]}), {}, "would share a folder"),
        (lambda models: models.update(b=models["b"].with_fixed("evaluation.k", [7])), {}, "not evaluated alike"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    change, options, message, halves, small, tmp_path
):
    models = {"a": fixed_space(small()), "b": fixed_space(small())}
    change(models)
    with pytest.raises(InvalidInputError, match=message):
        compare(halves, tmp_path / "out", models, **options)
    assert not (tmp_path / "out").exists()


def test_a_comparison_from_before_a_setting_existed_goes_on(halves, small, tmp_path):
    models = {"a": fixed_space(small()), "b": fixed_space(small()).with_fixed("training.learning_rate", 0.5)}
    first = comparison_module._opened(halves, tmp_path / "out", models, seeds=1, trials=0, tuner="random")
    file = first.folder / "comparison.yaml"
    content = _plain(file)
    assert content["models"]["a"]["model"]["graph"].pop("exclude_targets") is False
    file.write_text(json.dumps(content))
    comparison_module._opened(halves, tmp_path / "out", models, seeds=1, trials=0, tuner="random")
    models["a"] = models["a"].with_fixed("model.graph.exclude_targets", True)
    with pytest.raises(InvalidInputError, match=r"was started for another comparison \(models differ\)"):
        comparison_module._opened(halves, tmp_path / "out", models, seeds=1, trials=0, tuner="random")


@pytest.mark.parametrize("content", ["", "models: [a, b]", "tuner: random", "models: {a: {model: 3}}", "{"])
def test_a_damaged_description_of_a_comparison_is_named(content, halves, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/comparison.yaml").write_text(content)
    words = ["compare", "--records", str(halves.folder), "--output", str(tmp_path / "out"), "--quiet"]
    assert main([*words, "--models", "popularity,item-knn"]) == 2
    assert re.search(r"comparison\.yaml: cannot be read \(.+\)\. Choose another --output", capsys.readouterr().err)


def test_ablations_change_what_they_ask_about_and_nothing_else(halves, small):
    found = ablations("base", small(), halves.metadata, list(QUESTIONS))
    base = found.pop("base")
    assert {"base, depth 3", "base, full tensors", "base, static kernel alone", "base, acoustic alone"} <= set(found)
    assert found["base, depth 3"].model.fusion.units == [16, 8, 4]
    assert found["base, full tensors"].model.fusion.rank is None
    assert found["base, visual alone"].model.modalities == ["visual"]
    assert found["base, sage"].model.encoder == "sage"
    for configuration in found.values():
        assert configuration.training == base.training and configuration.objective == base.objective
        assert configuration != base
    with pytest.raises(InvalidInputError, match='unknown ablation "dept"; did you mean "depth"'):
        ablations("base", small(), halves.metadata, ["dept"])


def test_ablations_ask_of_a_model_only_about_what_it_has(halves, small):
    static = small()
    static.model.fusion.name = "sum"
    found = ablations("static", static, halves.metadata, list(QUESTIONS))
    assert {"static, depth 3", "static, visual alone", "static, no content", "static, sage"} <= set(found)
    assert not [label for label in found if "rank" in label or "meta" in label or "kernel" in label]
    without = small()
    without.model.fusion.name = "none"
    assert set(ablations("without", without, halves.metadata, list(QUESTIONS))) == {
        *("without", "without, sage", "without, lightgcn")
    }
    peer = small()
    peer.model.encoder, peer.model.peer.modality_weights = "freedom", {"visual": 0.3, "acoustic": 0.7}
    found = ablations("peer", peer, halves.metadata, list(QUESTIONS))
    assert not {"peer, sage", "peer, no content"} & set(found)  # FREEDOM looks at features itself
    assert found["peer, visual alone"].model.peer.modality_weights == {"visual": 0.3}
    graph = small()
    graph.model.encoder, graph.model.graph.item_neighbours, graph.model.graph.layers = "lightgcn", 3, 3
    found = ablations("graph", graph, halves.metadata, ["modalities", "encoder"])
    assert not found["graph, no content"].model.uses_features
    assert len(found["graph, sage"].model.graph.dropout) == 1
    baseline = small()
    baseline.model.encoder = "popularity"
    assert set(ablations("baseline", baseline, halves.metadata, list(QUESTIONS))) == {"baseline"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "popularity,item-knn", "--ablate", "depth,rank"], "varies nothing of popularity, item-knn"),
        (["--models", "default", "--ablate", "depth", "--trials", "2"], "Give --trials or --ablate, not both"),
        (["--models", "default", "--ablate", "depht"], 'unknown ablation "depht"; did you mean "depth"'),
    ],
)
def test_ablations_that_cannot_be_made_are_refused_before_anything_is_trained(words, message, halves, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(["compare", "--records", str(halves.folder), "--output", str(output), "--quiet", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not output.exists()


def _nested(configuration: Configuration) -> dict:
    import yaml

    return yaml.safe_load(configuration.to_yaml())


def _plain(file) -> dict:
    import yaml

    return yaml.safe_load(file.read_text())
