"""Training with `--strategy mirrored` is training with one device. Here on two logical CPU devices."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from preloaded_process import run_preloaded

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import load_configuration
from tf_metammf.trainer.distribution.strategy import make_strategy
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.runs.run_directory import open_run_directory
from tf_metammf.trainer.training import train

PROGRAM = Path(__file__).parents[1] / "programs" / "mirrored_training.py"


@pytest.fixture(scope="module")
def runs(halves, small, tmp_path_factory):
    """The folder of the runs of the program, and what it printed."""
    # 280 interactions in batches of 64: the last one is smaller.
    configuration, folder = small(), tmp_path_factory.mktemp("mirrored")
    configuration.training.epochs, configuration.model.l2 = 2, 1e-3
    (folder / "small.yaml").write_text(configuration.to_yaml())
    ran = run_preloaded([PROGRAM, halves.folder, folder / "small.yaml", folder])
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stdout


# With 16 bits items may change places, and a hit of one user in 40 is worth 0.025.
@pytest.mark.long
@pytest.mark.parametrize(("name", "close", "ranked"), [("plain", 1e-4, 1e-6), ("warm", 2e-3, 0.08)])
def test_two_devices_have_the_losses_and_the_metrics_of_one(name, close, ranked, runs):
    one, two = (open_run_directory(runs[0] / f"{name} {strategy}") for strategy in ("none", "mirrored"))
    for row, expected in zip(rows(two), rows(one), strict=True):
        assert row.keys() == expected.keys()
        for column, value in row.items():
            tolerance = {"abs": ranked} if column.startswith("val_") else {"rel": close}
            assert value == pytest.approx(expected[column], **tolerance), column
    assert two.read("metrics")["test"] == pytest.approx(one.read("metrics")["test"], abs=ranked)
    # With 16 bits, a graph that is optimized here and is not in the program rounds elsewhere.
    assert evaluate(two) == pytest.approx(two.read("metrics")["test"], rel=1e-6, abs=0 if name == "plain" else ranked)


@pytest.mark.long
def test_two_devices_begin_with_the_weights_of_a_run_before(runs):
    one, two = (open_run_directory(runs[0] / f"warm {strategy}") for strategy in ("none", "mirrored"))
    assert two.read("warm_start") == one.read("warm_start")
    cold = open_run_directory(runs[0] / "plain mirrored")
    assert rows(two)[0]["loss"] < rows(cold)[1]["loss"] < rows(cold)[0]["loss"]


@pytest.mark.long
def test_two_devices_that_were_terminated_in_an_epoch_end_with_the_bits_of_those_that_were_not(runs):
    folder, printed = runs
    whole, interrupted = (open_run_directory(folder / name) for name in ("plain mirrored", "interrupted"))
    assert "left with 143" in printed
    for row, expected in zip(rows(interrupted), rows(whole), strict=True):
        # The devices add up the loss of an epoch each for itself, and what was added up before is with one of them.
        assert row.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-6)
        assert row == expected
    assert interrupted.read("metrics") == whole.read("metrics")
    (one, _), (other, _) = load_model(interrupted), load_model(whole)
    for weight, expected in zip(one.trainable_weights, other.trainable_weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def rows(run) -> list[dict[str, float]]:
    with run.history_file.open() as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


@pytest.mark.long
@pytest.mark.parametrize(
    "strategy",
    [tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy],
    ids=lambda kind: kind.__name__,
)
def test_a_strategy_of_one_device_ends_with_metrics_also_when_resumed(
    strategy, halves, configuration, tmp_path, monkeypatch
):
    one_device = strategy(["CPU:0"]) if strategy is tf.distribute.MirroredStrategy else strategy()
    monkeypatch.setattr("tf_metammf.trainer.training.make_strategy", lambda *_: one_device)
    for epochs in (1, 2):
        configuration.training.epochs = epochs
        run = train(halves, tmp_path / "[run]", configuration, resume="force", verbose=0)
        assert run.read("state")["epoch"] == epochs
        assert evaluate(run) == pytest.approx(run.read("metrics")["test"], rel=1e-6)


def test_an_unknown_strategy_and_a_batch_that_cannot_be_shared_are_refused(
    halves, configuration, tmp_path, monkeypatch
):
    configuration.training.strategy = "mirored"
    with pytest.raises(InvalidInputError, match=r'unknown training\.strategy "mirored"; did you mean "mirrored"'):
        train(halves, tmp_path / "run", configuration, verbose=0)
    configuration.training.strategy, configuration.training.batch_size = "none", 33
    monkeypatch.setattr(type(tf.distribute.get_strategy()), "num_replicas_in_sync", 2)
    with pytest.raises(InvalidInputError, match="batch_size is 33, expected a multiple of the 2 devices"):
        train(halves, tmp_path / "run", configuration, verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="TensorFlow finds no GPU here")
def test_a_gpu_trains_with_16_bits_and_xla(halves, configuration, tmp_path):
    configuration.training.mixed_precision, configuration.training.jit_compile = "bfloat16", True
    configuration.training.strategy = "mirrored"
    assert "GPU" in make_strategy("mirrored").extended.worker_devices[0]
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    assert load_configuration(run.configuration_file) == configuration
    assert run.read("metrics")["validation"]["recall@5"] > 0.5
