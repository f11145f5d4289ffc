"""What `tf-metammf runs` says of run directories, and runs that are repeated by `train --from`."""

import json
import shutil

import pytest

from tf_metammf.commands.main import main
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_listing import list_runs
from tf_metammf.trainer.runs.run_lock import locked


@pytest.fixture
def runs(finished, tmp_path):
    """A copy of a finished run, one that says it is running, and one without a state."""
    for name in ("a/finished", "b", "c"):
        shutil.copytree(finished.folder, tmp_path / name)
    RunDirectory(tmp_path / "b").write("state", {"state": "running", "seconds": 2.0})
    (tmp_path / "c/state.json").unlink()
    (tmp_path / "no_run").mkdir()
    return tmp_path


def test_runs_are_listed_with_their_state_and_best_metric(runs, finished):
    with locked(runs / "c"):
        found = {str(run.folder.relative_to(runs)): run for run in list_runs(runs)}
    assert {name: run.state for name, run in found.items()} == {"a/finished": "finished", "b": "killed", "c": "running"}
    assert {run.folder: run.state for run in list_runs(runs)}[runs / "c"] == "failed"
    state = finished.read("state")
    best = found["a/finished"]
    assert (best.metric, best.value, best.best_epoch) == ("ndcg@5", state["validation ndcg@5"], state["best_epoch"])
    assert best.bytes == sum(path.stat().st_size for path in finished.folder.rglob("*") if path.is_file())


def test_the_command_prints_a_table_and_json(runs, capsys):
    assert main(["runs", str(runs)]) == 0
    assert "finished" in capsys.readouterr().out
    assert main(["runs", str(runs), "--json"]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["finished", "killed", "failed"]
    assert main(["runs", str(runs / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_run_is_repeated_from_its_directory_alone(finished, tmp_path, capsys):
    assert main(["train", "--from", str(finished.folder), "--run", str(tmp_path / "again")]) == 0
    again = RunDirectory(tmp_path / "again")
    assert again.read("metrics") == finished.read("metrics")
    assert again.configuration == finished.configuration


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--from", "nowhere"], "--from nowhere: has no configuration.yaml"), ([], "missing: records. Give --records")],
)
def test_a_train_command_without_data_says_what_is_missing(words, message, tmp_path, capsys):
    assert main(["train", "--run", str(tmp_path / "run"), *words]) == 2
    assert message in capsys.readouterr().err
