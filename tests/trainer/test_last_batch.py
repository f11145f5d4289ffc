"""The last batch of an epoch: one row left is no batch for an objective whose negatives are the other rows."""

import hashlib
import json
from dataclasses import replace

import pytest

from tf_metammf.parts.parts import settings_of
from tf_metammf.trainer.planning.training_plan import plan_training
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_batches import TrainingBatches, make_server_dataset
from tf_metammf.trainer.training_data import TrainingData

BATCH_SIZE = 31
"""280 training interactions are 9 batches of it and one row."""


@pytest.fixture
def with_one_row_left(configuration):
    return replace(configuration, training=replace(configuration.training, batch_size=BATCH_SIZE, epochs=1))


def sizes(batches, count):
    return [len(batch["user"]) for batch in batches.take(count).as_numpy_iterator()]


def test_one_row_joins_the_batch_before_and_a_resumed_epoch_has_the_same_batches(with_one_row_left, halves):
    plan = plan_training(with_one_row_left, halves)
    data = TrainingData.of(halves, plan)
    assert (plan.smallest_batch, len(data.train), plan.steps) == (2, 280, 9)
    batches = TrainingBatches(plan, data)
    assert sizes(batches.beginning_at(), 18) == 2 * [*[31] * 8, 32]
    assert sizes(make_server_dataset(plan, data), 18) == 2 * [*[31] * 8, 32]
    later = batches.beginning_at(1, 7).take(2)
    for batch, expected in zip(later, batches.beginning_at().skip(9 + 7), strict=False):
        assert {name: column.numpy().tolist() for name, column in batch.items()} == {
            name: column.numpy().tolist() for name, column in expected.items()
        }


def test_other_objectives_keep_their_batches(with_one_row_left, halves):
    plan = plan_training(replace(with_one_row_left, objective=settings_of("objective", "bpr")()), halves)
    assert plan.steps == 10
    assert sizes(TrainingBatches(plan, TrainingData.of(halves, plan)).beginning_at(), 10) == [*[31] * 9, 1]


def test_an_epoch_has_one_step_a_batch_also_after_a_checkpoint_of_a_release_that_had_one_more(
    with_one_row_left, halves, tmp_path
):
    run = train(halves, tmp_path / "run", with_one_row_left, verbose=0)
    checkpoint = max(run.checkpoints_folder.iterdir())
    state = json.loads((checkpoint / "state.json").read_text())
    assert (state["step"], state["epoch"]) == (9, 1)
    # As if 9 of 10 steps of the epoch were done.
    state |= {"epoch": 0, "step_of_epoch": 9, "complete": False, "history": []}
    (checkpoint / "state.json").write_text(json.dumps(state))
    sums = json.loads((checkpoint / "checksums.json").read_text())
    sums["state.json"] = hashlib.sha256((checkpoint / "state.json").read_bytes()).hexdigest()
    (checkpoint / "checksums.json").write_text(json.dumps(sums))
    run.metrics_file.unlink()
    train(halves, tmp_path / "run", with_one_row_left, verbose=0)
    states = [json.loads((folder / "state.json").read_text()) for folder in sorted(run.checkpoints_folder.iterdir())]
    assert (states[-1]["step"], states[-1]["epoch"], states[-1]["complete"]) == (10, 1, True)
