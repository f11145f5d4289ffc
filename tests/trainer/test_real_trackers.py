"""Runs in the trackers themselves, where their packages are installed; nothing leaves this machine."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train


def test_mlflow_has_a_run_in_a_file_and_goes_on_in_it(halves, finished, configuration, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    configuration.training.tracking, epochs = "mlflow", configuration.training.epochs
    configuration.training.epochs = 2
    train(halves, tmp_path / "run", configuration, verbose=0)
    configuration.training.epochs = epochs
    run = train(halves, tmp_path / "run", configuration, resume="force", verbose=0)
    assert run.read("metrics") == finished.read("metrics"), "tracking changes the training"
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run.folder}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("tf-metammf")
    (tracked,) = client.search_runs([experiment.experiment_id])
    assert tracked.info.run_id == run.read("tracking")["mlflow"]["run_id"]
    assert (tracked.info.status, tracked.info.run_name) == ("FINISHED", "run")
    assert tracked.data.params["model.fusion.units"] == "[8, 4]" and tracked.data.params["training.epochs"] == "2"
    assert tracked.data.tags["resumed.training.epochs"] == str(epochs)
    assert tracked.data.metrics["final/test/recall_at_5"] == run.read("metrics")["test"]["recall@5"]
    history = client.get_metric_history(tracked.info.run_id, "validation/ndcg_at_5")
    assert [metric.step for metric in history] == list(range(1, epochs + 1))
    best = run.read("state")["best_epoch"]
    assert history[best - 1].value == pytest.approx(run.read("metrics")["validation"]["ndcg@5"], abs=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "something was written beside the run"


def test_wandb_has_a_run_in_files_and_goes_on_in_it(halves, finished, configuration, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    configuration.training.tracking, epochs = "wandb", configuration.training.epochs
    configuration.training.epochs = 2
    train(halves, tmp_path / "run", configuration, verbose=0)
    configuration.training.epochs = epochs
    run = train(halves, tmp_path / "run", configuration, resume="force", verbose=0)
    assert run.read("metrics") == finished.read("metrics"), "tracking changes the training"
    name = run.read("tracking")["wandb"]["run_id"]
    first, second = sorted((run.folder / "wandb").glob(f"offline-run-*/run-{name}.wandb"))
    assert [row["epoch"] for row in rows(first)] == [1, 2]
    assert [row["epoch"] for row in rows(second)] == list(range(3, epochs + 1))
    best = run.read("state")["best_epoch"]
    value = [*rows(first), *rows(second)][best - 1]["validation/ndcg@5"]
    assert value == pytest.approx(run.read("metrics")["validation"]["ndcg@5"], abs=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "something was written beside the run"


def rows(file) -> list[dict[str, float]]:
    """What was logged, epoch by epoch, as the file of an offline run has it."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for content in logged(file.read_bytes()):
        record = Record.FromString(content)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return found


def logged(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format, behind the seven bytes of a heading."""
    block, position, record = 2**15, 7, b""
    while position + 7 <= len(content):
        length, kind = struct.unpack_from("<HB", content, position + 4)
        if block - position % block < 7 or kind == 0:
            position += block - position % block
            continue
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracked_run_that_is_terminated_leaves_with_its_code_and_is_ended(name, halves, configuration, tmp_path):
    package = pytest.importorskip(name, reason=f"the extra {name} is not installed")
    configuration.training.tracking, configuration.training.epochs = name, 2000
    (tmp_path / "small.yaml").write_text(configuration.to_yaml())
    words = [sys.executable, "-m", "tf_metammf.commands.main", "train", "--records", str(halves.folder)]
    words += ["--run", str(tmp_path / "run"), "--config", str(tmp_path / "small.yaml")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "WANDB_MODE": "offline"}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 600
    while not (tmp_path / "run/history.csv").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143, errors
    assert "the same command resumes from there" in errors and "tracking failed" not in errors
    run = RunDirectory(tmp_path / "run")
    assert run.read("state")["state"] == "stopped"
    if name == "mlflow":
        identity = run.read("tracking")["mlflow"]
        client = package.MlflowClient(tracking_uri=identity["tracking_uri"])
        assert client.get_run(identity["run_id"]).info.status == "KILLED"
