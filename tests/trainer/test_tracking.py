"""What trackers are told, by stand-ins that remember it. The packages are in test_real_trackers.py."""

import os
import shutil
import sys
from dataclasses import asdict
from types import ModuleType, SimpleNamespace

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.runs.resumption import flat_values
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.tuning import tune
from tf_metammf.trainer.training import train


class Client:
    """What is used of ``mlflow.MlflowClient``: runs by id, kept in the class as a server would."""

    runs: dict[str, SimpleNamespace] = {}  # noqa: RUF012

    def __init__(self, tracking_uri):
        self.uri = tracking_uri

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name, artifact_location=None):
        return f"experiment {name}"

    def create_run(self, experiment_id, run_name):
        name = f"run {len(self.runs)}"
        self.runs[name] = SimpleNamespace(
            experiment=experiment_id, uri=self.uri, name=run_name, status="RUNNING", params={}, tags={}, metrics={}
        )
        return SimpleNamespace(info=SimpleNamespace(run_id=name))

    def get_run(self, run_id):
        return SimpleNamespace(data=SimpleNamespace(params=dict(self.runs[run_id].params)))

    def update_run(self, run_id, status):
        self.runs[run_id].status = status

    def set_terminated(self, run_id, status):
        self.runs[run_id].status = status

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        run = self.runs[run_id]
        assert len(params) <= 100 and len(metrics) <= 1000
        for name, value in params:
            assert run.params.setdefault(name, value) == value, "MLflow refuses another value"
        run.tags |= dict(tags)
        for name, value, _, step in metrics:
            assert "@" not in name, "MLflow refuses the name"
            run.metrics.setdefault(name, {})[step] = value


@pytest.fixture
def mlflow(monkeypatch) -> type[Client]:
    module, Client.runs = ModuleType("mlflow"), {}
    module.MlflowClient = Client
    module.is_tracking_uri_set = lambda: "MLFLOW_TRACKING_URI" in os.environ
    module.get_tracking_uri = lambda: os.environ["MLFLOW_TRACKING_URI"]
    module.entities = SimpleNamespace(
        Metric=lambda *values: values, Param=lambda *values: values, RunTag=lambda *values: values
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.delenv(variable, raising=False)
    return Client


@pytest.fixture
def wandb(monkeypatch) -> list[SimpleNamespace]:
    """The runs that were begun, in their order."""
    begun: list[SimpleNamespace] = []

    def init(**options):
        run = SimpleNamespace(options=options, logged=[], summary={}, defined=[], code=None)
        run.log = run.logged.append
        run.define_metric = lambda name, **more: run.defined.append((name, more))
        run.finish = lambda exit_code: setattr(run, "code", exit_code)
        begun.append(run)
        return run

    module = ModuleType("wandb")
    module.init, module.Settings = init, lambda **options: options
    monkeypatch.setitem(sys.modules, "wandb", module)
    for variable in ("WANDB_PROJECT", "WANDB_ERROR_REPORTING"):
        monkeypatch.delenv(variable, raising=False)
    return begun


@pytest.fixture
def brief(configuration):
    configuration.training.epochs = 2
    return configuration


@pytest.fixture
def by_mlflow(mlflow, brief):
    brief.training.tracking = "mlflow"
    return brief


@pytest.fixture
def by_wandb(wandb, brief):
    brief.training.tracking = "wandb"
    return brief


def test_mlflow_gets_parameters_metrics_and_tags_and_a_resumed_run_goes_on_in_the_same(
    mlflow, halves, by_mlflow, tmp_path
):
    run = train(halves, tmp_path / "run", by_mlflow, verbose=0)
    (tracked,) = mlflow.runs.values()
    assert (tracked.experiment, tracked.name, tracked.status) == ("experiment tf-metammf", "run", "FINISHED")
    assert tracked.uri == f"sqlite:///{run.folder}/mlflow/mlflow.db"
    assert tracked.params == {name: str(value) for name, value in flat_values(asdict(by_mlflow)).items()}
    assert tracked.params["model.fusion.rank"] == "3"
    assert tracked.tags["run_directory"] == str(run.folder) and tracked.tags["fusion"] == "metammf"
    assert list(tracked.metrics["validation/ndcg_at_5"]) == [1, 2] and set(tracked.metrics["loss"]) == {1, 2}
    assert tracked.metrics["final/test/recall_at_5"] == {2: run.read("metrics")["test"]["recall@5"]}
    by_mlflow.training.epochs = 3
    train(halves, run.folder, by_mlflow, resume="force", verbose=0)
    (tracked,) = mlflow.runs.values()
    assert list(tracked.metrics["loss"]) == [1, 2, 3] and tracked.status == "FINISHED"
    assert tracked.params["training.epochs"] == "2" and tracked.tags["resumed.training.epochs"] == "3"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.long
def test_the_store_that_is_named_is_used_and_its_password_is_not_written_down(
    mlflow, halves, by_mlflow, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracker.example/mlflow")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    run = train(halves, tmp_path / "run", by_mlflow, verbose=0)
    (tracked,) = mlflow.runs.values()
    assert (tracked.uri, tracked.experiment) == ("https://me:secret@tracker.example/mlflow", "experiment mine")
    assert run.read("tracking")["mlflow"]["tracking_uri"] == "https://tracker.example/mlflow"
    assert not (run.folder / "mlflow").exists()
    # In another store the run of before is not there, and another one is begun.
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    by_mlflow.training.epochs = 3
    train(halves, run.folder, by_mlflow, resume="force", verbose=0)
    assert [each.uri.partition(":")[0] for each in mlflow.runs.values()] == ["https", "sqlite"]


@pytest.mark.long
def test_wandb_gets_them_too(wandb, halves, by_wandb, tmp_path):
    run = train(halves, tmp_path / "run", by_wandb, verbose=0)
    by_wandb.training.epochs = 3
    train(halves, run.folder, by_wandb, resume="force", verbose=0)
    first, second = wandb
    assert first.options["id"] == second.options["id"] == run.read("tracking")["wandb"]["run_id"]
    assert second.options["resume"] == "allow" and second.options["dir"] == str(run.folder)
    assert "mode" not in first.options, "WANDB_MODE decides"
    assert first.options["config"]["training.epochs"] == 2 and second.options["config"]["training.epochs"] == 3
    assert first.options["config"]["run_directory"] == str(run.folder)
    assert first.options["tags"] == ["halves", "in_batch_softmax", "metammf", "mf"]
    assert not first.options["settings"]["save_code"] and first.options["group"] is None
    assert [row["epoch"] for row in first.logged] == [1, 2] and [row["epoch"] for row in second.logged] == [3]
    assert {"loss", "learning_rate", "validation/ndcg@5"} <= set(first.logged[0])
    assert second.summary["final/test/recall@5"] == run.read("metrics")["test"]["recall@5"]
    assert (first.code, second.code) == (0, 0)
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


@pytest.mark.long
def test_every_trial_of_a_search_is_a_run_also_one_that_goes_on_with_another(mlflow, halves, by_mlflow, tmp_path):
    pytest.importorskip("keras_tuner")
    by_mlflow.training.epochs = 3
    content = asdict(by_mlflow)
    content["training"]["learning_rate"] = {"log_range": [1e-3, 0.1]}
    search = tmp_path / "search"
    results = tune(halves, search, SearchSpace.from_mapping(content), tuner="hyperband", trials=4, seeds=1, verbose=0)
    best = results.best.trial_id
    names = [f"search/trials/{record.trial_id}" for record in results.trials] + [f"search/final/{best}-seed-1"]
    assert [run.name for run in mlflow.runs.values()] == names
    assert {(run.uri, run.experiment, run.tags["group"], run.status) for run in mlflow.runs.values()} == {
        (f"sqlite:///{search}/mlflow/mlflow.db", "experiment tf-metammf", "search", "FINISHED")
    }
    assert [list(run.metrics["loss"]) for run in mlflow.runs.values()] == [[1], [1], [1], [2, 3], [1, 2, 3]]
    assert not (search / "trials" / "0" / "mlflow").exists()
    # How trials are watched is no part of what is searched.
    content["training"]["tracking"] = None
    again = tune(halves, search, SearchSpace.from_mapping(content), tuner="hyperband", trials=4, seeds=1, verbose=0)
    assert again.trials == results.trials and len(mlflow.runs) == 5


def test_a_search_refuses_choices_of_a_tracker_and_one_that_is_not_there(halves, by_mlflow, tmp_path, monkeypatch):
    content = asdict(by_mlflow)
    content["training"]["tracking"] = {"choice": ["mlflow", "wandb"]}
    with pytest.raises(InvalidInputError, match=r"training\.tracking has choices, but does not change"):
        tune(halves, tmp_path / "out", SearchSpace.from_mapping(content))
    content["training"] |= {"tracking": "wandb", "learning_rate": {"log_range": [1e-3, 0.1]}}
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InvalidInputError, match=r"training\.tracking is wandb, but that package is not installed"):
        tune(halves, tmp_path / "out", SearchSpace.from_mapping(content))
    assert not (tmp_path / "out").exists()


def test_a_tracker_that_fails_on_the_way_is_a_warning_and_training_goes_on(
    halves, by_mlflow, tmp_path, monkeypatch, caplog
):
    works = Client.log_batch

    def fail(self, run_id, metrics=(), **more):
        return 1 / 0 if metrics else works(self, run_id, **more)

    monkeypatch.setattr(Client, "log_batch", fail)
    monkeypatch.setattr(Client, "set_terminated", lambda *_, **__: 1 / 0)
    by_mlflow.training.epochs = 1
    assert train(halves, tmp_path / "run", by_mlflow, verbose=0).is_finished
    # The epoch, the metrics of the whole, the end.
    assert caplog.messages.count("tracking failed, training continues: division by zero") == 3


@pytest.mark.long
def test_a_tracker_that_cannot_begin_is_an_error_in_a_new_run_and_a_warning_in_one_that_goes_on(
    wandb, halves, finished, by_wandb, tmp_path, monkeypatch, caplog
):
    def refuse(**_):
        raise ValueError("no API key configured")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with pytest.raises(InvalidInputError, match=r"wandb could not start \(no API key configured\)"):
        train(halves, tmp_path / "run", by_wandb, verbose=0)
    followed = RunDirectory(shutil.copytree(finished.folder, tmp_path / "followed"))
    followed.write("tracking", {"wandb": {"project": "tf-metammf", "run_id": "abc"}})
    by_wandb.training.epochs = finished.configuration.training.epochs + 1
    train(halves, followed.folder, by_wandb, resume="force", verbose=0)
    assert followed.read("state")["epoch"] == by_wandb.training.epochs
    assert "wandb could not start, training continues without it: no API key configured" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlflow", 'pip install "tf-metammf[mlflow]"'),
        ("wandb", 'pip install "tf-metammf[wandb]"'),
        ("wandbe", 'training.tracking: unknown value "wandbe"; did you mean "wandb"?'),
    ],
)
def test_a_tracker_that_is_not_there_leaves_no_run(name, message, halves, tmp_path, monkeypatch, capsys):
    for package in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--tracking", name]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_nothing_is_imported_that_was_not_asked_for(halves, brief, tmp_path, monkeypatch):
    for package in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)  # whoever imports it fails
    assert not (train(halves, tmp_path / "run", brief, verbose=0).folder / "tracking.json").exists()
