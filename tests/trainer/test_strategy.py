"""Training with `--strategy mirrored` is training with one device. Here on two logical CPU devices."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration import load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.run_directory import open_run_directory
from tf_metammf.trainer.strategy import make_strategy
from tf_metammf.trainer.training import train

PROGRAM = Path(__file__).parents[1] / "programs" / "mirrored_training.py"


def test_two_devices_have_the_history_and_the_metrics_of_one(halves, configuration, tmp_path):
    # 280 interactions in batches of 64: the last one is smaller.
    configuration.training.epochs, configuration.model.l2 = 4, 1e-3
    (tmp_path / "small.yaml").write_text(configuration.to_yaml())
    words = [sys.executable, str(PROGRAM), str(halves.folder), str(tmp_path / "small.yaml"), str(tmp_path)]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    one, two = (open_run_directory(tmp_path / strategy) for strategy in ("none", "mirrored"))
    for row, expected in zip(rows(two), rows(one), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    assert two.read("metrics")["test"] == pytest.approx(one.read("metrics")["test"], abs=1e-6)
    assert evaluate(two) == pytest.approx(two.read("metrics")["test"], rel=1e-6)


def rows(run) -> list[dict[str, float]]:
    with run.history_file.open() as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


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
