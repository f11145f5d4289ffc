"""Training with `--strategy mirrored` is training with one device. Here on two logical CPU devices."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration import Configuration, load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.run_directory import open_run_directory
from tf_metammf.trainer.strategy import make_strategy
from tf_metammf.trainer.training import train

PROGRAM = Path(__file__).parents[1] / "programs" / "mirrored_training.py"


@pytest.fixture
def train_on_two(halves, tmp_path):
    """Trains configurations by name, one after another, in a process with two logical CPU devices."""

    def runs(**configurations: Configuration):
        words = [sys.executable, str(PROGRAM), str(halves.folder), str(tmp_path)]
        for number, (name, found) in enumerate(configurations.items()):
            file = tmp_path / f"{number}.yaml"
            file.write_text(found.to_yaml())
            words.append(f"{name.partition('__')[0]}={file}")
        ran = subprocess.run(words, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return [
            open_run_directory(tmp_path / name) for name in dict.fromkeys(n.partition("__")[0] for n in configurations)
        ]

    return runs


def changed(configuration: Configuration, **training: object) -> Configuration:
    return replace(configuration, training=replace(configuration.training, **training))


def test_two_devices_have_the_history_and_the_metrics_of_one(configuration, train_on_two):
    # 280 interactions in batches of 64: the last one is smaller.
    configuration.training.epochs, configuration.model.l2 = 4, 1e-3
    one, two = train_on_two(one=configuration, two=changed(configuration, strategy="mirrored"))
    for row, expected in zip(rows(two), rows(one), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    assert two.read("metrics")["test"] == pytest.approx(one.read("metrics")["test"], abs=1e-6)
    assert evaluate(two) == pytest.approx(two.read("metrics")["test"], rel=1e-6)


def test_two_devices_go_on_to_the_bit_and_take_16_bits_and_the_weights_of_another_run(
    configuration, train_on_two, tmp_path
):
    configuration.model.modality_dropout = 0.3
    mirrored = changed(configuration, strategy="mirrored", deterministic=True, epochs=3)
    whole, halved, warm = train_on_two(
        whole=mirrored,
        halved=changed(mirrored, epochs=1),
        halved__again=mirrored,
        warm=changed(mirrored, epochs=1, mixed_precision="bfloat16", init_from=str(tmp_path / "whole")),
    )
    assert rows(halved) == rows(whole) and len(rows(whole)) == 3
    assert halved.read("metrics") == whole.read("metrics")
    assert rows(warm)[0]["loss"] < rows(whole)[1]["loss"]


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
