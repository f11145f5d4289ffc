"""The words of ``tf-metammf compare``: names, files, fusions, variations, and options for all models."""

import pytest

from tf_metammf.commands.compared_models import named_models
from tf_metammf.commands.main import main
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory


@pytest.fixture
def command(halves, tmp_path, begun, monkeypatch):
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


@pytest.mark.long
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
