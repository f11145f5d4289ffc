"""The estimate of training's memory against processes that train, and how it follows the settings."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_model, make_objective
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.memory import training_memory, training_step_bytes
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS, INTERACTIONS, WIDTH = 250_000, 6_000, 200_000, 600

TRAIN_SOME_STEPS = """
import json, os, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf

from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.assembly import make_model, make_objective, make_optimizer, make_training_dataset
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.training_data import TrainingData


def memory(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


tf.matmul(tf.ones([99, 99]), tf.ones([99, 99]))
before = memory("VmRSS")
configuration = Configuration.from_mapping(json.loads(sys.argv[2]))
data = TrainingData(open_record_set(sys.argv[1]))
model = make_model(configuration, make_objective(configuration.objective, data), data)
model.compile(optimizer=make_optimizer(configuration, data.record_set.metadata))
model.optimizer.build(model.trainable_variables)
model.fit(make_training_dataset(configuration, data), steps_per_epoch=3, verbose=0)
print(memory("VmHWM") - before)
"""

ON_THE_GRAPH = {
    "model": {"encoder": "sage", "fusion": {"units": [512, 32]}, "id_units": 32, "combination": "add"},
}
BY_SCORES = {
    "model": {"fusion": {"name": "none"}, "id_units": 16},
    "objective": {"item_to_user_weight": 0.5},
    "training": {"batch_size": 7_000},
}
BY_EMBEDDINGS = {"model": {"fusion": {"name": "none"}, "id_units": 192}}


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> RecordSet:
    random = np.random.default_rng(0)
    train = Interactions(random.integers(0, USERS, INTERACTIONS), random.integers(0, ITEMS, INTERACTIONS))
    features = random.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    data = RawData(
        "memory",
        [f"u{user}" for user in range(USERS)],
        [f"v{item}" for item in range(ITEMS)],
        train,
        {"visual": ModalityFeatures(features, np.arange(ITEMS))},
    )
    return write_record_set(data, {"train": train}, tmp_path_factory.mktemp("memory") / "videos")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "settings", [ON_THE_GRAPH, BY_EMBEDDINGS, BY_SCORES], ids=["sage", "mf", "scores in both directions"]
)
def test_a_process_that_trains_grows_by_what_is_estimated(settings, videos):
    estimate = training_step_bytes(Configuration.from_mapping(settings), videos.metadata)
    assert estimate > 400 * 2**20, "too small to tell from what TensorFlow itself takes"
    command = [sys.executable, "-c", TRAIN_SOME_STEPS, str(videos.folder), json.dumps(settings)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert estimate == pytest.approx(int(ran.stdout.splitlines()[-1]), rel=0.2)


@pytest.mark.parametrize(
    ("settings", "part", "expected"),
    [
        ({}, "features", 2 * 4 * ITEMS * WIDTH),
        ({"model": {"fusion": {"name": "none"}}}, "features", 2 * 4 * ITEMS * WIDTH),
        ({"model": {"fusion": {"name": "none"}}}, "weights", 3 * 4 * 64 * (USERS + ITEMS)),
        (
            {"model": {"fusion": {"name": "concatenation", "units": [8, 64]}}},
            "weights",
            3 * 4 * (64 * (USERS + ITEMS) + WIDTH * 8 + 8 * 64),
        ),
        ({"model": {"encoder": "mf"}}, "graph", 0),
        ({"model": {"encoder": "lightgcn", "graph": {"exclude_targets": True}}}, "graph", 80 * INTERACTIONS),
    ],
)
def test_every_part_is_counted(settings, part, expected, videos):
    assert training_memory(Configuration.from_mapping(settings), videos.metadata).parts[part] == expected


def test_weights_are_those_of_the_model(halves):
    for hidden, sizes in ((8, {"rank": 3}), (6, {"rank": None, "meta_hidden_units": 6})):
        fusion = {"units": [8, 4], "meta_units": 2, **sizes}
        configuration = Configuration.from_mapping({"model": {"encoder": "sage", "fusion": fusion, "id_units": 4}})
        data = TrainingData(halves)
        model = make_model(configuration, make_objective(configuration.objective, data), data)
        kernels = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights if weight.shape.rank > 1)
        absence = 2 * hidden  # the kernel of the absence of a modality, which is too small to count
        assert training_memory(configuration, halves.metadata).weights == 12 * (kernels - absence)


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        ({"model": {"fusion": {"rank": None}}}, True),
        ({"objective": {"name": "full_softmax"}}, True),
        ({"training": {"batch_size": 8192}}, True),
        ({"objective": {"name": "bpr"}}, True),
        ({"model": {"encoder": "lightgcn"}}, True),
        ({"model": {"encoder": "lightgcn", "graph": {"fan_outs": [2, 2]}}}, True),
        ({"model": {"modalities": ["visual"]}}, False),
        ({"model": {"id_units": 0}}, False),
    ],
)
def test_settings_that_need_more_are_estimated_higher(setting, more, videos):
    metadata = replace(videos.metadata, users=1_000)
    usual = training_step_bytes(Configuration(), metadata)
    assert (training_step_bytes(Configuration.from_mapping(setting), metadata) > usual) == more


def test_the_command_prints_the_parts_and_trains_nothing(halves, tmp_path, capsys):
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--print_memory"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for part in ("features", "weights", "interactions", "graph", "step", "total"):
        assert part in printed
    assert not (tmp_path / "run").exists()
