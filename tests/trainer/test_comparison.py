"""A comparison of models, from its command to its page; baselines, which are counted, stand in for trainings."""

import csv
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml

from tf_metammf.commands.compared_models import named_models
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.trainer.comparison import compare as comparison_module
from tf_metammf.trainer.comparison.compare import compare, fixed_space
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.search.search_space import SearchSpace, load_search_space


def neighbours(count, **more) -> SearchSpace:
    """Item neighbours, so many; counted within a moment."""
    fields = {"model": {"peer": {"neighbours": count}}, "evaluation": {"k": [3, 5], "monitor": "ndcg@5"}, **more}
    return load_search_space("item-knn", overrides=fields, default_ranges=False)


@pytest.fixture
def trained(monkeypatch):
    """The run directories that would have been trained, as ``MODEL/seed-N``: nothing is, which takes no time."""
    found = []

    def train(records, folder, configuration, **_):
        found.append(f"{folder.parent.name}/{folder.name}")
        return create_run_directory(folder, configuration, records)

    def write_lists(_run, _records, file):
        file.parent.mkdir(exist_ok=True)
        file.touch()

    monkeypatch.setattr(comparison_module, "train", train)
    monkeypatch.setattr(comparison_module, "_write_lists", write_lists)
    return found


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
    assert main([*words, "--models", models, "--evaluation.k", "[3, 5]", "--evaluation.monitor", "ndcg@5"]) == 0
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


def test_popularity_is_named_once_and_a_random_ranking_always(results, compared):
    assert list(results["untrained"]) == ["random"]
    references = json.loads((compared / "models" / "popularity" / "seed-1" / "references.json").read_text())["test"]
    assert results["untrained"]["random"] == pytest.approx(references["random"])
    number = f"{references['random']['recall@5']:.4f}"
    for name in ("results.md", "results.tex", "report.html"):
        assert "random (untrained)" in (compared / name).read_text() and number in (compared / name).read_text()


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
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]
        self.drawings += tag == "svg"


def test_the_page_holds_every_plot_and_asks_no_server_for_anything(compared):
    page = Page((compared / "report.html").read_text())
    plots = {path.stem for path in (compared / "plots").glob("*.png")}
    assert plots == {"metrics", "recall", "groups", "cost", "training", "shares", "embeddings", "kernels"}
    assert {path.stem for path in (compared / "plots").glob("*.svg")} == plots
    assert page.drawings == len(plots) and page.links == []


def test_what_is_there_is_reused_and_models_and_seeds_come_and_go(halves, tmp_path, trained):
    folder, one, ten = tmp_path / "out", neighbours(1), neighbours(10)
    compare(halves, folder, {"one": one, "ten": ten}, seeds=2)
    assert trained == ["one/seed-1", "one/seed-2", "ten/seed-1", "ten/seed-2"]
    trained.clear()
    # Another order, another model, another seed.
    assert compare(halves, folder, {"ten": ten, "two": neighbours(2), "one": one}, seeds=3).is_complete
    assert trained == ["ten/seed-3", "two/seed-1", "two/seed-2", "two/seed-3", "one/seed-3"]
    trained.clear()
    # Without one of them, under another name, fewer seeds: the settings say which it is.
    comparison = compare(halves, folder, {"renamed": one, "two": neighbours(2)}, seeds=2)
    assert trained == [] and [model.folder.name for model in comparison.models] == ["one", "two"]
    compare(halves, folder, {"one": one, "ten": ten}, seeds=3)
    assert trained == []


def test_other_settings_under_the_same_name_are_refused_with_what_differs(halves, tmp_path, trained):
    models = {"ten": neighbours(10), "a b": neighbours(1)}
    compare(halves, tmp_path / "out", models, seeds=1)
    before = (tmp_path / "out/comparison.yaml").read_text()
    with pytest.raises(
        InvalidInputError, match=r'"ten" with other settings \(model.encoder.neighbours: 10 in the folder, 9'
    ):
        compare(halves, tmp_path / "out", {**models, "ten": neighbours(9)}, seeds=1)
    with pytest.raises(InvalidInputError, match='holds the model "a b", and "a-b" would share its folder'):
        compare(halves, tmp_path / "out", {"ten": neighbours(10), "a-b": neighbours(9)}, seeds=1)
    assert (tmp_path / "out/comparison.yaml").read_text() == before
    # As the message says: without its folder it is trained again.
    shutil.rmtree(tmp_path / "out/models/ten")
    assert compare(halves, tmp_path / "out", {**models, "ten": neighbours(9)}, seeds=1).is_complete


def test_other_data_or_trials_are_another_comparison(halves, write_halves, tmp_path, trained):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    with pytest.raises(InvalidInputError, match=r"another comparison \(checksum of the record set"):
        compare(write_halves(tmp_path / "other", test_seed=9), tmp_path / "out", models, seeds=1)
    searched = {name: neighbours({"choice": [1, count]}) for name, count in (("one", 2), ("ten", 10))}
    with pytest.raises(InvalidInputError, match="trials: 0 in the folder, 2 now"):
        compare(halves, tmp_path / "out", searched, seeds=1, trials=2)
    with pytest.raises(InvalidInputError, match="already exists"):
        compare(halves, halves.folder, models, seeds=1)


def test_models_with_the_same_settings_are_trained_once(halves, tmp_path, trained):
    models = {"a": neighbours(3), "b": neighbours(3, training={"tensorboard": "all"}), "c": neighbours(4)}
    comparison = compare(halves, tmp_path / "out", models, seeds=1)
    assert trained == ["a/seed-1", "c/seed-1"]
    assert [model.folder.name for model in comparison.models] == ["a", "a", "c"]


def test_a_comparison_that_ends_in_the_middle_resumes_there(halves, tmp_path, monkeypatch, trained):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    stub = comparison_module.train

    def interrupted(records, folder, *words, **options):
        if folder.name == "seed-2":
            raise KeyboardInterrupt
        return stub(records, folder, *words, **options)

    monkeypatch.setattr(comparison_module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(halves, tmp_path / "out", models, seeds=2)
    monkeypatch.setattr(comparison_module, "train", stub)
    compare(halves, tmp_path / "out", models, seeds=2)
    assert trained == ["one/seed-1", "one/seed-2", "ten/seed-1", "ten/seed-2"]


def test_a_training_that_diverges_does_not_keep_the_others_from_theirs(halves, tmp_path, monkeypatch, trained):
    stub = comparison_module.train

    def diverging(records, folder, *words, **options):
        if folder.parent.name == "one":
            raise TrainingDivergedError("the loss became nan.")
        return stub(records, folder, *words, **options)

    monkeypatch.setattr(comparison_module, "train", diverging)
    models = {"one": neighbours(1), "two": neighbours(2), "ten": neighbours(10)}
    with pytest.raises(TrainingDivergedError, match=r'"one": the loss became nan\. The other models are trained'):
        compare(halves, tmp_path / "out", models, seeds=1)
    models.pop("one")
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete
    assert trained == ["two/seed-1", "ten/seed-1"]


def test_every_model_is_built_before_the_first_is_trained(halves, small, tmp_path, trained):
    models = {"fine": neighbours(1)}
    for name, field, value in (
        ("fusion", "model.fusion.name", "metamf"),
        ("width", "model.id_units", 5),
        ("objective", "objective.name", "sofmax"),
        ("modality", "model.modalities", ["vidual"]),
        ("start", "training.init_from", str(tmp_path / "no run")),
        ("bounds", "training.batch_size", 0),
        ("strategy", "training.strategy", "miror"),
    ):
        models[name] = fixed_space(small()).with_fixed(field, value)
    with pytest.raises(InvalidInputError) as raised:
        compare(halves, tmp_path / "out", models, seeds=1)
    message = str(raised.value)
    assert message.startswith("7 of the models cannot be trained, so none was.") and "\n" not in message
    for part in (
        '"fusion": unknown fusion "metamf"; did you mean "metammf"',
        '"width": id_units is 5, but the fusion gives 4',
        '"objective": unknown objective "sofmax"',
        '"modality": unknown modality "vidual"; did you mean "visual"',
        'none, sum. "width"',
        '"start": ',
        '"bounds": training.batch_size is 0',
        '"strategy": configuration: training.strategy: unknown value "miror"; did you mean "mirrored"',
    ):
        assert part in message
    assert trained == [] and not (tmp_path / "out").exists()


def test_models_that_need_features_say_so_where_there_are_none(halves, tmp_path):
    without = replace(halves, metadata=replace(halves.metadata, modalities={}))
    models = {name: load_search_space(name, default_ranges=False) for name in ("vbpr", "item-knn-content", "default")}
    with pytest.raises(InvalidInputError) as raised:
        compare(without, tmp_path / "out", models)
    message = str(raised.value)
    assert (
        "has no modalities, and model.encoder.name vbpr compares the features of items. Convert with features"
        in message
    )
    assert "model.encoder.name item_knn compares" in message and '"default": there are no modalities to fuse' in message


def test_a_model_that_an_earlier_version_began_with_a_mistake_may_be_corrected(halves, tmp_path, trained):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    content = yaml.safe_load((tmp_path / "out/comparison.yaml").read_text())
    content["models"]["ten"]["model"]["encoder"]["name"] = "item_kn"
    (tmp_path / "out/comparison.yaml").write_text(yaml.safe_dump(content))
    shutil.rmtree(tmp_path / "out/models/ten")
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete


def test_a_comparison_from_before_a_setting_existed_is_resumed(halves, tmp_path, trained):
    models = {"one": neighbours(1), "ten": neighbours(10)}
    compare(halves, tmp_path / "out", models, seeds=1)
    file = tmp_path / "out/comparison.yaml"
    content = yaml.safe_load(file.read_text())
    assert content["models"]["one"]["model"]["encoder"].pop("shrinkage") == 0.0
    file.write_text(yaml.safe_dump(content))
    trained.clear()
    assert compare(halves, tmp_path / "out", models, seeds=1).is_complete and trained == []
    with pytest.raises(InvalidInputError, match=r"model\.encoder\.shrinkage: 0\.0 in the folder, 1\.0 now"):
        models["one"] = models["one"].with_fixed("model.encoder.shrinkage", 1.0)
        compare(halves, tmp_path / "out", models, seeds=1)


@pytest.mark.parametrize("content", ["", "models: [a, b]", "tuner: random", "models: {a: {model: 3}}", "{"])
def test_a_damaged_description_of_a_comparison_is_named(content, halves, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/comparison.yaml").write_text(content)
    with pytest.raises(InvalidInputError, match=r"comparison\.yaml: cannot be read \(.+\)\. Choose another --output"):
        compare(halves, tmp_path / "out", {"one": neighbours(1), "ten": neighbours(10)})


def test_every_model_gets_its_trials_and_is_trained_with_what_they_found(halves, tmp_path, trained):
    models = {name: neighbours({"choice": [1, count]}) for name, count in (("a", 12), ("b", 14))}
    models["popularity"] = load_search_space("popularity", overrides={"evaluation": {"k": [3, 5], "monitor": "ndcg@5"}})
    comparison = compare(halves, tmp_path / "out", models, seeds=1, trials=2, tuner="random")
    for model in comparison.models[:2]:
        trials = json.loads((model.folder / "search/trials.json").read_text())
        best = max(trials, key=lambda trial: trial["value"])
        assert len(trials) == 2
        assert model.run(1).configuration.model.encoder.neighbours == best["parameters"]["model.encoder.neighbours"]
    assert not (comparison.models[2].folder / "search").exists()  # nothing of popularity can be searched


def test_processes_share_models_and_not_the_trials_of_one(halves, tmp_path, monkeypatch):
    for name in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
        monkeypatch.setenv(name, "8700")
    models = {name: neighbours({"choice": [1, count]}) for name, count in (("a", 12), ("b", 14))}
    with pytest.raises(InvalidInputError, match=r"KERASTUNER_ORACLE_IP, .* are set, .* Unset them"):
        compare(halves, tmp_path / "out", models, seeds=1, trials=2, tuner="random")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda models: models.pop("b"), {}, "found 1 models, expected at least two"),
        (lambda models: None, {"seeds": 0}, "seeds is 0, expected at least 1"),
        (lambda models: None, {"trials": -1}, "trials is -1, expected at least 0"),
        (lambda models: None, {"trials": 2}, "a: has no range and no choice to search"),
        (lambda models: models.update({"a b": models["b"], "a-b": models["a"]}), {}, "would share a folder"),
        (lambda models: models.update({"..": models["b"]}), {}, "the model name '..', expected printable text with"),
        (lambda models: models.update({"a\nb": models["b"]}), {}, "the model name 'a.nb', expected printable text"),
        (lambda models: models.update({"ä" * 101: models["b"]}), {}, "has 202 bytes, expected at most 200"),
        (lambda models: models.update(b=models["b"].with_fixed("evaluation.k", [7])), {}, "evaluated differently"),
        (
            lambda models: models.update(b=models["b"].with_fixed("training.strategy", "multi_worker")),
            {},
            "b: training.strategy is multi_worker, .* Use none or mirrored",
        ),
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


def test_a_metric_that_the_validation_split_does_not_have_is_refused(halves, tmp_path):
    models = {
        name: neighbours(count, evaluation={"k": [3, 5], "monitor": "cold/recall@10"})
        for name, count in (("one", 1), ("ten", 10))
    }
    with pytest.raises(InvalidInputError, match="the validation split has no cold items to find"):
        compare(halves, tmp_path / "out", models, seeds=1)


@pytest.fixture
def command(halves, tmp_path, trained, monkeypatch):
    """Runs ``compare`` without training and report, and gives its exit code."""
    monkeypatch.setattr("tf_metammf.trainer.comparison.report.write_report", lambda *_, **__: None)
    monkeypatch.setattr("tf_metammf.commands.compare._print", lambda _: None)
    words = ["compare", "--records", str(halves.folder), "--output", str(tmp_path / "out"), "--quiet", "--seeds", "1"]
    return lambda *more: main([*words, *map(str, more)])


def configurations(folder) -> dict[str, Configuration]:
    return {
        run.parent.parent.name: RunDirectory(run.parent).configuration for run in folder.glob("models/*/*/records.json")
    }


def test_options_are_for_all_models_in_place_of_what_presets_and_files_give(command, tmp_path):
    file = tmp_path / "own, [lr=0.1].yaml"
    file.write_text("{model: {encoder: item_knn, peer: {neighbours: 7, shrinkage: 3.0}}, objective: {name: none}}")
    models = f'item-knn,popularity,"own, here={file}"'
    assert (
        command("--models", models, "--model.encoder.neighbours", "5", "--evaluation.k", "[2]", "--deterministic") == 0
    )
    found = configurations(tmp_path / "out")
    assert set(found) == {"item-knn", "popularity", "own-here"}
    for configuration in found.values():
        assert configuration.evaluation.k == [2] and configuration.training.deterministic
    for name in ("item-knn", "own-here"):
        assert found[name].model.encoder.neighbours == 5
    assert not hasattr(found["popularity"].model.encoder, "neighbours")
    assert found["own-here"].model.encoder.shrinkage == 3.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--training.epchs", "3"], "unknown option --training.epchs; did you mean --training.epochs?"),
        (["--training.epochs", "many"], "training.epochs"),
        (["--training.epochs", "{range: [1, 2]}"], "has ranges (training.epochs), and --trials is 0"),
        (["--reference", "popularty"], 'unknown model for --reference: "popularty"; did you mean "popularity"?'),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_written(words, message, command, tmp_path, capsys):
    assert command("--models", "popularity,item-knn", *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_variation_is_compared_with_the_model_that_was_varied(command, small, tmp_path, monkeypatch):
    references = []
    monkeypatch.setattr(
        "tf_metammf.trainer.comparison.report.write_report", lambda *_, **given: references.append(given["references"])
    )
    (tmp_path / "small.yaml").write_text(small().to_yaml())
    words = ["--models", f"popularity,base={tmp_path / 'small.yaml'}", "--ablate", "static,encoder"]
    words += ["--evaluation.k", "[3, 5]", "--evaluation.monitor", "ndcg@5"]
    variations = ["base, static kernel alone", "base, sage", "base, lightgcn"]
    assert command(*words) == command(*words, "--reference", "base, sage") == 0
    assert references == [
        {"base": "popularity", **dict.fromkeys(variations, "base")},
        dict.fromkeys(["popularity", "base", "base, static kernel alone", "base, lightgcn"], "base, sage"),
    ]


@pytest.mark.parametrize(
    ("text", "name", "fusion"),
    [
        ("lattice", "lattice", "none"),
        (" lattice+metammf ,", "lattice+metammf", "metammf"),
        ("a=b=lattice+sum", "a=b", "sum"),
        ('"a, b=lattice"', "a, b", "none"),
        ("[lr=0.1].yaml", "[lr=0.1]", "gated"),
        ("x=[lr=0.1].yaml+sum", "x", "sum"),
        ("a+b.yaml", "a+b", "gated"),
        ("a+b.yaml+sum", "a+b+sum", "sum"),
        ("runs/[lr=0.1]", "[lr=0.1]", "gated"),
        ("runs/[lr=0.1]/+sum", "[lr=0.1]+sum", "sum"),
    ],
)
def test_names_files_and_fusions_are_told_apart(text, name, fusion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/[lr=0.1]").mkdir(parents=True)
    for file in ("[lr=0.1].yaml", "a+b.yaml", "runs/[lr=0.1]/configuration.yaml"):
        (tmp_path / file).write_text("{model: {fusion: {name: gated}}}")
    found = named_models(text, overrides={"model": {"id_units": 3}}, searched=False)
    assert list(found) == [name]
    configuration = found[name].configuration({})
    assert (configuration.model.fusion.name, configuration.model.id_units) == (fusion, 3)
