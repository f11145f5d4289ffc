"""What a model card says of times, limits, licence and commits."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.export.model_limits import model_limits
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.time_range import shown_time, time_range
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.runs.source_commit import commit_of, source_commits


@pytest.mark.parametrize("times", [None, [1_700_000_000, 1_700_000_060, 1_699_999_940]])
def test_the_times_of_a_record_set_are_the_first_and_the_last_of_all_splits(tmp_path, times):
    user, item = np.array([0, 1, 0]), np.array([0, 1, 1])
    every = Interactions(user, item, None if times is None else np.array(times))
    splits = {
        "train": every.take(np.array([0])),
        "validation": every.take(np.array([1])),
        "test": every.take(np.array([2])),
    }
    data = RawData("small", ["a", "b"], ["v", "w"], every, {}, splits)
    found = time_range(write_record_set(data, splits, tmp_path / "records"))
    assert found == ({} if times is None else {"first": 1_699_999_940, "last": 1_700_000_060})


def test_times_that_can_be_seconds_are_shown_as_dates():
    assert shown_time(1_700_000_000) == "2023-11-14 22:13:20 UTC"
    assert shown_time(17) == "17"
    assert shown_time(1_700_000_000_000) == "1700000000000"


def test_limits_follow_from_signatures_metrics_times_and_index():
    card = {
        "data": {"times": {"first": 0, "last": 1_700_000_000}},
        "metrics": {"test": {"recall@10": 0.2, "recall@20": 0.25, "cold/recall@10": 0.01, "cold/recall@20": 0.03}},
    }
    text = "\n".join(
        model_limits(card, ["recommend_for_history", "recommend_new_items"], index={"index": "partitioned"})
    )
    assert "recommend_for_history serves them" in text and "recommend_new_items ranks them" in text
    assert "after 2023-11-14 22:13:20 UTC" in text
    assert "recall@20 is 0.0300 on the test split, against 0.2500" in text
    assert "approximate" in text
    plain = "\n".join(model_limits({"data": None, "metrics": None}, [], index={}))
    assert "this model cannot rank them" in plain
    assert not any(word in plain for word in ("approximate", "after", "recall@"))


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", "-C", folder, *names, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_folder_and_says_whether_files_changed(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet")
    assert commit_of(project) is None  # without a commit
    (project / "train.py").write_text("1\n")
    (project / ".gitignore").write_text("installed/\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "first")
    commit = git(project, "rev-parse", "HEAD")
    assert commit_of(project) == {"commit": commit, "changed": False}
    (project / "notes.txt").touch()
    assert commit_of(project)["changed"] is False
    (project / "train.py").write_text("2\n")
    assert commit_of(project) == {"commit": commit, "changed": True}
    (project / "installed").mkdir()
    assert commit_of(project / "installed") is None


def test_nothing_fails_where_git_does_not_know_or_is_not_there(tmp_path, monkeypatch):
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "missing") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commits(tmp_path) == {"tf-metammf": None, "working directory": None}
