"""Searches: what is tried and kept, resumption after kills, Hyperband's promotions, chief and workers."""

import csv
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from preloaded_process import PreloadedProcess

from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.search import trial_tuner
from tf_metammf.trainer.search.search_space import SearchSpace, load_search_space
from tf_metammf.trainer.search.tuning import tune

pytest.importorskip("keras_tuner")


def space_of(**training) -> SearchSpace:
    return SearchSpace.from_mapping(
        {
            "model": {
                "fusion": {"units": [8, 4], "meta_units": 2, "rank": {"choice": [2, None]}},
                "id_units": 4,
            },
            "training": {
                "epochs": 2,
                "batch_size": 64,
                "learning_rate": {"log_range": [1e-3, 0.1]},
                "patience": 0,
                **training,
            },
            "evaluation": {"k": [3, 5], "monitor": "ndcg@5"},
        }
    )


def counted_space(neighbours) -> SearchSpace:
    """Item neighbours, which are counted within a moment, with fields of every type to search."""
    fields = {
        "model": {
            "peer": {"neighbours": {"choice": neighbours}, "shrinkage": {"range": [0.0, 50.0]}},
            "fusion": {"rank": {"choice": [2, None]}},
        },
        "evaluation": {"k": [3, 5], "monitor": "ndcg@5"},
    }
    return load_search_space("item-knn", overrides=fields)


COUNTED = counted_space([1, 2, 5])


def history(run: RunDirectory) -> list[dict[str, str]]:
    return list(csv.DictReader(run.history_file.open()))


@pytest.fixture(scope="module")
def bayesian(halves, tmp_path_factory):
    """Four trials, of which the last follows the Gaussian process, and two seeds of the best."""
    return tune(halves, tmp_path_factory.mktemp("search") / "out", COUNTED, trials=4, seeds=2, verbose=0)


def test_a_trial_is_a_run_directory_that_the_test_split_was_kept_from(bayesian):
    assert [record.trial_id for record in bayesian.trials] == list("0123")
    for record in bayesian.trials:
        run = bayesian.search.trial(record.trial_id)
        assert list(run.read("metrics")) == ["validation"]
        assert run.read("metrics")["validation"]["ndcg@5"] == pytest.approx(record.value, abs=1e-6)
        configuration = run.configuration
        assert configuration.model.fusion.rank == record.parameters["model.fusion.rank"]
        assert configuration.model.encoder.shrinkage == record.parameters["model.encoder.shrinkage"]
        assert record.value == max(float(row["val_ndcg@5"]) for row in history(run))
    assert len({json.dumps(record.parameters) for record in bayesian.trials}) == 4


def test_the_best_configuration_is_a_file_that_train_takes(bayesian):
    best = max(bayesian.trials, key=lambda record: record.value)
    assert best == bayesian.best
    expected = bayesian.search.trial(best.trial_id).configuration
    assert load_configuration(bayesian.search.best_file) == expected


def test_the_best_configuration_is_tested_once_with_seeds_that_no_trial_had(bayesian):
    written = json.loads(bayesian.search.results_file.read_text())
    assert [each["seed"] for each in written["seeds"]] == [1, 2]
    tested = [evaluate(RunDirectory(Path(each["run"])), split="test") for each in written["seeds"]]
    for name in ("recall@5", "cold/ndcg@3"):
        values = [metrics[name] for metrics in tested]
        assert written["mean"]["test"][name] == pytest.approx(np.mean(values), abs=1e-6)
        assert written["deviation"]["test"][name] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert written["trial"] == bayesian.best.trial_id and written["validation"] == bayesian.best.value


def test_the_report_holds_every_trial(bayesian):
    rows = list(csv.DictReader((bayesian.search.folder / "trials.csv").open()))
    assert [float(row["validation ndcg@5"]) for row in rows] == [record.value for record in bayesian.trials]
    assert {row["model.fusion.rank"] for row in rows} <= {"2", "null"}
    assert [row["trial_id"] for row in json.loads((bayesian.search.folder / "trials.json").read_text())] == list("0123")
    assert bayesian.search.plot_file.read_bytes().startswith(b"\x89PNG")


def test_tensorboard_shows_hyperparameters_with_the_objective(bayesian):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util.tensor_util import make_ndarray

    events = EventMultiplexer().AddRunsFromDirectory(str(bayesian.search.tensorboard_folder)).Reload()
    for record in bayesian.trials:
        metadata = events.SummaryMetadata(record.trial_id, "_hparams_/session_start_info")
        content = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
        shrinkage = content.session_start_info.hparams["model.encoder.shrinkage"].number_value
        assert shrinkage == pytest.approx(record.parameters["model.encoder.shrinkage"])
        (event,) = events.Tensors(record.trial_id, "validation ndcg@5")
        assert make_ndarray(event.tensor_proto) == pytest.approx(record.value)


def test_a_finished_search_is_left_as_it_is(bayesian, halves, monkeypatch):
    monkeypatch.setattr(trial_tuner, "train", lambda *_, **__: pytest.fail("a trial was repeated"))
    again = tune(halves, bayesian.search.folder, COUNTED, trials=4, seeds=2, verbose=0)
    assert again.trials == bayesian.trials and again.final == bayesian.final


def test_another_search_is_not_mixed_in(bayesian, halves, write_halves, tmp_path):
    folder = bayesian.search.folder
    with pytest.raises(InvalidInputError, match=r"another search \(training.epochs: 100 in the folder, 3 now\)"):
        tune(halves, folder, COUNTED.with_fixed("training.epochs", 3), trials=4)
    with pytest.raises(InvalidInputError, match=r"model.encoder.neighbours: .*\[1, 2, 5\].* in the folder, .*\[1, 2\]"):
        tune(halves, folder, counted_space([1, 2]), trials=4)
    with pytest.raises(InvalidInputError, match="tuner: bayesian in the folder, random now"):
        tune(halves, folder, COUNTED, tuner="random", trials=4)
    with pytest.raises(InvalidInputError, match="checksum of the record set"):
        tune(write_halves(tmp_path / "other", test_seed=9), folder, COUNTED, trials=4)
    with pytest.raises(InvalidInputError, match="already exists"):
        tune(halves, halves.folder, COUNTED, trials=4)


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (space_of(), {"tuner": "grid"}, 'unknown tuner "grid"'),
        (space_of(), {"trials": 0}, "trials is 0, expected at least 1"),
        (space_of(), {"seeds": -1}, "seeds is -1, expected at least 0"),
        (space_of(batch_size={"range": [0, 8]}), {}, "training.batch_size is 0, expected at least 1"),
        (space_of(epochs={"range": [1, 8]}), {"tuner": "hyperband"}, "training.epochs is varied by hyperband"),
        (SearchSpace({}, {}), {}, "there is no range and no choice to search"),
    ],
)
def test_a_search_that_nothing_could_come_of_is_refused_before_it_begins(space, options, message, halves, tmp_path):
    with pytest.raises(InvalidInputError, match=message):
        tune(halves, tmp_path / "out", space, **options)
    assert not (tmp_path / "out").exists()


def test_without_keras_tuner_the_extra_is_named(halves, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(InvalidInputError, match=r"keras_tuner is not installed.*tf-metammf\[tune\]"):
        tune(halves, tmp_path / "out", space_of())


def test_trials_that_diverge_or_do_not_fit_are_recorded_and_do_not_end_the_search(halves, tmp_path):
    space = SearchSpace.from_mapping(
        space_of().to_mapping()
        | {
            "model": {
                "fusion": {"units": {"choice": [[4], [8]]}, "meta_units": 2, "rank": 2},
                "id_units": 4,
                "normalize": False,
            },
            "training": {"epochs": 1, "batch_size": 64, "learning_rate": {"choice": [0.01, 1e38]}, "patience": 0},
        }
    )
    results = tune(halves, tmp_path / "out", space, tuner="random", trials=4, seeds=0)
    states = {}
    for record in results.trials:
        states[record.parameters["model.fusion.units"][0], record.parameters["training.learning_rate"]] = record
    assert {key: record.state for key, record in states.items()} == {
        (4, 0.01): "finished",
        (4, 1e38): "diverged",
        (8, 0.01): "failed",
        (8, 1e38): "failed",
    }
    assert "the loss became" in states[4, 1e38].message
    assert "id_units is 4, but the fusion gives 8" in states[8, 0.01].message
    assert results.best == states[4, 0.01] and results.final["seeds"] == []


def test_a_search_of_which_nothing_can_be_trained_is_refused_before_it_begins(halves, tmp_path):
    for name, value, message in (
        (
            "model.id_units",
            5,
            r"none of \d+ configurations .* can be trained\. id_units is 5, but the fusion",
        ),
        ("model.combination", "ad", r'model.combination: unknown value "ad"; did you mean "add"'),
    ):
        with pytest.raises(InvalidInputError, match=message):
            tune(halves, tmp_path / "out", space_of().with_fixed(name, value), tuner="random", trials=3)
    assert not (tmp_path / "out").exists()


def test_a_search_in_which_every_trial_fails_says_why(halves, tmp_path, monkeypatch):
    def failing(*_, **__):
        raise InvalidInputError("the disk\nis full")

    monkeypatch.setattr(trial_tuner, "train", failing)
    with pytest.raises(InvalidInputError, match=r"none of 3 trials finished .* The first: the disk is full"):
        tune(halves, tmp_path / "out", COUNTED, tuner="random", trials=3)


class Killed(BaseException):
    """Ends a search as a kill would: nothing of ours handles it."""


def test_a_search_that_is_killed_again_and_again_tries_the_same(bayesian, halves, tmp_path, monkeypatch):
    begun = []

    def killed_in_every_trial(_records, folder, configuration, **_):
        if folder not in begun:
            begun.append(folder)
            raise Killed
        run = RunDirectory(shutil.copytree(bayesian.search.trial(folder.name).folder, folder))
        assert run.configuration == configuration

    monkeypatch.setattr(trial_tuner, "train", killed_in_every_trial)
    for attempt in range(4):
        monkeypatch.setenv("KERASTUNER_TUNER_ID", f"name-{attempt}")
        with pytest.raises(Killed):
            tune(halves, tmp_path / "out", COUNTED, trials=4, seeds=0)
    results = tune(halves, tmp_path / "out", COUNTED, trials=4, seeds=0)
    assert len(begun) == 4 and results.trials == bayesian.trials


@pytest.mark.long
def test_hyperband_goes_on_with_the_run_that_it_promotes(halves, tmp_path):
    space = space_of(epochs=3, deterministic=True)
    results = tune(halves, tmp_path / "out", space, tuner="hyperband", trials=4, seeds=0)
    assert [record.epochs for record in results.trials] == [1, 1, 1, 3]
    best, promoted = max(results.trials[:3], key=lambda record: record.value), results.trials[3]
    assert promoted.continues == best.trial_id and promoted.parameters == best.parameters
    before, after = results.search.trial(best.trial_id), results.search.trial(promoted.trial_id)
    assert history(after)[:1] == history(before)
    assert [row["epoch"] for row in history(after)] == ["0", "1", "2"]
    # Weights and optimiser were those of the end of the first epoch: it is as if it had never stopped.
    whole = trial_tuner.train(halves, tmp_path / "whole", after.configuration, verbose=0)
    assert history(after) == history(whole)
    assert load_configuration(results.search.best_file).training.epochs == 3


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def command(halves, tmp_path_factory):
    file = tmp_path_factory.mktemp("space") / "space.yaml"
    space = space_of(checkpoint_seconds=0.0)
    file.write_text(json.dumps(space.to_mapping()))
    words = ["tune", "--records", str(halves.folder)]
    return lambda output, *more: [*words, "--config", str(file), "--output", str(output), *more]


@pytest.mark.long
def test_a_chief_and_two_workers_search_together(command, tmp_path):
    output, port = tmp_path / "out", str(free_port())
    words = command(output, "--tuner", "hyperband", "--trials", "5", "--seeds", "0", "--training.epochs", "3")
    # Keras Tuner's chief looks every 20 seconds whether all workers have left.
    impatient = "import time; s = time.sleep; time.sleep = lambda n: s(min(n, 0.2)); "
    program = f"{impatient}import sys; from tf_metammf.commands.main import main; sys.exit(main({words}))"
    files = {name: tmp_path / name for name in ("chief", "worker0", "worker1")}
    processes = {
        name: PreloadedProcess(
            ["-c", program],
            environment={
                **os.environ,
                "KERASTUNER_TUNER_ID": name,
                "KERASTUNER_ORACLE_IP": "127.0.0.1",
                "KERASTUNER_ORACLE_PORT": port,
            },
            out=file,
            err=file,
        )
        for name, file in files.items()
    }
    try:
        for process in processes.values():
            process.wait(timeout=600)
        printed = {name: file.read_text() for name, file in files.items()}
    finally:
        for process in processes.values():
            process.kill()
    assert {name: process.returncode for name, process in processes.items()} == dict.fromkeys(processes, 0), printed
    trials = json.loads((output / "trials.json").read_text())
    assert [trial["state"] for trial in trials] == ["finished"] * 5
    # One of the first goes on, with whichever worker asks: the run directory is all that it needs.
    by_id = {trial["trial_id"]: trial for trial in trials}
    (promoted,) = [trial for trial in trials if trial["continues"] is not None]
    before = by_id[promoted["continues"]]
    assert (before["epochs"], promoted["epochs"]) == (1, 3) and before["parameters"] == promoted["parameters"]
    for trial in trials:
        announced = [name for name in printed if f"trial {trial['trial_id']}: ndcg@5" in printed[name]]
        assert len(announced) == 1 and announced[0] != "chief"
    assert "5 trials, best first" in printed["chief"] and (output / "best.yaml").is_file()


@pytest.mark.long
def test_a_killed_command_goes_on_in_the_trial_under_way(command, tmp_path, capsys):
    output = tmp_path / "out"
    words = command(output, "--tuner", "random", "--trials", "1", "--seeds", "0", "--training.epochs", "6")
    process = PreloadedProcess(words)
    deadline = time.monotonic() + 600
    rows = output / "trials/0/history.csv"
    while not (rows.is_file() and rows.read_text().count("\n") > 1) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    assert process.returncode == -signal.SIGKILL
    before = rows.read_text()
    assert before.count("\n") < 7, "the trial was over before it was killed"
    assert main([str(word) for word in words]) == 0
    assert "trial 0: ndcg@5" in capsys.readouterr().err
    after = rows.read_text()
    assert after.startswith(before) and after.count("\n") == 7


def test_half_of_the_variables_of_keras_tuner_are_refused(halves, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(InvalidInputError, match="KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_PORT"):
        tune(halves, tmp_path / "out", space_of())
