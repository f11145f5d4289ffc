"""Training runs: what they leave, what they follow, and what they refuse."""

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.parts.parts import settings_of
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.runs.best_weights import KeepBestWeights
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory, open_run_directory
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.training import train


def history_of(run) -> list[dict[str, float]]:
    with run.history_file.open() as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]


def brute_force_recall(scores: np.ndarray, positives: Interactions, masked: list[Interactions], k: int) -> float:
    scores = scores.copy()
    for pairs in masked:
        scores[pairs.user, pairs.item] = -np.inf
    recalls = []
    for user in np.unique(positives.user):
        wanted = set(positives.item[positives.user == user])
        recommended = sorted(range(scores.shape[1]), key=lambda item: (-scores[user, item], item))[:k]
        recalls.append(len(wanted & set(recommended)) / len(wanted))
    return float(np.mean(recalls))


def test_a_run_directory_can_be_read_without_the_project(finished, halves, configuration):
    run = finished
    assert load_configuration(run.configuration_file) == configuration
    assert json.loads((run.folder / "records.json").read_text())["checksum"] == halves.metadata.checksum
    assert json.loads((run.folder / "environment.json").read_text())["packages"]["tensorflow"] == tf.__version__
    state = json.loads((run.folder / "state.json").read_text())
    assert state["state"] == "finished" and state["seconds"] > 0 and state["peak_memory_bytes"] > 2**20
    assert [row["epoch"] for row in history_of(run)] == list(range(12))
    assert run.training_curve_file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert any(run.tensorboard_folder.rglob("events.out.tfevents.*"))


def test_the_reported_metrics_are_those_of_the_saved_weights_ranked_by_hand(finished, halves):
    run = finished
    model, _ = load_model(run)
    scores = model.user_embeddings().numpy() @ model.item_embeddings().numpy().T
    train_pairs, validation, test = (read_interactions(halves, split) for split in ("train", "validation", "test"))
    reported = json.loads(run.metrics_file.read_text())
    assert reported["validation"]["recall@5"] == pytest.approx(
        brute_force_recall(scores, validation, [train_pairs], 5), abs=1e-6
    )
    assert reported["test"]["recall@5"] == pytest.approx(
        brute_force_recall(scores, test, [train_pairs, validation], 5), abs=1e-6
    )
    assert evaluate(run, split="test") == pytest.approx(reported["test"], abs=1e-6)
    assert {"cold/recall@5", "warm/recall@5", "ndcg@3", "coverage@3", "pooled_recall@5"} <= set(reported["test"])


def test_the_kept_weights_are_those_of_the_best_epoch_on_validation(finished):
    run = finished
    values = [row["val_ndcg@5"] for row in history_of(run)]
    assert max(values) > values[-1], "the test needs a run whose last epoch is not its best"
    reported = json.loads(run.metrics_file.read_text())["validation"]["ndcg@5"]
    assert reported == pytest.approx(max(values), abs=1e-6)
    assert run.read("state")["best_epoch"] == values.index(max(values)) + 1


def test_training_learns_what_the_data_hold(finished):
    metrics = finished.read("metrics")["test"]
    assert metrics["recall@5"] > 0.6  # a ranking at random finds 3 of 23 candidates: 0.22
    assert metrics["cold_only/recall@3"] == 1.0


def test_the_test_split_influences_neither_training_nor_selection(write_halves, configuration, tmp_path):
    histories = []
    configuration.training.epochs = 2
    for seed in (0, 1):
        records = write_halves(tmp_path / f"records-{seed}", test_seed=seed)
        run = train(records, tmp_path / f"run-{seed}", configuration, verbose=0)
        histories.append(history_of(run))
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    "objective",
    [
        "in_batch_softmax",
        pytest.param("full_softmax", marks=pytest.mark.long),
        pytest.param("bpr", marks=pytest.mark.long),
    ],
)
def test_the_same_seed_gives_the_same_history(objective, halves, configuration, tmp_path):
    configuration.objective = settings_of("objective", objective)()
    configuration.model.id_dropout = 0.2
    configuration.training.epochs = 2
    first, second = (
        history_of(train(halves, tmp_path / f"run-{number}", configuration, verbose=0)) for number in range(2)
    )
    assert first == second


def test_another_seed_gives_another_history(finished, halves, configuration, tmp_path):
    configuration.training.epochs = 1
    configuration.training.seed = 1
    assert history_of(train(halves, tmp_path / "run", configuration, verbose=0))[0] != history_of(finished)[0]


def test_training_stops_when_validation_has_not_improved_for_the_given_patience(halves, configuration, tmp_path):
    configuration.training.epochs = 30
    configuration.training.patience = 2
    configuration.training.learning_rate = 0.0
    run = train(halves, tmp_path / "run", configuration, verbose=0)
    assert len(history_of(run)) == 3


def test_a_loss_that_is_not_finite_stops_training_and_says_at_which_step(halves, configuration, tmp_path):
    configuration.training.learning_rate = 1e38
    configuration.model.normalize = False
    with pytest.raises(TrainingDivergedError, match=r"the loss became (nan|inf) at step \d+; training stopped"):
        train(halves, tmp_path / "run", configuration, verbose=0)
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert state["state"] == "diverged" and state["step"] >= 1


def test_a_divergence_after_the_first_epoch_keeps_its_weights_and_its_state(
    halves, configuration, tmp_path, monkeypatch
):
    compute_loss, steps = MetaMMF.compute_loss, tf.Variable(0)

    def diverging(model, inputs, training=False):
        steps.assign_add(1)
        loss = compute_loss(model, inputs, training=training)
        return tf.where(steps > 7, float("nan"), loss)

    monkeypatch.setattr(MetaMMF, "compute_loss", diverging)
    with pytest.raises(TrainingDivergedError, match=r"at step 8; training stopped. The best weights, of epoch 1"):
        train(halves, tmp_path / "run", configuration, verbose=0)
    run = open_run_directory(tmp_path / "run")
    state = run.read("state")
    assert (state["state"], state["step"], state["best_epoch"]) == ("diverged", 8, 1)
    monkeypatch.undo()
    with run.history_file.open() as lines:
        first = next(csv.DictReader(lines))
    assert evaluate(run, split="validation")["ndcg@5"] == pytest.approx(float(first["val_ndcg@5"]), abs=1e-6)


@pytest.mark.parametrize(("error", "expected"), [(KeyboardInterrupt, "stopped"), (RuntimeError, "failed")])
def test_the_state_of_a_run_that_ends_early_says_so(error, expected, halves, configuration, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(MetaMMF, "fit", interrupted)
    with pytest.raises(error):
        train(halves, tmp_path / "run", configuration, verbose=0)
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == expected


def test_the_best_weights_before_a_divergence_stay_on_disk(tmp_path):
    class Diverging(keras.Model):
        def __init__(self):
            super().__init__()
            self.steps = self.add_weight(name="steps", initializer="zeros")
            self.mean_loss = keras.metrics.Mean()

        def train_step(self, data):
            self.steps.assign_add(1.0)
            self.mean_loss.update_state(1.0)
            return {"loss": tf.where(self.steps > 7, float("nan"), 1.0)}

    class Score(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if not self.model.stop_training:
                logs["val_score"] = float(epoch)

    model, state = Diverging(), TrainingState()
    model.compile()
    divergence = StopOnDivergence(state, spike_factor=10.0)
    best = KeepBestWeights(tmp_path / "model.weights.h5", state, monitor="val_score")
    batches = tf.data.Dataset.range(1).repeat()
    model.fit(batches, epochs=9, steps_per_epoch=5, verbose=0, callbacks=[divergence, Score(), best])
    assert (math.isnan(divergence.loss), state.best_epoch) == (True, 1)
    restored = Diverging()
    restored.load_weights(str(best.path))
    assert float(restored.steps) == 5.0


def test_a_run_is_evaluated_on_a_record_set_that_was_moved_but_not_on_other_data(finished, write_halves, tmp_path):
    run = finished
    moved = write_halves(tmp_path / "moved")
    assert evaluate(run, records=moved.folder) == pytest.approx(evaluate(run))
    other = write_halves(tmp_path / "other", test_seed=9)
    with pytest.raises(InvalidInputError, match="was trained on"):
        evaluate(run, records=other.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evaluation": {"monitor": "ndgc@5"}}, 'unknown metric "ndgc"; did you mean "ndcg"'),
        ({"model": {"modalities": ["visul"]}}, 'unknown modality "visul"; did you mean "visual"'),
        ({"model": {"fusion": {"name": "metamf"}}}, 'did you mean "metammf"'),
        ({"objective": {"name": "bprr"}}, 'unknown objective "bprr"; did you mean "bpr"'),
        ({"training": {"batch_size": 0}}, "batch_size is 0"),
        ({"evaluation": {"monitor": "cold/ndcg@5"}}, "the validation split has no cold items to find. It has: "),
        ({"evaluation": {"k": []}}, "evaluation.k is empty"),
        ({"training": {"seed": -1}}, "training.seed is -1"),
        ({"model": {"id_units": -1}}, "model.id_units is -1"),
        ({"model": {"l2": -0.1}}, "model.l2 is -0.1"),
        ({"evaluation": {"k": [0]}}, 'has the cut-off "0"'),
        ({"training": {"epochs": 0}}, "training.epochs is 0"),
        ({"training": {"learning_rate": -1.0}}, "training.learning_rate is -1.0"),
        ({"training": {"batch_size": 1}}, "training.batch_size is 1, but the negatives of objective in_batch_softmax"),
        ({"objective": {"temperature": 0.0}}, "objective.temperature is 0.0"),
        ({"objective": {"name": "bpr", "negatives": 0}}, "objective.negatives is 0, expected at least 1"),
        ({"objective": {"item_to_user_weight": -1.0}}, "objective.item_to_user_weight is -1.0"),
    ],
)
def test_a_configuration_that_does_not_fit_leaves_no_run_directory(change, message, halves, tmp_path):
    with pytest.raises(InvalidInputError, match=message):
        train(halves, tmp_path / "run", Configuration.from_mapping(change), verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_record_set_whose_path_is_not_text_is_named_by_its_path(halves, configuration, tmp_path):
    """As paths outside ASCII are under a locale of ASCII."""
    elsewhere = replace(halves, folder=tmp_path / "\udce4")
    with pytest.raises(UnicodeEncodeError) as caught:
        create_run_directory(tmp_path / "run", configuration, elsewhere)
    assert caught.value.object == str(tmp_path / "\udce4") and not (tmp_path / "run").exists()


def test_an_existing_run_directory_is_not_overwritten(halves, configuration, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(InvalidInputError, match="already exists"):
        train(halves, tmp_path / "run", configuration, verbose=0)


def test_a_folder_that_is_no_run_says_what_makes_one(tmp_path):
    with pytest.raises(InvalidInputError, match="tf-metammf train"):
        open_run_directory(tmp_path)


def test_a_record_set_without_modalities_is_trained_on_ids_alone(configuration, tmp_path):
    pairs = np.array([(user, (user + step) % 9) for user in range(12) for step in range(5)])
    splits = {
        "train": Interactions(*pairs[pairs[:, 1] % 4 > 1].T),
        "validation": Interactions(*pairs[pairs[:, 1] % 4 == 1].T),
        "test": Interactions(*pairs[pairs[:, 1] % 4 == 0].T),
    }
    data = RawData("ids", [f"u{n}" for n in range(12)], [f"v{n}" for n in range(9)], splits["train"], {})
    records = write_record_set(data, splits, tmp_path / "records")
    with pytest.raises(InvalidInputError, match="no modalities to fuse"):
        train(records, tmp_path / "fused", configuration, verbose=0)
    configuration.model.fusion = settings_of("fusion", "none")()
    configuration.training.epochs = 1
    run = train(records, tmp_path / "run", configuration, verbose=0)
    model, _ = load_model(run)
    scores = model.user_embeddings().numpy() @ model.item_embeddings().numpy().T
    for k in (3, 5):
        expected = brute_force_recall(scores, splits["test"], [splits["train"], splits["validation"]], k)
        assert run.read("metrics")["test"][f"recall@{k}"] == pytest.approx(expected, abs=1e-6)


def test_damaged_weights_and_a_record_set_that_is_gone_are_named(finished, tmp_path):
    run = RunDirectory(Path(shutil.copytree(finished.folder, tmp_path / "run")))
    content = run.weights_file.read_bytes()
    run.weights_file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidInputError, match="is damaged or does not fit"):
        evaluate(run)
    run.write("records", run.read("records") | {"path": str(tmp_path / "gone")})
    with pytest.raises(InvalidInputError, match="no longer exists"):
        evaluate(run)
