"""Runs that are killed, terminated, damaged or given other settings, and what becomes of them."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from preloaded_process import PreloadedProcess, run_preloaded

from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.parts.parts import settings_of
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.resumption import check_resumable
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.runs.run_lock import is_locked, locked
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.training import train

COMMAND = [sys.executable, "-m", "tf_metammf.commands.main"]
KILLS = 5


def configured(**training) -> Configuration:
    """Everything that is random: dropout of ids, modalities and nodes, negatives, order."""
    return Configuration.from_mapping(
        {
            "model": {
                "encoder": "sage",
                "graph": {"edge_dropout": 0.2},
                "fusion": {"units": [8, 4], "meta_units": 2, "rank": 3},
                "id_units": 4,
                "id_dropout": 0.2,
                "modality_dropout": 0.2,
            },
            "objective": {"name": "bpr"},
            "training": {
                "epochs": 6,
                "batch_size": 32,
                "learning_rate": 0.02,
                "patience": 0,
                "deterministic": True,
                "checkpoint_seconds": 0.0,
                **training,
            },
            "evaluation": {"k": [3, 5], "monitor": "ndcg@5"},
        }
    )


@pytest.fixture(scope="module")
def command(halves, tmp_path_factory):
    """Words of a ``train`` command of the configuration, for a run directory."""
    file = tmp_path_factory.mktemp("configuration") / "sage.yaml"
    file.write_text(configured().to_yaml())
    words = ["train", "--records", str(halves.folder)]
    return lambda run, *options: [*words, "--run", str(run), "--config", str(file), *options]


@pytest.fixture(scope="module")
def uninterrupted(command, tmp_path_factory) -> RunDirectory:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert run_preloaded(command(run)).returncode == 0
    return RunDirectory(run)


def quiet() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def assert_same_bits(found: RunDirectory, expected: RunDirectory) -> None:
    assert found.history_file.read_bytes() == expected.history_file.read_bytes()
    assert found.read("metrics") == expected.read("metrics")
    (one, _), (other, _) = load_model(found), load_model(expected)
    for weight, wanted in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(weight, wanted)


def progress(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob("*")) + [str((run / "history.csv").is_file())]


def test_a_run_killed_again_and_again_ends_with_the_bits_of_one_that_was_not(command, uninterrupted, tmp_path):
    run, draw, killed = tmp_path / "run", random.Random(3), 0
    while killed < KILLS:
        before = progress(run)
        process = PreloadedProcess(command(run))
        deadline = time.monotonic() + 600
        while progress(run) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        # Steps, checkpoints and evaluations follow each other within some hundredths of a second.
        time.sleep(draw.uniform(0, 0.15))
        process.kill()
        assert process.returncode == -signal.SIGKILL, "the run ended before it was killed as often"
        killed += 1
    finished = run_preloaded(command(run))
    assert finished.returncode == 0, finished.stderr
    assert_same_bits(RunDirectory(run), uninterrupted)


@pytest.mark.long
def test_sigterm_writes_a_checkpoint_and_leaves_with_its_code(command, uninterrupted, tmp_path):
    run = tmp_path / "run"
    # From nothing, as it is about how a command ends.
    words = [*COMMAND, *command(run)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=quiet())
    while not (run / "history.csv").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 143
    assert "the same command resumes from there" in errors
    state = RunDirectory(run).read("state")
    assert state["state"] == "stopped" and 0 < state["step"] < 54
    assert [path for path in (run / "checkpoints").iterdir() if path.name.endswith(f"{state['step']:010d}")]
    assert run_preloaded(command(run)).returncode == 0
    assert_same_bits(RunDirectory(run), uninterrupted)


def test_a_finished_run_is_left_as_it_is(finished, halves, configuration):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    assert train(halves, finished.folder, configuration, verbose=0).folder == finished.folder
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


def test_another_configuration_is_refused_with_the_difference_and_force_takes_what_fits(
    finished, halves, configuration, tmp_path
):
    run = RunDirectory(shutil.copytree(finished.folder, tmp_path / "run"))
    configuration.training.epochs, configuration.training.learning_rate = 14, 0.01
    message = r"training.epochs: 12 in the run, 14 now; training.learning_rate: 0.05 in the run, 0.01 now"
    with pytest.raises(InvalidInputError, match=message):
        train(halves, run.folder, configuration, verbose=0)
    train(halves, run.folder, configuration, resume="force", verbose=0)
    rows = list(csv.DictReader(run.history_file.open()))
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(14)]
    assert rows[:12] == list(csv.DictReader(finished.history_file.open()))
    assert [float(row["learning_rate"]) for row in rows[11:]] == pytest.approx([0.05, 0.01, 0.01])
    assert run.configuration.training.epochs == 14


@pytest.mark.parametrize("force", [False, True])
def test_what_checkpoints_do_not_fit_is_refused_without_advice_to_force_it(force, halves, configuration, tmp_path):
    run = create_run_directory(tmp_path / "run", configuration, halves)
    configuration.training.epochs = 14
    configuration.model.id_units = 8
    configuration.model.encoder = settings_of("encoder", "freedom")(modality_weights={"visual": 0.5})
    message = r"another model\.encoder\.name, model\.id_units, .*modality_weights.* \(.*id_units: 4 in the run, 8 now"
    with pytest.raises(InvalidInputError, match=message) as raised:
        check_resumable(run, configuration, halves, force=force)
    assert "--resume force" not in str(raised.value) and "Choose another --run" in str(raised.value)


def test_other_data_are_refused(finished, write_halves, configuration, tmp_path):
    with pytest.raises(InvalidInputError, match="was trained on"):
        train(write_halves(tmp_path / "other", test_seed=9), finished.folder, configuration, verbose=0)


def test_a_second_process_in_the_same_run_directory_is_refused(finished, halves, configuration, tmp_path):
    run = shutil.copytree(finished.folder, tmp_path / "run")
    assert not is_locked(run)
    with locked(run):
        assert is_locked(run)
        configuration.training.epochs = 13
        with pytest.raises(InvalidInputError, match="another process is training in this run directory"):
            train(halves, run, configuration, resume="force", verbose=0)


def checkpoint(value: float) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(weight=tf.Variable(value))


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=3)
    for step in (1, 2, 3):
        checkpoints.save(checkpoint(float(step)), TrainingState(step=step), files=[])
    newest, second = tmp_path / "checkpoints/000-0000000003", tmp_path / "checkpoints/000-0000000002"
    data = newest / "weights.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    (second / "state.json").unlink()
    restored = checkpoint(0.0)
    with pytest.warns(UserWarning, match=r"(?s)0003: weights.data.* is damaged|0002: it cannot be read"):
        state = checkpoints.restore(restored, into=tmp_path)
    assert (state.step, float(restored.weight)) == (1, 1.0)


def test_a_checkpoint_of_weights_of_other_shapes_is_refused_by_name(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    checkpoints.save(tf.train.Checkpoint(weight=tf.Variable([1.0, 2.0])), TrainingState(step=1), files=[])
    with pytest.raises(InvalidInputError, match=r"000-0000000001: does not fit the model .*another --run"):
        checkpoints.restore(checkpoint(0.0), into=tmp_path)


def test_only_the_last_checkpoints_are_kept_and_leftovers_of_a_kill_are_removed(tmp_path):
    folder = tmp_path / "checkpoints"
    (folder / ".000-0000000001.partial-77").mkdir(parents=True)
    checkpoints = Checkpoints(folder, keep=2)
    for step in range(5):
        checkpoints.save(checkpoint(0.0), TrainingState(step=step), files=[])
    assert sorted(path.name for path in folder.iterdir()) == ["000-0000000003", "000-0000000004"]


def test_files_of_the_run_come_back_as_they_were_at_the_checkpoint(tmp_path):
    file, checkpoints = tmp_path / "best.txt", Checkpoints(tmp_path / "checkpoints", keep=2)
    file.write_text("then")
    checkpoints.save(checkpoint(0.0), TrainingState(step=1), files=[file, tmp_path / "absent"])
    aside = tmp_path / "aside"
    aside.write_text("now")
    aside.replace(file)
    checkpoints.restore(checkpoint(0.0), into=tmp_path)
    assert file.read_text() == "then"


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    checkpoints.save(checkpoint(1.0), TrainingState(step=1), files=[])

    class FullDisk(tf.train.Checkpoint):
        def write(self, path, **_):
            Path(f"{path}.data").write_bytes(b"half")
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    with pytest.raises(InvalidInputError, match=r"No space left on device.*Earlier checkpoints are complete"):
        checkpoints.save(FullDisk(), TrainingState(step=2), files=[])
    restored = checkpoint(0.0)
    assert checkpoints.restore(restored, into=tmp_path).step == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000-0000000001"]


@pytest.fixture
def spoil(monkeypatch):
    """Replaces the losses of some steps, counted over all that are computed."""

    def spoil(losses: dict[int, float]) -> None:
        compute_loss, steps = MetaMMF.compute_loss, tf.Variable(0)

        def spoiled(model, inputs, training=False):
            steps.assign_add(1)
            loss = compute_loss(model, inputs, training=training)
            for step, value in losses.items():
                loss *= tf.where(steps == step, value, 1.0)
            return loss

        monkeypatch.setattr(MetaMMF, "compute_loss", spoiled)

    return spoil


@pytest.mark.parametrize("factor", [float("nan"), pytest.param(1e4, marks=pytest.mark.long)])
def test_a_divergence_is_rolled_back_with_a_lower_learning_rate(factor, spoil, halves, configuration, tmp_path):
    spoil({33: factor})
    configuration.training.rollbacks, configuration.training.checkpoint_seconds = 1, 0.0
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    (rollback,) = run.read("state")["rollbacks"]
    assert (rollback["step"], rollback["to_step"]) == (33, 32)
    rows = list(csv.DictReader(run.history_file.open()))
    assert [row["rollbacks"] for row in rows] == ["0"] * 6 + ["1"] * 6
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([0.05] * 6 + [0.025] * 6)
    assert all(np.isfinite(float(row["loss"])) for row in rows)


def test_training_stops_when_it_may_not_be_rolled_back_again(spoil, halves, configuration, tmp_path):
    spoil({12: float("nan"), 20: float("nan")})
    configuration.training.rollbacks = 1
    with pytest.raises(TrainingDivergedError, match=r"training stopped after 1 rollbacks"):
        train(halves, tmp_path / "run", configuration, verbose=0)
    assert json.loads((tmp_path / "run/state.json").read_text())["state"] == "diverged"


def test_a_spike_that_may_not_be_rolled_back_is_counted(spoil, halves, configuration, tmp_path):
    spoil({33: 1e4})
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    rows = list(csv.DictReader(run.history_file.open()))
    assert [row["spikes"] for row in rows] == ["0"] * 6 + ["1"] + ["0"] * 5
