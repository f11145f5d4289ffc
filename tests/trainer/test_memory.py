"""The estimate of training's memory, part by part, and how it follows the settings."""

from dataclasses import replace

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.memory import TrainingMemory, training_memory
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.training_data import TrainingData

USERS, ITEMS, INTERACTIONS, WIDTH = 250_000, 6_000, 200_000, 600

BY_SCORES = {
    "model": {"fusion": {"name": "none"}, "id_units": 16},
    "objective": {"item_to_user_weight": 0.5},
    "training": {"batch_size": 7_000},
}


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


def memory_of(settings: dict, record_set: RecordSet) -> TrainingMemory:
    return training_memory(TrainingPlan.of(Configuration.from_mapping(settings), record_set))


def test_scores_are_counted_for_the_distinct_items_and_users_of_a_batch(videos):
    drawn = np.random.default_rng(1)
    size = BY_SCORES["training"]["batch_size"]
    distinct = [np.mean([len(np.unique(drawn.integers(0, n, size))) for _ in range(20)]) for n in (ITEMS, USERS)]
    step = memory_of(BY_SCORES, videos).step
    assert step == pytest.approx(2 * 4 * size * sum(distinct), rel=0.005)


@pytest.mark.parametrize(
    ("settings", "part", "expected"),
    [
        ({}, "features", 2 * 4 * ITEMS * WIDTH),
        ({"model": {"fusion": {"name": "none"}}}, "features", 0),
        ({"model": {"fusion": {"name": "none"}}}, "weights", 3 * 4 * 64 * (USERS + ITEMS)),
        (
            {"model": {"fusion": {"name": "concatenation", "units": [8, 64]}}},
            "weights",
            3 * 4 * (64 * (USERS + ITEMS) + WIDTH * 8 + 8 * 64),
        ),
        (
            {"model": {"fusion": {"name": "concatenation", "units": [8, 64], "channel_gate": 16}}},
            "weights",
            3 * 4 * (64 * (USERS + ITEMS) + WIDTH * 8 + 8 * 64 + 2 * 64 * 4),
        ),
        (
            {
                "model": {"fusion": {"name": "none"}},
                "objective": {"name": "full_softmax"},
                "training": {"batch_size": 9_000},
            },
            "step",
            8 * 9_000 * ITEMS,
        ),
        ({"model": {"fusion": {"name": "none"}, "id_units": 192}}, "step", 4 * 192 * USERS),
        ({"model": {"encoder": "mf"}}, "graph", 0),
        ({"model": {"encoder": "lightgcn", "graph": {"exclude_targets": True}}}, "graph", 80 * INTERACTIONS),
    ],
)
def test_every_part_is_counted(settings, part, expected, videos):
    assert memory_of(settings, videos).parts[part] == expected


def test_weights_are_those_of_the_model(halves):
    for hidden, sizes in ((8, {"rank": 3}), (6, {"rank": None, "meta_hidden_units": 6})):
        fusion = {"units": [8, 4], "meta_units": 2, **sizes}
        configuration = Configuration.from_mapping({"model": {"encoder": "sage", "fusion": fusion, "id_units": 4}})
        plan = TrainingPlan.of(configuration, halves)
        model = make_model(plan, TrainingData.of(halves, plan))
        kernels = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights if weight.shape.rank > 1)
        absence = 2 * hidden  # the kernel of the absence of a modality, which is too small to count
        assert training_memory(plan).weights == 12 * (kernels - absence)


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
    few = replace(videos, metadata=replace(videos.metadata, users=1_000))
    assert (memory_of(setting, few).total > memory_of({}, few).total) == more


def test_the_command_prints_the_parts_and_trains_nothing(halves, tmp_path, capsys):
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--print_memory"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for part in ("features", "weights", "interactions", "graph", "step", "total"):
        assert part in printed
    assert not (tmp_path / "run").exists()
