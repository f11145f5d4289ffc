"""What version 0.1 wrote is still read, and means the same."""

import csv
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.export.recommender import Recommender
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.validation import validate
from tf_metammf.trainer.configuration.configuration import load_configuration
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.runs.run_directory import open_run_directory
from tf_metammf.trainer.training import train

ARCHIVE = Path(__file__).with_name("version-0.1.tar.xz")
RUNS = [
    "attention",
    "bm3",
    "freedom",
    "invrl",
    "item_knn",
    "lattice",
    "lightgcn",
    "mf",
    "mmgcn",
    "popularity",
    "sage",
    "vbpr",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The folder in which version 0.1 wrote, unpacked."""
    folder = tmp_path_factory.mktemp("version-0.1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for file in folder.rglob("*"):
        if file.suffix in (".json", ".yaml"):
            file.write_text(file.read_text(encoding="utf-8").replace("@HERE@", str(folder)), encoding="utf-8")
    return folder


def test_the_record_set_is_valid_and_has_the_checksum_it_had(kept):
    record_set = open_record_set(kept / "records")
    assert not list(validate(kept / "records"))
    assert record_set.metadata.checksum == json.loads((kept / "runs/mf/records.json").read_text())["checksum"]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_has_the_metrics_it_had(kept, name):
    run = open_run_directory(kept / "runs" / name)
    metrics = evaluate(run)
    for metric, value in run.read("metrics")["test"].items():
        assert metrics[metric] == pytest.approx(value, abs=1e-6), metric


def test_a_configuration_file_of_each_run_means_the_same(kept):
    for name in RUNS:
        run = open_run_directory(kept / "runs" / name)
        assert load_configuration(run.configuration_file) == run.configuration


def test_a_run_is_resumed_from_its_checkpoint_to_the_end_it_would_have_had(kept, tmp_path):
    run = open_run_directory(kept / "runs/resumable")
    configuration = run.configuration
    configuration.training.epochs = 4
    train(open_record_set(kept / "records"), run.folder, configuration, resume="force", verbose=0)
    expected = json.loads((kept / "resumed_metrics.json").read_text())
    for metric, value in expected["test"].items():
        assert run.read("metrics")["test"][metric] == pytest.approx(value, abs=1e-6), metric
    with (kept / "resumed_history.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    with run.history_file.open() as file:
        now = [float(row["loss"]) for row in csv.DictReader(file)]
    # Version 0.1 showed the mean over batches; today's is over interactions, and the last batch is short.
    assert now[:2] == pytest.approx(losses[:2], rel=1e-5) and len(now) == len(losses)


@pytest.mark.long
def test_a_run_is_trained_further_on_by_a_warm_start_and_exported(kept, tmp_path, capsys):
    words = ["train", "--from", kept / "runs/mf", "--run", tmp_path / "run", "--init_from", kept / "runs/mf"]
    assert main([*map(str, words), "--training.epochs", "1"]) == 0
    assert main(["export", "--run", str(kept / "runs/mf"), "--output", str(tmp_path / "models")]) == 0
    assert_answers_are_those_of_version_0_1(kept, tmp_path / "models")


def test_an_export_answers_as_it_did(kept):
    assert_answers_are_those_of_version_0_1(kept, kept / "models")


def assert_answers_are_those_of_version_0_1(kept: Path, models: Path) -> None:
    expected = json.loads((kept / "recommended.json").read_text())
    found = Recommender(models).recommend([answer["user"] for answer in expected], 5)
    for answer, now in zip(expected, found, strict=True):
        assert now.known == answer["known"]
        assert list(now.item_ids) == answer["items"]
        np.testing.assert_allclose(now.scores, answer["scores"], atol=1e-5)


@pytest.mark.long
def test_a_search_and_a_comparison_that_are_complete_are_not_run_again(kept, capsys):
    words = ["--records", str(kept / "records"), "--output"]
    search = ["--config", str(kept / "space.yaml"), "--trials", "2", "--seeds", "2", "--tuner", "random"]
    compared = ["--models", f"{kept / 'small.yaml'},{kept / 'none.yaml'}", "--seeds", "2"]
    before = {file: file.stat().st_mtime_ns for file in kept.rglob("model.weights.h5")}
    assert main(["tune", *words, str(kept / "search"), *search]) == 0
    assert main(["compare", *words, str(kept / "comparison"), *compared]) == 0
    assert {file: file.stat().st_mtime_ns for file in kept.rglob("model.weights.h5")} == before
