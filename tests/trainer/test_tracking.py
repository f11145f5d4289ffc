"""Trackers, by stand-ins of their packages that remember what they are told."""

import sys
from dataclasses import asdict
from types import ModuleType, SimpleNamespace

import pytest

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.resumption import flat_values
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
        assert len(params) <= 100
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
    module.entities = SimpleNamespace(
        Metric=lambda *values: values, Param=lambda *values: values, RunTag=lambda *values: values
    )
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
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
    return begun


@pytest.fixture
def brief(configuration):
    configuration.training.epochs = 2
    return configuration


def test_mlflow_gets_parameters_metrics_and_tags_and_a_resumed_run_goes_on_in_the_same(mlflow, halves, brief, tmp_path):
    brief.training.tracking = "mlflow"
    run = train(halves, tmp_path / "run", brief, verbose=0)
    (tracked,) = mlflow.runs.values()
    assert tracked.experiment == "experiment tf-metammf" and tracked.status == "FINISHED"
    assert tracked.uri == f"sqlite:///{run.folder}/mlflow/mlflow.db"
    assert tracked.params == {name: str(value) for name, value in flat_values(asdict(brief)).items()}
    assert tracked.params["model.fusion.rank"] == "3"
    assert tracked.tags["run_directory"] == str(run.folder) and tracked.tags["fusion"] == "metammf"
    assert list(tracked.metrics["val_ndcg_at_5"]) == [0, 1] and set(tracked.metrics["loss"]) == {0, 1}
    assert tracked.metrics["test/recall_at_5"][0] == run.read("metrics")["test"]["recall@5"]
    brief.training.epochs = 3
    train(halves, run.folder, brief, resume="force", verbose=0)
    (tracked,) = mlflow.runs.values()
    assert list(tracked.metrics["loss"]) == [0, 1, 2] and tracked.status == "FINISHED"
    assert tracked.params["training.epochs"] == "2" and tracked.tags["resumed.training.epochs"] == "3"


def test_the_store_that_is_named_is_used_and_its_password_is_not_written_down(
    mlflow, halves, brief, tmp_path, monkeypatch
):
    brief.training.tracking = "mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracker.example/mlflow")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    run = train(halves, tmp_path / "run", brief, verbose=0)
    (tracked,) = mlflow.runs.values()
    assert (tracked.uri, tracked.experiment) == ("https://me:secret@tracker.example/mlflow", "experiment mine")
    assert run.read("tracking")["mlflow"]["tracking_uri"] == "https://tracker.example/mlflow"
    assert not (run.folder / "mlflow").exists()


def test_wandb_gets_them_too(wandb, halves, brief, tmp_path):
    brief.training.tracking = "wandb"
    run = train(halves, tmp_path / "run", brief, verbose=0)
    brief.training.epochs = 3
    train(halves, run.folder, brief, resume="force", verbose=0)
    first, second = wandb
    assert first.options["id"] == second.options["id"] == run.read("tracking")["wandb"]["run_id"]
    assert second.options["resume"] == "allow" and second.options["dir"] == str(run.folder)
    assert "mode" not in first.options, "WANDB_MODE decides"
    assert first.options["config"]["training.epochs"] == 2 and second.options["config"]["training.epochs"] == 3
    assert first.options["config"]["run_directory"] == str(run.folder)
    assert "halves" in first.options["tags"] and not first.options["settings"]["save_code"]
    assert [row["epoch"] for row in first.logged] == [0, 1] and [row["epoch"] for row in second.logged] == [2]
    assert {"loss", "learning_rate", "val_ndcg@5"} <= set(first.logged[0])
    assert second.summary["test/recall@5"] == run.read("metrics")["test"]["recall@5"]
    assert (first.code, second.code) == (0, 0)


def test_a_tracker_that_fails_on_the_way_is_a_warning_and_training_goes_on(
    mlflow, halves, brief, tmp_path, monkeypatch, caplog
):
    brief.training.tracking = "mlflow"
    monkeypatch.setattr(Client, "set_terminated", lambda *_, **__: 1 / 0)
    run = train(halves, tmp_path / "run", brief, verbose=0)
    assert run.is_finished
    assert "tracking failed, training goes on: division by zero" in caplog.text


def test_a_tracker_that_cannot_begin_is_an_error_that_says_why(wandb, halves, brief, tmp_path, monkeypatch):
    def refuse(**_):
        raise ValueError("no API key configured")

    brief.training.tracking = "wandb"
    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with pytest.raises(
        InvalidInputError, match=r"training\.tracking is wandb: could not begin \(no API key configured\)"
    ):
        train(halves, tmp_path / "run", brief, verbose=0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlflow", 'Install the extra: pip install "tf-metammf[mlflow]"'),
        ("wandb", 'Install the extra: pip install "tf-metammf[wandb]"'),
        ("wandbe", 'unknown training.tracking "wandbe"; did you mean "wandb"?'),
    ],
)
def test_a_tracker_that_is_not_there_leaves_no_run(name, message, halves, tmp_path, monkeypatch, capsys):
    for package in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--training.tracking", name]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_nothing_is_imported_that_was_not_asked_for(halves, brief, tmp_path, monkeypatch):
    for package in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, package, None)  # whoever imports it fails
    assert not (train(halves, tmp_path / "run", brief, verbose=0).folder / "tracking.json").exists()
