"""What a training shows: lines and bars, TensorBoard's files."""

import json
from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.modality_shares import catalogue_shares
from tf_metammf.trainer.distribution.devices import grow_gpu_memory
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.training import train

EPOCHS = 3


@pytest.fixture(scope="module")
def watched(halves, small, tmp_path_factory):
    """A run with everything that TensorBoard can get, and a profile."""
    configuration = small()
    configuration.training.epochs = EPOCHS
    configuration.training.tensorboard, configuration.training.profile_steps = "all", 2
    return train(halves, tmp_path_factory.mktemp("watched") / "run", configuration, verbose=0)


@pytest.fixture(scope="module")
def events(watched):
    """Values of every tag, by step."""
    found = defaultdict(dict)
    for folder in {path.parent for path in watched.tensorboard_folder.rglob("events.*")}:
        accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
        accumulator.Reload()
        for tag in accumulator.Tags()["tensors"]:
            for event in accumulator.Tensors(tag):
                found[tag][event.step] = tf.make_ndarray(event.tensor_proto)
    return found


def test_tensorboard_has_loss_metrics_learning_rate_and_norms_of_every_epoch(watched, events):
    rows = [line.split(",") for line in watched.history_file.read_text().splitlines()]
    history = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    for tag, column in {
        "epoch_loss": "loss",
        "epoch_ndcg@5": "val_ndcg@5",
        "epoch_gradient_norm": "gradient_norm",
        "epoch_learning_rate": "learning_rate",
    }.items():
        expected = [float(row[column]) for row in history]
        assert [float(events[tag][epoch]) for epoch in range(EPOCHS)] == pytest.approx(expected, rel=1e-6)
    assert all(value > 0 for value in events["epoch_gradient_norm"].values())


def test_the_last_norms_and_shares_are_those_of_the_weights(watched, halves, events):
    if json.loads((watched.folder / "state.json").read_text())["best_epoch"] != EPOCHS:
        pytest.skip("the best weights are not the last ones")
    model, _ = load_model(watched, halves.folder)
    table = model.user_tower.embedding.embeddings.numpy()
    assert float(events["norm/users"][EPOCHS - 1]) == pytest.approx(np.linalg.norm(table, axis=1).mean(), rel=1e-5)
    shares = catalogue_shares(model)
    for column, name in enumerate(("acoustic", "visual")):
        buckets = events[f"modality_share/{name}"][EPOCHS - 1]
        assert buckets[:, 2].sum() == len(shares)
        assert buckets[0, 0] == pytest.approx(shares[:, column].min(), abs=1e-5)
        assert buckets[-1, 1] == pytest.approx(shares[:, column].max(), abs=1e-5)


def test_the_projector_has_the_embeddings_with_the_ids_of_the_items(watched, halves):
    folder = watched.tensorboard_folder
    labels = (folder / "items_labels.tsv").read_text().splitlines()
    assert labels == list(halves.item_ids)
    assert np.loadtxt(folder / "items.tsv").shape[0] == len(labels)
    assert 'tensor_path: "items.tsv"' in (folder / "projector_config.pbtxt").read_text()


def test_a_profile_is_written_when_it_is_asked_for(watched):
    assert list(watched.tensorboard_folder.rglob("*.xplane.pb"))


def test_watching_changes_nothing_of_the_training(watched, halves, configuration, tmp_path):
    configuration.training.epochs = EPOCHS
    plain = train(halves, tmp_path / "run", configuration, verbose=0)
    assert plain.read("metrics") == watched.read("metrics")
    # And may change while the run stays the same.
    configuration.training.tensorboard = "all"
    assert train(halves, tmp_path / "run", configuration, verbose=0).is_finished


def test_a_line_tells_of_every_epoch(halves, configuration, tmp_path, capsys):
    configuration.training.epochs = EPOCHS
    run = train(halves, tmp_path / "run", configuration, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    best = run.read("state")["best_epoch"]
    assert [line.split("  ")[0] for line in lines] == [f"epoch {epoch}/3" for epoch in (1, 2, 3)]
    assert all("  loss " in line and "  validation ndcg@5 0." in line and line.endswith(" s") for line in lines)
    assert "(best ndcg@5)" in lines[best - 1]


def test_bars_show_steps_and_epochs(halves, configuration, tmp_path, capsys):
    configuration.training.epochs = EPOCHS
    train(halves, tmp_path / "run", configuration, verbose=1)
    shown = capsys.readouterr().out
    assert "3/3" in shown and "5/5" in shown and "loss" in shown


def test_contents_for_tensorboard_that_are_unknown_are_refused(halves, configuration, tmp_path):
    configuration.training.tensorboard = "al"
    with pytest.raises(InvalidInputError, match=r'unknown training\.tensorboard "al"; did you mean "all"'):
        train(halves, tmp_path / "run", configuration, verbose=0)


def test_gpus_take_memory_as_they_need_it_unless_the_environment_says_otherwise(monkeypatch):
    grown = []
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append((gpu, on)))
    grow_gpu_memory()
    assert grown == [("GPU:0", True), ("GPU:1", True)]
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    grow_gpu_memory()
    assert len(grown) == 2
