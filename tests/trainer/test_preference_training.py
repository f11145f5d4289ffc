"""Training on preferences: what it begins with, what it learns, what it keeps, and what it refuses."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from preloaded_process import run_preloaded

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records import NamedPreferences, add_preferences, read_interactions, read_preferences
from tf_metammf.records.preference_batches import preference_batches
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.rehearsal import rehearse
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

MIRRORED_TRAINING = Path(__file__).parents[1] / "programs" / "mirrored_training.py"


@pytest.fixture(scope="module")
def records(halves, tmp_path_factory):
    """The halves, of which some users prefer items of the other half; nobody has met these."""
    metadata = halves.metadata
    seen = {
        (user, item)
        for split in metadata.splits
        for pairs in [read_interactions(halves, split)]
        for user, item in zip(pairs.user.tolist(), pairs.item.tolist(), strict=True)
    }
    users, chosen, rejected = [], [], []
    for user in range(0, metadata.users, 2):
        free = [item for item in range(metadata.items) if (user, item) not in seen]
        other, own = [item for item in free if item >= 15], [item for item in free if item < 15]
        for item in other[:4]:
            users.append(user)
            chosen.append(item)
            rejected.append(own[:4])
    named = NamedPreferences(
        [halves.user_ids[user] for user in users],
        [halves.item_ids[item] for item in chosen],
        [[halves.item_ids[item] for item in each] for each in rejected],
    )
    return add_preferences(halves, named, tmp_path_factory.mktemp("preferences") / "records", share=0.25)


def preferring(run: RunDirectory, epochs: int = 4, **objective) -> Configuration:
    """The configuration of a run, to be trained on preferences over it."""
    configuration = run.configuration
    content = {
        "model": {"fusion": {"units": [8, 4], "meta_units": 2, "rank": 3}, "id_units": 4},
        "objective": {"name": "preference", "reference": str(run.folder), "pairs": 64, "rejected": 2, "anchor": 0.1}
        | objective,
        "training": {"epochs": epochs, "batch_size": 64, "learning_rate": 0.05, "patience": 0},
        "evaluation": {"k": [5], "monitor": "ndcg@5"},
    }
    found = Configuration.from_mapping(content)
    found.model, found.evaluation = configuration.model, configuration.evaluation
    return found


@pytest.fixture(scope="module")
def preferred(records, finished, tmp_path_factory) -> RunDirectory:
    return train(records, tmp_path_factory.mktemp("preferred") / "run", preferring(finished), verbose=0)


def history(run: RunDirectory) -> list[dict[str, str]]:
    with run.history_file.open() as lines:
        return list(csv.DictReader(lines))


def test_held_out_preferences_are_learned_and_logged(preferred, records, finished):
    found = preferred.read("preferences")
    assert found["held_out"] == len(read_preferences(records, "validation")) > 5
    assert found["reference"]["chosen_residual"] == found["reference"]["reference_kl"] == 0
    assert found["model"]["pair_accuracy"] > found["reference"]["pair_accuracy"]
    assert found["model"]["reference_kl"] > 0
    assert found["model"]["chosen_residual"] > found["model"]["rejected_residual"]
    names = {"pair_loss", "pair_accuracy", "chosen_residual", "rejected_residual", "val_pair_accuracy"}
    assert names | {"val_chosen_residual", "val_reference_kl", "val_coverage@5"} <= set(history(preferred)[0])


def test_metrics_are_those_of_the_embeddings(preferred, records, finished):
    found, held = preferred.read("preferences")["model"], read_preferences(records, "validation")
    (users, items), (users0, items0) = (load_model(run)[0].embeddings() for run in (preferred, finished))
    scores, before = (np.asarray(tf.matmul(*pair, transpose_b=True)) for pair in ((users, items), (users0, items0)))
    temperature = preferred.configuration.objective.temperature
    right, won, lost = [], [], []
    for row in range(len(held)):
        user, chosen, rejected = held.user[row], held.chosen[row], held.rejected[held.rows == row]
        right.append(np.mean(scores[user, chosen] > scores[user, rejected]))
        won.append((scores - before)[user, chosen] / temperature)
        lost.append(np.mean((scores - before)[user, rejected]) / temperature)
    assert found["pair_accuracy"] == pytest.approx(np.mean(right))
    assert found["chosen_residual"] == pytest.approx(np.mean(won), abs=1e-4)
    assert found["rejected_residual"] == pytest.approx(np.mean(lost), abs=1e-4)
    shares, shares0 = (np.exp(each / temperature) for each in (scores, before))
    shares, shares0 = (each / each.sum(axis=1, keepdims=True) for each in (shares, shares0))
    assert found["reference_kl"] == pytest.approx(np.mean(np.sum(shares * np.log(shares / shares0), axis=1)), rel=1e-3)
    shown = np.unique(np.argsort(-scores, axis=1)[:, :5])
    assert found["coverage@5"] == pytest.approx(len(shown) / records.metadata.items)


@pytest.mark.long
def test_training_begins_with_the_reference_and_a_large_beta_stays_there(records, finished, tmp_path):
    settings = preferring(finished, epochs=1, beta=1000.0, anchor=0.0)
    settings.training.learning_rate = 1e-9
    run = train(records, tmp_path / "run", settings, verbose=0)
    for one, two in zip(load_model(run)[0].embeddings(), load_model(finished)[0].embeddings(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    first = history(run)[0]
    assert abs(float(first["chosen_residual"])) < 1e-4
    assert run.read("warm_start")["weights_new"] == []


@pytest.mark.long
def test_a_run_that_was_stopped_resumes_to_the_bit_without_its_reference(records, finished, preferred, tmp_path):
    gone = shutil.copytree(finished.folder, tmp_path / "gone")
    settings = preferring(RunDirectory(gone))
    run = RunDirectory(tmp_path / "run")
    train(records, run.folder, replace(settings, training=replace(settings.training, epochs=2)), verbose=0)
    shutil.rmtree(gone)
    train(records, run.folder, settings, resume="force", verbose=0)
    assert [list(row.values())[1:] for row in history(run)] == [list(row.values())[1:] for row in history(preferred)]
    for one, two in zip(load_model(run)[0].embeddings(), load_model(preferred)[0].embeddings(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_needs_neither_preferences_nor_reference_after_training(preferred, halves):
    assert evaluate(preferred, records=halves.folder) == pytest.approx(preferred.read("metrics")["test"], abs=1e-6)


@pytest.mark.parametrize("monitor", [pytest.param("pair_accuracy", marks=pytest.mark.long), "pair_accuracy*ndcg@5"])
def test_stopping_may_watch_pair_accuracy_or_both(records, finished, tmp_path, monitor):
    settings = preferring(finished, epochs=1, loss="ipo")
    settings.evaluation = replace(settings.evaluation, monitor=monitor)
    run = train(records, tmp_path / "run", settings, verbose=0)
    row = history(run)[0]
    expected = float(row["val_pair_accuracy"]) * (float(row["val_ndcg@5"]) if "*" in monitor else 1)
    assert run.read("state")[f"validation {monitor}"] == pytest.approx(expected)


@pytest.mark.long
def test_searches_comparisons_and_exports_take_it(records, finished, preferred, tmp_path, capsys):
    files = {"clicks": finished.configuration_file, "preferred": preferred.configuration_file}
    for name, file in files.items():
        shutil.copy(file, tmp_path / f"{name}.yaml")
    models = ",".join(str(tmp_path / f"{name}.yaml") for name in files)
    words = ["compare", "--records", str(records.folder), "--models", models, "--seeds", "1"]
    assert main([*words, "--output", str(tmp_path / "compared"), "--training.epochs", "1"]) == 0
    assert "preferred" in capsys.readouterr().out
    beta = ["--objective.beta", "{log_range: [0.03, 1]}"]
    words = ["tune", "--records", str(records.folder), "--config", str(tmp_path / "preferred.yaml"), "--trials", "2"]
    assert main([*words, "--output", str(tmp_path / "tuned"), "--seeds", "1", "--training.epochs", "1", *beta]) == 0
    best = load_configuration(tmp_path / "tuned" / "best.yaml").objective
    assert (best.name, best.temperature) == ("preference", preferred.configuration.objective.temperature)
    assert main(["export", "--run", str(preferred.folder), "--output", str(tmp_path / "model")]) == 0
    files = [path.name for path in (tmp_path / "model").rglob("*")]
    assert not [name for name in files if "reference" in name or "preference" in name]


def test_names_of_monitored_metrics():
    both = MetricName.parse("pair_accuracy*cold/ndcg@10")
    assert (both.metric, both.k, both.part, str(both), both.ranked) == (
        "ndcg",
        10,
        "cold",
        "pair_accuracy*cold/ndcg@10",
        "cold/ndcg@10",
    )
    assert str(MetricName.parse("pair_accuracy")) == "pair_accuracy"
    with pytest.raises(InvalidInputError, match="unknown metric"):
        MetricName.parse("pair_accuracy*nothing@3")
    for text in ("pair_accuracy*pair_accuracy", "pair_accuracy*pair_accuracy*ndcg@10"):
        with pytest.raises(InvalidInputError, match="has pair_accuracy twice"):
            MetricName.parse(text)


def test_batches_of_preferences_are_each_once_a_pass_and_the_same_from_any_step(records):
    preferences = read_preferences(records, "train")
    options = {"batch_size": 7, "rejected": 2, "seed": 3}
    steps = list(preference_batches(preferences, **options).take(12).as_numpy_iterator())
    later = list(preference_batches(preferences, **options, first_step=5).take(7).as_numpy_iterator())
    for one, two in zip(steps[5:], later, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])
    seen = np.concatenate([each["user"] * 1000 + each["chosen"] for each in steps])[: len(preferences)]
    assert sorted(seen) == sorted(preferences.user * 1000 + preferences.chosen)
    rejected = {(u, c): set() for u, c in zip(preferences.user, preferences.chosen, strict=True)}
    for row, item in zip(preferences.rows, preferences.rejected, strict=True):
        rejected[preferences.user[row], preferences.chosen[row]].add(item)
    for step in steps:
        assert step["there"].all()
        for user, chosen, items in zip(step["user"], step["chosen"], step["rejected"], strict=True):
            assert len(set(items)) == 2
            assert set(items) <= rejected[user, chosen]


def test_replicas_share_a_step_of_preferences(records):
    preferences = read_preferences(records, "train")
    options = {"batch_size": 8, "rejected": 3, "seed": 3, "first_step": 2}
    (whole,) = preference_batches(preferences, **options).take(1).as_numpy_iterator()
    parts = []
    for pipeline in range(2):
        context = tf.distribute.InputContext(2, pipeline, num_replicas_in_sync=4)
        parts += preference_batches(preferences, **options, input_context=context).take(2).as_numpy_iterator()
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)


@pytest.mark.long
def test_two_devices_have_the_losses_of_one(records, finished, tmp_path):
    """Losses, and what is measured of the preferences, with `training.strategy mirrored`."""
    settings = preferring(finished, epochs=3)
    (tmp_path / "preferring.yaml").write_text(settings.to_yaml())
    ran = run_preloaded([MIRRORED_TRAINING, records.folder, tmp_path / "preferring.yaml", tmp_path, "plain"])
    assert ran.returncode == 0, ran.stderr
    one, two = (history(RunDirectory(tmp_path / f"plain {strategy}")) for strategy in ("none", "mirrored"))
    assert len(one) == len(two) == 3
    for row, expected in zip(two, one, strict=True):
        assert row.keys() == expected.keys() >= {"loss", "pair_loss", "chosen_residual", "val_pair_accuracy"}
        for name, value in row.items():
            assert float(value) == pytest.approx(float(expected[name]), rel=1e-4, abs=1e-5), name


def test_what_cannot_work_is_refused_by_name(records, halves, finished, write_halves, tmp_path):
    def refused(expected, record_set=records, change=None, **objective):
        settings = preferring(finished, **objective)
        if change is not None:
            change(settings)
        with pytest.raises(InvalidInputError, match=expected):
            rehearse(record_set, settings)
        with pytest.raises(InvalidInputError, match=expected):
            train(record_set, tmp_path / "run", settings, verbose=0)
        assert not (tmp_path / "run").exists()

    def with_training(**values):
        return lambda settings: vars(settings.training).update(values)

    refused("has no preferences to learn from", halves)
    refused("objective.reference is null: name the finished run", reference=None)
    refused("nowhere: has no configuration.yaml", reference=str(tmp_path / "nowhere"))
    refused("training.init_from is x: training begins with the reference", change=with_training(init_from="x"))
    refused("training.strategy is parameter_server", change=with_training(strategy="parameter_server"))
    refused("training.update is alternating", change=with_training(update="alternating"))
    refused("training.modality_stop is validation_gain", change=with_training(modality_stop="validation_gain"))
    refused("beyond training.feature_budget_gb", change=with_training(feature_budget_gb=0.0))
    refused(r"objective\.label_smoothing is 0.5, expected", label_smoothing=0.5)
    refused("beta is 0.0, expected a number above 0", beta=0.0)
    other = write_halves(tmp_path / "other", test_seed=1)
    pairs = NamedPreferences(["user 0"] * 4, ["item 20", "item 21", "item 22", "item 23"], [["item 24"]] * 4)
    refused(r"reference: .* was trained on another record set", add_preferences(other, pairs, tmp_path / "others"))
    unwatched = preferring(finished)
    unwatched.objective = finished.configuration.objective
    unwatched.evaluation = replace(unwatched.evaluation, monitor="pair_accuracy")
    with pytest.raises(InvalidInputError, match=r"evaluation\.monitor is pair_accuracy, and objective.name is"):
        rehearse(records, unwatched)


def test_a_model_that_is_not_that_of_the_reference_is_refused(records, finished, tmp_path):
    settings = preferring(finished)
    settings.model = replace(settings.model, id_units=6, combination="concatenate")
    with pytest.raises(InvalidInputError, match=r"has no weights for .*so training would not begin with it"):
        train(records, tmp_path / "run", settings, verbose=0)
