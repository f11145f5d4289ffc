"""The race of presets: what runs in it, how it is decided, resumed and told."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.commands import race as race_command
from tf_metammf.commands.main import main
from tf_metammf.commands.race import races
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.recommender import Recommender
from tf_metammf.export.saved_model import export_run
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.portfolio import decision as decision_module
from tf_metammf.trainer.portfolio import race as race_module
from tf_metammf.trainer.portfolio.candidates import Candidate
from tf_metammf.trainer.portfolio.decision import metric_of_users
from tf_metammf.trainer.portfolio.race import race
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory

QUICK = {"model": {"id_units": 4, "fusion": {"units": [4]}}, "training": {"epochs": 3, "batch_size": 64}}


def quick(name: str, **training) -> Candidate:
    """A small trained candidate."""
    content = {**QUICK, "training": {**QUICK["training"], **training}}
    configuration = Configuration.from_mapping(content)
    configuration.model.calibration = "validation"
    return Candidate(name, configuration)


@pytest.fixture
def few(monkeypatch) -> None:
    """One that is solved, and two that are trained, of which the second learns nothing."""
    chosen = [Candidate("popularity", load_configuration("popularity"))]
    chosen += [quick("learns", learning_rate=0.05), quick("does-not", learning_rate=1e-9)]
    for module in (race_module, race_command):
        monkeypatch.setattr(module, "candidates", lambda metadata, overrides: chosen)
    monkeypatch.setattr(race_module, "FIRST_EPOCHS", 1)
    monkeypatch.setattr(race_module, "FIRST_STEPS", 0)
    monkeypatch.setattr(race_module, "SURVIVORS", 1)
    monkeypatch.setattr(decision_module, "FEW_USERS", 0)
    monkeypatch.setattr(race_module, "CHEAP", 0)


@pytest.fixture
def drawn(few, monkeypatch) -> Callable[..., list[tuple[str, int]]]:
    """Replaces trainings by given values on validation; returns what is trained, and for how many epochs."""

    def draw(
        values: dict[str, float],
        *,
        seconds: float | dict[str, float] = 1.0,
        stop: int | None = None,
        cold: float | None = None,
    ) -> list[tuple[str, int]]:
        trained: list[tuple[str, int]] = []

        def train(record_set, folder, configuration, **options):
            trained.append((folder.name, configuration.training.epochs))
            if len(trained) == stop:
                raise KeyboardInterrupt
            run = RunDirectory(folder)
            if not folder.exists():
                folder.parent.mkdir(exist_ok=True)
                create_run_directory(folder, configuration, record_set)
            of_cold = {} if cold is None else {"cold/recall@20": cold}
            run.write("metrics", {"validation": {"ndcg@20": values[folder.name], **of_cold}})
            taken = seconds[folder.name] * configuration.training.epochs if isinstance(seconds, dict) else seconds
            run.write("state", {"state": "finished", "seconds": taken})
            return run

        monkeypatch.setattr(race_module, "train", train)
        # Users who differ by 0.1 either way, from a mean that is the value.
        noise = np.tile([-0.1, 0.1], 50)
        scattered = {name: value + (noise if name == "learns" else 0) for name, value in values.items()}
        monkeypatch.setattr(race_module._Race, "_of_users", lambda self, name: scattered[name] + np.zeros(100))
        monkeypatch.setattr(race_module._Race, "finish", lambda self: None)
        return trained

    return draw


def results(folder: Path) -> dict[str, str | None]:
    record = json.loads((folder / "race.json").read_text())
    return {entry["name"]: entry["result"] for entry in record["entries"]}


@pytest.mark.long
def test_the_command_leaves_an_ordinary_run_of_the_winner_and_a_record(few, halves, tmp_path, capsys):
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--quiet"]
    assert main(words) == 0
    assert "taken: learns, " in capsys.readouterr().out
    run = RunDirectory(tmp_path / "run")
    assert results(run.folder) == {"popularity": "behind", "learns": "winner", "does-not": "behind after 1 epochs"}
    assert run.is_finished and set(run.read("metrics")) == {"validation", "test"} and run.has("references")
    assert not (run.folder / "race").exists()
    entry = json.loads((run.folder / "race.json").read_text())["entries"][1]
    assert entry["epochs"] == entry["trained"] == 3 and entry["value"] == run.read("metrics")["validation"]["ndcg@20"]
    np.testing.assert_allclose(evaluate(run)["ndcg@20"], run.read("metrics")["test"]["ndcg@20"], rtol=1e-6)
    assert Recommender(export_run(run, tmp_path / "model")).recommend(["user 1"], 3)[0].known
    before = run.metrics_file.stat().st_mtime_ns
    assert main([*words, "--config", "auto"]) == 0  # finished, so left as it is
    assert run.metrics_file.stat().st_mtime_ns == before
    assert main([*words, "--config", "default"]) == 2
    assert main([*words, "--budget", "soon"]) == 2
    assert "--budget is soon, expected a time such as 90s, 10m or 1h." in capsys.readouterr().err


def test_a_race_that_was_stopped_repeats_nothing_that_was_measured(drawn, halves, tmp_path):
    values = {"popularity": 0.1, "learns": 0.3, "does-not": 0.05}
    trained = drawn(values, stop=4)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run")
    assert trained == [("popularity", 100), ("learns", 1), ("does-not", 1), ("learns", 3)]
    trained = drawn(values)
    race(halves, tmp_path / "run")
    assert trained == [("learns", 3)]
    assert results(tmp_path / "run")["learns"] == "winner"


def test_what_is_within_a_standard_error_of_the_last_finalist_is_trained_to_its_end_too(
    drawn, halves, tmp_path, monkeypatch
):
    values = {"popularity": 0.1, "learns": 0.3, "does-not": 0.295}  # the standard error is 0.1 / sqrt(100)
    trained = drawn(values, stop=5)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run")
    assert trained[-2:] == [("learns", 3), ("does-not", 3)]
    values["learns"] = 0.5  # who is trained to the end is decided once
    trained = drawn(values)
    race(halves, tmp_path / "run")
    assert trained == [("does-not", 3)] and results(tmp_path / "run")["does-not"] == "behind"
    trained = drawn({**values, "does-not": 0.285})
    race(halves, tmp_path / "far")
    assert ("does-not", 3) not in trained


def test_a_race_of_an_earlier_version_goes_on_with_its_own_candidates(drawn, halves, tmp_path, monkeypatch):
    values = {"popularity": 0.1, "learns": 0.3, "does-not": 0.05, "new": 0.9}
    drawn(values, stop=1)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run")
    now = [quick("learns", learning_rate=0.05), quick("does-not"), quick("new")]
    monkeypatch.setattr(race_module, "candidates", lambda metadata, overrides: now)
    trained = drawn(values)
    race(halves, tmp_path / "run")
    assert {name for name, _ in trained} == {"popularity", "learns", "does-not"}
    assert results(tmp_path / "run") == {
        "popularity": "behind",
        "learns": "winner",
        "does-not": "behind after 1 epochs",
    }


def test_candidates_are_first_compared_after_enough_steps(drawn, halves, tmp_path, monkeypatch):
    steps = halves.metadata.splits["train"].interactions / QUICK["training"]["batch_size"]
    monkeypatch.setattr(race_module, "FIRST_STEPS", 1.5 * steps)
    trained = drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05})
    race(halves, tmp_path / "run")
    assert trained == [("popularity", 100), ("learns", 2), ("does-not", 2), ("learns", 3)]
    assert results(tmp_path / "run")["does-not"] == "behind after 2 epochs"
    monkeypatch.setattr(race_module, "FIRST_STEPS", 9 * steps)  # more than there are: all are trained to their end
    race(halves, tmp_path / "whole")
    assert results(tmp_path / "whole")["does-not"] == "behind"


def test_what_is_behind_at_first_is_trained_to_its_end_where_that_is_cheap(drawn, halves, tmp_path, monkeypatch):
    """By then 1 second is gone for its epoch and 3 for the finalist, and 2 more epochs take 2."""
    monkeypatch.setattr(race_module, "CHEAP", 0.5)
    seconds = {"popularity": 0, "learns": 1, "does-not": 1}
    for budget, epochs in ((12, 3), (11, 1)):
        trained = drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05}, seconds=seconds)
        race(halves, tmp_path / str(budget), budget=budget)
        assert max(n for name, n in trained if name == "does-not") == epochs
        expected = "behind" if epochs == 3 else "behind after 1 epochs"
        assert results(tmp_path / str(budget))["does-not"] == expected


def test_a_finalist_gets_as_many_epochs_as_fit_into_the_budget(drawn, halves, tmp_path, monkeypatch):
    monkeypatch.setattr(race_module, "SURVIVORS", 2)
    monkeypatch.setattr(race_module, "SLOWER", 1)
    values = {"popularity": 0.1, "learns": 0.3, "does-not": 0.2}
    for budget, epochs in ((60, 3), (45, 2), (30, 1)):  # 30 seconds are gone by then, and 10 more for every epoch
        trained = drawn(values, seconds=10)
        race(halves, tmp_path / str(budget), budget=budget)
        assert ("learns", 3) in trained and max(n for name, n in trained if name == "does-not") == epochs
        assert results(tmp_path / str(budget)) == {"popularity": "behind", "learns": "winner", "does-not": "behind"}


def test_other_settings_than_those_of_the_race_are_refused(drawn, halves, tmp_path):
    drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05})
    race(halves, tmp_path / "run", overrides={"training": {"seed": 3}})
    race(halves, tmp_path / "run", overrides={"training": {"seed": 3}})
    with pytest.raises(InvalidInputError, match=r"other settings \(training.seed 3 in the folder, none now\)"):
        race(halves, tmp_path / "run")


def test_a_race_that_was_killed_while_the_winner_was_moved_becomes_its_run(halves, tmp_path, monkeypatch):
    alone = Candidate("popularity", load_configuration("popularity"))
    monkeypatch.setattr(race_module, "candidates", lambda metadata, overrides: [alone])
    move, moved = Path.replace, []

    def killed(path, target):
        if Path(target).parent == tmp_path / "run" and path.parent.name == "popularity":
            moved.append(path.name)
            if len(moved) == 3:
                raise KeyboardInterrupt
        return move(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run", verbose=0)
    monkeypatch.setattr(Path, "replace", move)
    assert moved[0] == "model.weights.h5" and not RunDirectory(tmp_path / "run").configuration_file.is_file()
    run = race(halves, tmp_path / "run", verbose=0)
    assert run.is_finished and set(run.read("metrics")) == {"validation", "test"} and not (run.folder / "race").exists()
    np.testing.assert_allclose(evaluate(run)["ndcg@20"], run.read("metrics")["test"]["ndcg@20"], rtol=1e-6)


def test_users_are_compared_by_what_is_monitored(finished, halves):
    metrics = finished.read("metrics")["validation"]
    for monitor, name in (("warm/recall@5", "warm/recall@5"), ("mrr@3", "ndcg@3")):
        values = metric_of_users(finished, halves, MetricName.parse(monitor))
        assert values.mean() == pytest.approx(metrics[name])


@pytest.mark.parametrize(("popularity", "winner"), [(0.309, "learns"), (0.32, "popularity")])
def test_what_serves_new_items_is_taken_within_a_standard_error_of_the_best(
    popularity, winner, drawn, halves, tmp_path
):
    drawn({"popularity": popularity, "learns": 0.3, "does-not": 0.05})  # the standard error is 0.1 / sqrt(100)
    race(halves, tmp_path / "run")
    assert [name for name, result in results(tmp_path / "run").items() if result == "winner"] == [winner]


@pytest.mark.parametrize(("cold", "winner"), [(0.1, "learns"), (0.0, "popularity")])
def test_what_finds_no_cold_item_is_not_taken_for_serving_new_ones(cold, winner, drawn, halves, tmp_path):
    drawn({"popularity": 0.309, "learns": 0.3, "does-not": 0.05}, cold=cold)
    race(halves, tmp_path / "run")
    assert [name for name, result in results(tmp_path / "run").items() if result == "winner"] == [winner]


def test_a_budget_without_a_race_is_refused(halves, tmp_path, capsys):
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run"), "--budget", "5s"]
    assert main([*words, "--training.epochs", "1"]) == 2
    assert "--budget is 5s, which bounds a race of presets, but other options have" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_takes_no_training_is_taken_within_a_standard_error_of_what_cannot_serve_new_items(
    drawn, halves, tmp_path, monkeypatch
):
    monkeypatch.setattr(Candidate, "serves_newcomers", False)
    drawn({"popularity": 0.295, "learns": 0.3, "does-not": 0.05})
    race(halves, tmp_path / "run")
    assert results(tmp_path / "run")["popularity"] == "winner"


@pytest.mark.parametrize(("popularity", "winner"), [(0.271, "popularity"), (0.269, "learns"), (0.31, "popularity")])
def test_few_users_do_not_judge_what_is_trained(popularity, winner, drawn, halves, tmp_path, monkeypatch):
    """It has to be ahead by three standard errors, of 0.01 each, and is not taken for serving new items."""
    monkeypatch.setattr(decision_module, "FEW_USERS", 101)
    drawn({"popularity": popularity, "learns": 0.3, "does-not": 0.05})
    race(halves, tmp_path / "run")
    assert [name for name, result in results(tmp_path / "run").items() if result == "winner"] == [winner]


def test_what_does_not_fit_into_the_budget_is_not_begun(drawn, halves, tmp_path):
    trained = drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05}, seconds=10)
    race(halves, tmp_path / "run", budget=50)  # 20 seconds by then, and up to four times 10 for the next one
    assert "does-not" not in dict(trained)
    assert results(tmp_path / "run")["does-not"] == "not begun within the budget"


def test_what_is_far_slower_than_the_others_is_left_out_after_an_epoch(drawn, halves, tmp_path, monkeypatch):
    """Ten epochs of the first take 20 seconds, and 10 of the second would take 300."""
    monkeypatch.setattr(race_module, "FIRST_EPOCHS", 10)
    values = {"popularity": 0.1, "learns": 0.3, "does-not": 0.05}
    slow = {"popularity": 0, "learns": 2, "does-not": 30}
    longer = [quick(name, epochs=30) for name in ("learns", "does-not")]
    monkeypatch.setattr(race_module, "candidates", lambda metadata, overrides: longer)
    trained = drawn(values, seconds=slow)
    race(halves, tmp_path / "run", budget=200)
    assert trained == [("learns", 10), ("does-not", 1), ("learns", 30)]
    assert results(tmp_path / "run")["does-not"] == "10 epochs do not fit into the budget, one took 30 s"
    trained.clear()
    race(halves, tmp_path / "larger", budget=700)  # 80 s at most would be more than a tenth: tried first, and it fits
    assert trained == [("learns", 10), ("does-not", 1), ("does-not", 10), ("learns", 30)]
    trained.clear()
    race(halves, tmp_path / "largest", budget=10000)
    assert trained == [("learns", 10), ("does-not", 10), ("learns", 30)]


def test_a_race_that_was_stopped_after_a_first_epoch_goes_on_with_it(drawn, halves, tmp_path, monkeypatch):
    monkeypatch.setattr(race_module, "FIRST_EPOCHS", 2)
    values, slow = {"popularity": 0.1, "learns": 0.3, "does-not": 0.05}, {"popularity": 0, "learns": 2, "does-not": 5}
    drawn(values, seconds=slow, stop=4)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run", budget=60)
    trained = drawn(values, seconds=slow)
    race(halves, tmp_path / "run", budget=60)
    assert trained == [("does-not", 2), ("learns", 3)]


def test_neighbours_of_very_many_items_are_not_raced(drawn, halves, tmp_path, monkeypatch):
    monkeypatch.setattr("tf_metammf.trainer.portfolio.candidates.COMPARED_ITEMS", halves.metadata.items - 1)
    neighbours = Candidate("item-knn", load_configuration("item-knn"))
    monkeypatch.setattr(race_module, "candidates", lambda metadata, overrides: [neighbours, quick("learns")])
    trained = drawn({"learns": 0.3})
    race(halves, tmp_path / "run")
    assert "item-knn" not in dict(trained)
    assert results(tmp_path / "run")["item-knn"].startswith("compares all pairs of ")


def test_what_cannot_be_trained_is_left_out_with_the_reason(drawn, halves, tmp_path, monkeypatch):
    drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05})
    drawn_train = race_module.train

    def refusing(record_set, folder, configuration, **options):
        if folder.name == "popularity":
            raise InvalidInputError("too large")
        return drawn_train(record_set, folder, configuration, **options)

    monkeypatch.setattr(race_module, "train", refusing)
    race(halves, tmp_path / "run")
    assert results(tmp_path / "run")["popularity"] == "too large"


def test_other_data_and_other_folders_are_refused(drawn, halves, write_halves, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(InvalidInputError, match="taken"):
        race(halves, tmp_path / "taken")
    drawn({"popularity": 0.1, "learns": 0.3, "does-not": 0.05})
    race(halves, tmp_path / "run")
    with pytest.raises(InvalidInputError, match=r"is not the record set that the race in .*run was begun with"):
        race(write_halves(tmp_path / "other", test_seed=5), tmp_path / "run")


def test_a_choice_of_any_kind_is_trained_alone(tmp_path):
    run = RunDirectory(tmp_path / "run")
    assert races(None, Configuration(), run) and races(["auto"], Configuration.from_mapping(QUICK), run)
    assert not races(["presets/default.yaml"], Configuration(), run)
    assert not races(None, Configuration.from_mapping({"training": {"epochs": 3}}), run)
    run.folder.mkdir()
    run.configuration_file.touch()
    assert not races(None, Configuration(), run)  # begun by an earlier version, and resumed as it was
