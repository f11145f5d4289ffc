"""Runs that train and stop modality by modality: the rules, what is logged, and what is resumed."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer import replica_training
from tf_metammf.trainer.comparison.ablations import ablations
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.modality_stop import best_epoch, gain_ends, gradient_grows
from tf_metammf.trainer.planning.training_plan import plan_training
from tf_metammf.trainer.rehearsal import rehearse
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

EPOCHS = 5
GROWING = {"modality_stop": "gradient_growth", "modality_stop_from": 3}
GAINING = {"modality_stop": "validation_gain", "modality_stop_patience": 1}


def configured(*, model: dict | None = None, **training) -> Configuration:
    return Configuration.from_mapping(
        {
            "model": {"fusion": {"name": "sum", "units": [4]}, "id_units": 4, **(model or {})},
            "training": {
                "epochs": EPOCHS,
                "batch_size": 64,
                "learning_rate": 0.05,
                "patience": 0,
                "update": "alternating",
                "deterministic": True,
                **training,
            },
            "evaluation": {"k": [5], "monitor": "ndcg@5"},
        }
    )


def history(run: RunDirectory) -> list[dict[str, str]]:
    rows = [line.split(",") for line in run.history_file.read_text().splitlines()]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def column(run: RunDirectory, name: str) -> list[float]:
    return [float(row[name]) for row in history(run) if row[name]]


def assert_same_bits(found: RunDirectory, expected: RunDirectory) -> None:
    assert found.history_file.read_bytes() == expected.history_file.read_bytes()
    assert found.read("metrics") == expected.read("metrics")
    (one, _), (other, _) = load_model(found), load_model(expected)
    for weight, wanted in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(weight, wanted)


def logged_values(run: RunDirectory, tag: str) -> list[float]:
    accumulator = EventAccumulator(str(run.tensorboard_folder / "train"), size_guidance={"tensors": 0})
    accumulator.Reload()
    return [float(tf.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(f"epoch_{tag}")]


@pytest.fixture(scope="module")
def own_weights() -> list[dict[str, list[np.ndarray]]]:
    """The weights of every modality at the end of each epoch of ``gaining``, before a stop restores any."""
    return []


@pytest.fixture(scope="module")
def gaining(halves, tmp_path_factory, own_weights) -> RunDirectory:
    class Seen(replica_training.KeepBestWeights):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            own = self.model.weight_updates.own
            own_weights.append({name: [weight.numpy() for weight in weights] for name, weights in own.items()})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replica_training, "KeepBestWeights", Seen)
        return train(halves, tmp_path_factory.mktemp("gaining") / "run", configured(**GAINING), verbose=0)


@pytest.mark.parametrize(
    ("norms", "grows"),
    [
        ([1.0, 1.0, 1.0, 1.5], False),  # before the first epoch that counts
        ([1.0, 1.0, 1.0, 1.0, 1.5], True),
        ([1.0, 1.0, 1.0, 1.0, 1.4], False),
        ([4.0, 3.0, 2.0, 1.0, 0.5, 0.2], False),
        ([1.0, 1.0, 9.0, 1.0, 2.0, 3.9], False),  # the mean of the epochs before is 2.8
        ([1.0, 1.0, 9.0, 1.0, 2.0, 4.0], True),
    ],
)
def test_a_gradient_grows_where_it_is_far_above_the_mean_of_the_epochs_before(norms, grows):
    assert gradient_grows(norms, growth=1.4, first_epoch=5) == grows


def test_a_gain_ends_when_its_best_epoch_is_as_old_as_the_patience():
    gains = [0.1, 0.3, 0.2, 0.3, 0.25]
    assert [gain_ends(gains[:epochs], patience=3) for epochs in range(6)] == [False] * 5 + [True]
    assert best_epoch(gains) == 2


def test_a_gradient_that_grows_stops_its_modality_for_good(halves, tmp_path):
    # Sounds are noise here, and the learning rate is far too high for vectors of any length.
    unbounded = {"normalize": False}
    run = train(halves, tmp_path / "run", configured(model=unbounded, learning_rate=1.0, **GROWING), verbose=0)
    stopped = run.read("state")["stopped_modalities"]
    for name in ("acoustic", "visual"):
        norms = column(run, f"gradient_norm/{name}")
        grown = [gradient_grows(norms[:epoch], growth=1.4, first_epoch=3) for epoch in range(1, len(norms) + 1)]
        assert stopped.get(name) == (grown.index(True) + 1 if True in grown else None)
        assert column(run, f"stopped/{name}") == [epoch > stopped.get(name, EPOCHS) for epoch in range(1, EPOCHS + 1)]
    assert "acoustic" in stopped
    running = [2 - sum(epoch > each for each in stopped.values()) for epoch in range(1, EPOCHS + 1)]
    assert column(run, "passes") == [max(1, number) for number in running]


@pytest.mark.long
def test_shrinking_gradients_stop_nothing_and_are_logged(halves, tmp_path):
    run = train(halves, tmp_path / "run", configured(**GROWING, epochs=3), verbose=0)
    assert run.read("state")["stopped_modalities"] == {}
    for name in ("gradient_norm/acoustic", "gradient_norm/visual", "stopped/visual", "passes"):
        assert logged_values(run, name) == pytest.approx(column(run, name), rel=1e-5)


def test_a_gain_is_the_metric_less_that_without_the_modality(gaining, halves):
    model, _ = load_model(gaining)
    plan = plan_training(gaining.configuration, halves)
    data = replica_training.TrainingData.of(halves, plan)
    from tf_metammf.trainer.rankings import validation_ranking

    ranking, best = validation_ranking(plan, data), gaining.read("state")["best_epoch"]
    whole = ranking.evaluate(*model.embeddings())["ndcg@5"]
    row = history(gaining)[best - 1]
    for name in ("acoustic", "visual"):
        if row[f"validation_gain/{name}"]:
            without = ranking.evaluate(*model.embeddings(without=name))["ndcg@5"]
            assert float(row[f"validation_gain/{name}"]) == pytest.approx(whole - without, abs=1e-6)


def test_a_modality_that_gains_no_more_has_the_weights_of_its_best_epoch(gaining, own_weights):
    stopped = gaining.read("state")["stopped_modalities"]
    assert stopped and len(own_weights) == EPOCHS
    for name, epoch in stopped.items():
        gains = column(gaining, f"validation_gain/{name}")
        assert len(gains) == epoch and gain_ends(gains, patience=1)
        for later in own_weights[epoch:]:
            for found, expected in zip(later[name], own_weights[best_epoch(gains) - 1][name], strict=True):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.long
def test_a_stopped_modality_stays_stopped_in_a_run_that_is_killed_and_resumed(gaining, halves, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    first = min(gaining.read("state")["stopped_modalities"].values())

    class Kills(replica_training.WriteHistory):
        def on_train_batch_end(self, batch, logs=None):
            # In the middle of the epoch after the stop, behind a checkpoint of a step.
            if self.state.epoch == first and self.state.step_of_epoch == 2:
                raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(replica_training, "WriteHistory", Kills)
        settings = {**GAINING, "checkpoint_seconds": 0.0}
        with pytest.raises(Killed):
            train(halves, tmp_path / "run", configured(**settings), verbose=0)
    run = train(halves, tmp_path / "run", configured(**settings), verbose=0)
    assert_same_bits(run, gaining)
    assert run.read("state")["stopped_modalities"] == gaining.read("state")["stopped_modalities"]


@pytest.mark.long
def test_training_ends_when_adapters_are_all_there_is_and_are_stopped(halves, tmp_path):
    before = {"modalities": ["visual"], "fusion": {"name": "concatenation", "units": [4]}}
    base = train(halves, tmp_path / "base", configured(model=before, update="joint", epochs=1), verbose=0)
    adapters = {"fusion": {"name": "concatenation", "units": [4]}, "adapters": ["acoustic"]}
    over = {
        "update": "joint",
        "init_from": str(base.folder),
        "freeze": "base",
        "epochs": 30,
        **GROWING,
        "modality_stop_from": 2,
    }
    run = train(halves, tmp_path / "run", configured(model=adapters, **over), verbose=0)
    [(name, epoch)] = run.read("state")["stopped_modalities"].items()
    assert (name, run.read("state")["epoch"]) == ("acoustic", epoch) and epoch < 30
    assert train(halves, tmp_path / "run", configured(model=adapters, **over), verbose=0).is_finished


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        (
            {"fusion": "metammf"},
            {},
            "no modality has weights of its own: expected at least 2. The fusion metammf has none",
        ),
        (
            {"fusion": "concatenation"},
            {"update": "joint", **GAINING},
            "modality_stop is validation_gain, and no modality",
        ),
        ({"modalities": ["visual"]}, {}, "visual has weights of its own: expected at least 2"),
        ({"fusion": "metammf", "adapters": ["visual"]}, {}, "visual has weights of its own: expected at least 2"),
        ({"encoder": "vbpr"}, {}, "model.encoder.name is vbpr"),
        ({"auxiliary": "mutual_information"}, {}, "model.auxiliary.name is mutual_information"),
        ({}, {"strategy": "mirrored"}, "training.strategy is mirrored"),
        ({}, {"mixed_precision": "float16"}, "training.mixed_precision is float16"),
        ({}, {"modality_stop_from": 1}, "training.modality_stop_from is 1, expected at least 2"),
    ],
)
def test_what_cannot_be_trained_modality_by_modality_is_refused_by_name(model, training, message, halves):
    with pytest.raises(InvalidInputError, match=message.replace(".", r"\.")):
        plan_training(configured(model=model, **training), halves)


def test_a_fusion_that_names_weights_it_does_not_have_is_refused_before_training(halves):
    configuration = configured(model={"fusion": "own_parts:Misnamed"})
    with pytest.raises(InvalidInputError, match="no modality has weights of its own"):
        rehearse(halves, configuration)


def test_ablations_train_jointly_what_has_one_modality_left(halves):
    found = ablations("summed", configured(**GAINING), halves.metadata, ["modalities"])
    updates = {label: (each.training.update, each.training.modality_stop) for label, each in found.items()}
    assert updates == {
        "summed": ("alternating", "validation_gain"),
        "summed, acoustic alone": ("joint", "validation_gain"),
        "summed, visual alone": ("joint", "validation_gain"),
        "summed, no content": ("joint", "none"),
    }
    for each in found.values():
        plan_training(each, halves)
    found = ablations("m", configured(**GAINING), halves.metadata, ["updates"])
    updates = [(each.training.update, each.training.modality_stop) for each in found.values()]
    assert updates == [("alternating", "validation_gain"), ("alternating", "none"), ("joint", "none")]
    heads = replace(configured().model, fusion=Configuration().model.fusion, modality_heads=True)
    [*_, static] = ablations("m", replace(configured(), model=heads), halves.metadata, ["static"]).values()
    assert static.training.update == "alternating"
