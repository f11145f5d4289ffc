"""The race of presets: what runs in it, how it is decided, resumed and told."""

import json

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.commands.race import races
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.recommender import Recommender
from tf_metammf.export.saved_model import export_run
from tf_metammf.trainer.configuration.configuration import Configuration, load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.portfolio import race as race_module
from tf_metammf.trainer.portfolio.candidates import Candidate, candidates
from tf_metammf.trainer.portfolio.race import race
from tf_metammf.trainer.runs.run_directory import RunDirectory

QUICK = {"model": {"id_units": 4, "fusion": {"units": [4]}}, "training": {"epochs": 3, "batch_size": 64}}


def quick(name: str, **training) -> Candidate:
    """A small trained candidate."""
    content = {**QUICK, "training": {**QUICK["training"], **training}}
    configuration = Configuration.from_mapping(content)
    configuration.model.calibration = "validation"
    return Candidate(name, configuration)


@pytest.fixture
def few(monkeypatch) -> list[Candidate]:
    """Two that are trained, of which the second learns nothing, and one that is not."""
    chosen = [Candidate("popularity", load_configuration("popularity"))]
    chosen += [quick("learns", learning_rate=0.05), quick("does-not", learning_rate=1e-9)]
    monkeypatch.setattr(race_module, "candidates", lambda metadata, overrides: chosen)
    monkeypatch.setattr(race_module, "FIRST_EPOCHS", 1)
    monkeypatch.setattr(race_module, "SURVIVORS", 1)
    return chosen


def test_it_leaves_an_ordinary_run_of_the_winner_and_a_record_of_the_race(few, halves, tmp_path):
    run = race(halves, tmp_path / "run", verbose=0)
    record = json.loads((run.folder / "race.json").read_text())
    results = {entry["name"]: entry for entry in record["entries"]}
    assert results["does-not"]["result"] == "behind after 1 epochs" and results["does-not"]["epochs"] == 1
    assert [name for name, entry in results.items() if entry["result"] == "winner"] == ["learns"]
    assert results["learns"]["epochs"] == 3 and record["reason"]
    assert run.is_finished and set(run.read("metrics")) == {"validation", "test"} and run.has("references")
    assert not (run.folder / "race").exists()
    np.testing.assert_allclose(run.read("metrics")["validation"]["ndcg@20"], results["learns"]["value"])
    np.testing.assert_allclose(evaluate(run)["ndcg@20"], run.read("metrics")["test"]["ndcg@20"], rtol=1e-6)
    assert Recommender(export_run(run, tmp_path / "model")).recommend(["user 1"], 3)[0].known
    before = run.metrics_file.stat().st_mtime_ns
    assert race(halves, run.folder, verbose=0).metrics_file.stat().st_mtime_ns == before


def test_a_race_that_was_stopped_repeats_nothing_and_ends_alike(few, halves, tmp_path, monkeypatch):
    whole = race(halves, tmp_path / "whole", verbose=0)
    trained: list[tuple[str, int]] = []
    real = race_module.train

    def stopping(record_set, folder, configuration, **options):
        trained.append((folder.name, configuration.training.epochs))
        if len(trained) == 4:
            raise KeyboardInterrupt
        return real(record_set, folder, configuration, **options)

    monkeypatch.setattr(race_module, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        race(halves, tmp_path / "run", verbose=0)
    assert not RunDirectory(tmp_path / "run").configuration_file.exists()
    run = race(halves, tmp_path / "run", verbose=0)
    once = [("popularity", 100), ("learns", 1), ("does-not", 1)]
    assert trained == [*once, ("learns", 3), ("learns", 3)]
    assert run.read("metrics") == whole.read("metrics")


def test_a_budget_that_is_used_up_leaves_out_what_a_winner_does_not_need(few, halves, tmp_path):
    run = race(halves, tmp_path / "run", budget=0, verbose=0)
    record = json.loads((run.folder / "race.json").read_text())
    results = {entry["name"]: entry["result"] for entry in record["entries"]}
    assert results["does-not"] == "not begun within the budget" and results["learns"] == "winner"


def test_other_data_and_other_folders_are_refused(few, halves, write_halves, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(InvalidInputError, match="taken"):
        race(halves, tmp_path / "taken")
    race_module._record(RunDirectory(tmp_path / "run"), halves, few, resume="auto")
    with pytest.raises(InvalidInputError, match=r"is not the record set that the race in .*run was begun with"):
        race(write_halves(tmp_path / "other", test_seed=5), tmp_path / "run")


def test_candidates_are_those_for_the_data_and_take_other_sections(halves):
    found = {each.name: each for each in candidates(halves.metadata, {"training": {"seed": 3}})}
    assert {"gcn", "default", "cold-start", "ease", "item-knn-content", "popularity"} <= set(found)
    assert {each.configuration.training.seed for each in found.values()} == {3}
    assert found["gcn"].serves_newcomers and not found["ease"].serves_newcomers
    assert {each.configuration.model.calibration for each in found.values() if each.is_trained} == {"validation"}
    with pytest.raises(InvalidInputError, match="model is chosen by the race"):
        candidates(halves.metadata, {"model": {"id_units": 3}})
    with pytest.raises(InvalidInputError, match=r"evaluation\.k is \[5\], without 20"):
        candidates(halves.metadata, {"evaluation": {"k": [5]}})


def test_the_command_races_where_nothing_is_chosen(few, halves, tmp_path, capsys):
    words = ["train", "--records", str(halves.folder), "--run", str(tmp_path / "run")]
    assert main([*words, "--quiet"]) == 0
    assert "taken: learns, " in capsys.readouterr().out
    assert main([*words, "--config", "auto", "--quiet"]) == 0  # finished, so left as it is
    assert main([*words, "--config", "default", "--quiet"]) == 2
    assert main([*words, "--budget", "soon"]) == 2
    assert "--budget is soon, expected a time such as 90s, 10m or 1h." in capsys.readouterr().err


def test_a_choice_of_any_kind_is_trained_alone(tmp_path):
    nothing = RunDirectory(tmp_path / "run")
    assert races(None, Configuration(), nothing) and races(["auto"], Configuration.from_mapping(QUICK), nothing)
    assert not races(["presets/default.yaml"], Configuration(), nothing)
    assert not races(None, Configuration.from_mapping({"training": {"epochs": 3}}), nothing)
    nothing.folder.mkdir()
    nothing.configuration_file.touch()
    assert not races(None, Configuration(), nothing)  # begun by an earlier version, and resumed as it was
