"""A fusion, an encoder, an objective and an auxiliary loss of a user's own are one file each, and nothing else."""

import json

import numpy as np
import pytest
import tensorflow_recommenders as tfrs
import yaml
from own_parts import Decorrelation, Hinge, MeanFusion, ScaledTowers, SquaredDistance

from tf_metammf import BPR, MetaMMF
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.client import Client
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.runs.run_directory import open_run_directory

OWN = {
    "--model.fusion.name": "own_parts:MeanFusion",
    "--model.fusion.width": "4",
    "--model.encoder.name": "own_parts:ScaledTowers",
    "--model.encoder.start": "1.5",
    "--objective.name": "own_parts:Hinge",
    "--objective.margin": "0.5",
    "--model.auxiliary.name": "own_parts:Decorrelation",
    "--model.auxiliary.weight": "0.2",
}
SMALL = ["--model.id_units", "4", "--training.epochs", "6", "--training.batch_size", "64"]
SMALL += ["--training.learning_rate", "0.05", "--evaluation.k", "[3, 5]", "--evaluation.monitor", "ndcg@5"]
WORDS = [*(word for pair in OWN.items() for word in pair), *SMALL]


@pytest.fixture(scope="module")
def run(halves, tmp_path_factory):
    """A run that the command line trained with parts of this folder."""
    folder = tmp_path_factory.mktemp("own") / "run"
    assert main(["train", "--records", str(halves.folder), "--run", str(folder), *WORDS, "--quiet"]) == 0
    return open_run_directory(folder)


def test_the_run_has_these_parts_with_these_settings_and_learns(run):
    model, _ = load_model(run)
    assert isinstance(model.item_tower.fusion, MeanFusion) and model.item_tower.fusion.width == 4
    assert isinstance(model.encoder, ScaledTowers) and model.encoder.start == 1.5
    assert isinstance(model.objective, Hinge) and model.objective.margin == 0.5
    assert isinstance(model.auxiliary, Decorrelation) and model.auxiliary.weight == 0.2
    assert not np.allclose(model.encoder.factors.numpy(), 1.5)
    assert run.read("metrics")["validation"]["recall@5"] > 0.35  # chance gives 5 / 23
    assert evaluate(run) == pytest.approx(run.read("metrics")["test"], abs=1e-6)


def test_the_configuration_is_written_and_read_back_the_same(run, tmp_path):
    assert load_configuration(run.configuration_file) == run.configuration
    content = yaml.safe_load(run.configuration_file.read_text())
    assert content["model"]["encoder"] == {"name": "own_parts:ScaledTowers", "start": 1.5}
    assert content["model"]["fusion"] == {"name": "own_parts:MeanFusion", "width": 4, "activation": "linear"}
    assert Configuration.from_mapping(content).model.encoder.start == 1.5


@pytest.mark.long
def test_they_are_tuned_compared_exported_and_served(run, halves, tmp_path, capsys):
    records, file = ["--records", str(halves.folder)], str(run.configuration_file)
    search = ["tune", *records, "--output", str(tmp_path / "search"), "--config", file, "--trials", "1", "--seeds", "0"]
    space = ["--tuner", "random", "--model.encoder.start", "{range: [0.5, 2.0]}", "--training.epochs", "1"]
    assert main([*search, *space]) == 0
    (trial,) = json.loads((tmp_path / "search/trials.json").read_text())
    assert 0.5 <= trial["parameters"]["model.encoder.start"] <= 2
    compared = ["--models", f"own={file},plain={file}+sum", "--seeds", "1", "--training.epochs", "1"]
    compared += ["--model.combination", "concatenate"]
    assert main(["compare", *records, "--output", str(tmp_path / "comparison"), *compared]) == 0
    assert set(json.loads((tmp_path / "comparison/results.json").read_text())["models"]) == {"own", "plain"}
    assert main(["export", "--run", str(run.folder), "--output", str(tmp_path / "models")]) == 0
    model, data = load_model(run)
    users, items = (each.numpy() for each in model.embeddings())
    scores = users @ items.T
    scores[data.train.user, data.train.item] = -np.inf
    found = Client(tmp_path / "models").recommend(data.record_set.user_ids, 3)
    for row, answer in zip(scores, found, strict=True):
        np.testing.assert_allclose(answer.scores, np.sort(row)[::-1][:3], rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--model.encoder.name", "own_parts:ScaledTowers", "--model.encoder.strat", "2"],
            "did you mean --model.",
        ),
        (
            ["--model.encoder.name", "own_parts:ScaledTowers", "--model.encoder.start", "two"],
            "found two, expected",
        ),
        (["--model.fusion.name", "own_parts:MeanFusion", "--model.fusion.activation", "tan"], 'did you mean "tanh"'),
        (["--model.fusion.name", "own_parts:MeanFusion", "--model.fusion.rank", "2"], "belongs to the fusion metammf"),
        (["--model.fusion.name", "own_parts:MeanFusoin"], "has no attribute 'MeanFusoin'"),
        (["--model.fusion.name", "no_such:Fusion"], "No module named 'no_such'"),
        (["--model.auxiliary.name", "decorrelation"], 'unknown auxiliary "decorrelation"'),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_trained(words, message, halves, tmp_path, capsys):
    assert main(["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_a_bound_of_an_own_setting_is_kept(halves, tmp_path, capsys):
    words = ["--model.encoder.name", "own_parts:ScaledTowers", "--model.encoder.start", "-1"]
    assert main(["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), *words]) == 2
    assert "model.encoder.start is -1.0, expected at least 0" in capsys.readouterr().err


def test_help_shows_the_settings_of_the_chosen_parts(capsys):
    with pytest.raises(SystemExit):
        main(["train", *WORDS, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for option in OWN:
        assert option in shown
    assert "The factors to begin with." in shown and "Width of the fused vector." in shown
    assert "--model.fusion.rank" not in shown


def model_with(**options) -> MetaMMF:
    features = {"visual": np.random.default_rng(0).normal(size=(6, 3))}
    given = {"objective": "bpr", "item_frequency": np.ones(6, int), "fusion_options": {"units": (4,)}} | options
    if not isinstance(given.get("fusion", ""), str):
        del given["fusion_options"]
    return MetaMMF(5, features, given.pop("objective"), id_units=4, **given)


BATCH = {"user": np.array([0, 1, 2, 3]), "item": np.array([0, 1, 2, 3]), "negative": np.full((4, 1), 5)}


@pytest.mark.parametrize(
    "options",
    [
        {"objective": tfrs.tasks.Retrieval()},
        {"objective": SquaredDistance()},
        {"objective": "own_parts:SquaredDistance"},
        {"objective": Hinge(0.5)},
        {"objective": "full_softmax", "objective_options": {"temperature": 0.5}},
        {"fusion": MeanFusion(3)},
        {"fusion": "own_parts:MeanFusion", "fusion_options": {"width": 3}},
        {"encoder": ScaledTowers(start=2.0)},
        {"auxiliary": Decorrelation(weight=0.5)},
    ],
)
def test_from_python_names_and_layers_are_taken_alike(options):
    model = model_with(**options)
    model.compile(optimizer="adam")
    before = [weight.numpy() for weight in model.trainable_variables]
    history = model.fit(BATCH, batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    changed = [not np.array_equal(old, new) for old, new in zip(before, model.trainable_variables, strict=True)]
    assert any(changed)


def test_the_loss_of_a_task_of_tfrs_is_what_the_task_says():
    task = tfrs.tasks.Retrieval()
    model = model_with(objective=task)
    users, items = model.embed(BATCH["user"], BATCH["item"])
    assert float(model.compute_loss(BATCH)) == pytest.approx(float(task(users, items, compute_metrics=False)), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": 3}, 'the objective is 3, expected a name such as "bpr"'),
        ({"objective": MeanFusion()}, "expected a name such as"),
        ({"objective": "own_parts:NoLayer"}, "the objective is <own_parts.NoLayer"),
        ({"objective": "bp"}, 'unknown objective "bp"; did you mean "bpr"'),
        ({"objective": BPR(), "objective_options": {"temperature": 2.0}}, "is a layer, but there are options"),
        ({"encoder": MeanFusion()}, "expected a name or a layer that extends"),
        ({"encoder": "popularity"}, '"popularity" is a baseline'),
        ({"encoder": "own_parts:MeanFusion"}, "own_parts:MeanFusion: "),
        ({"auxiliary": MeanFusion()}, "expected a name or a layer that extends"),
    ],
)
def test_what_is_no_such_part_is_refused_by_the_constructor(options, message):
    with pytest.raises(InvalidInputError) as raised:
        model_with(**options)
    assert message in str(raised.value)
