"""A mistake of the user's ends with one line on stderr, exit code 2, no traceback, and nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.synthesis.synthesis import synthesize
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos
from tf_metammf.records.writer import write_record_set


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    data = synthesize(SyntheticVideos(users=30, items=40, interactions_per_user=8, seed=1))
    return write_record_set(data.raw, data.splits, tmp_path_factory.mktemp("records") / "videos", shards=2).folder


@pytest.fixture
def copied(videos, tmp_path) -> Path:
    return Path(shutil.copytree(videos, tmp_path / "videos"))


def mistake(capsys, *words: object) -> str:
    """Runs a command that has to fail, and gives its one line."""
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("tf-metammf: error: ")
    assert "Traceback" not in captured.err + captured.out
    return line


def nothing_but(folder: Path, *names: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "a command is missing. See --help."),
        (["records"], "a command is missing. See --help."),
        (["trian"], 'unknown command "trian"; did you mean "train"?'),
        (
            ["records", "synthesize", "--output", "x", "--sequences", "nedle"],
            'unknown sequences "nedle"; did you mean "needle"?',
        ),
        (["train", "--run", "r"], "missing: records"),
        (["train", "--records", "x", "--run", "r", "--model.fusion.rnk=3"], "did you mean --model.fusion.rank?"),
        (["train", "--records", "x", "--run", "r", "--model.fusion.rank=many"], "found many, expected int or null"),
        (["train", "--records", "x", "--run", "r", "--config", "movielense"], 'did you mean "movielens"?'),
        (["train", "--records", "x", "--run", "r", "--config", "no.yaml"], "no.yaml: file not found."),
        (["train", "--records", "x", "--run", "r"], "so it is not a record set"),
        (["tune", "--records", "x", "--output", "y", "--model.fusion.rnk=3"], "did you mean --model.fusion.rank?"),
        (["tune", "--records", "x", "--output", "y", "--model.l2={range: [1, 0]}"], "expected low below high"),
        (["tune", "--records", "x", "--output", "y", "--model.l2={choice: []}"], "model.l2: found the choice []"),
        (["tune", "--records", "x", "--output", "y", "--config", "movielense"], 'did you mean "movielens"?'),
        (["tune", "--records", "x", "--output", "y", "--trials", "many"], "found many, expected int or null"),
        (["tune", "--records", "x", "--output", "y", "--objective.name=bpr"], "so it is not a record set"),
        (["records", "validate", "x"], "so it is not a record set"),
        (["records", "convert", "--source", "mmrek", "--input", "x", "--output", "y"], 'did you mean "mmrec"?'),
        (["records", "convert", "--source", "mmrec", "--input", "x", "--output", "y"], "x: does not exist"),
        (["records", "synthesize", "--output", "y", "--users", "0"], "users is 0, expected at least 1"),
        (["records", "synthesize", "--output", "y", "--cold_items", "1"], "cold_items is 1"),
        (["evaluate", "--run", "x"], "so it is not a run directory"),
        (["export", "--run", "x", "--output", "y"], "so it is not a run directory"),
        (["recommend", "--model", "x", "--user", "1"], "x"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expected in mistake(capsys, *words)
    assert nothing_but(tmp_path)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--model.fusion.name=metamf", 'unknown fusion "metamf"; did you mean "metammf"?'),
        ("--model.modalities=[visul]", 'unknown modality "visul"; did you mean "visual"?'),
        ("--evaluation.monitor=recal@20", 'unknown metric "recal"; did you mean "recall"?'),
        ("--evaluation.k=[0]", "0"),
        ("--objective.name=bbr", 'unknown objective "bbr"; did you mean "bpr"?'),
        ("--objective.temperature=0", "temperature is 0"),
        ("--model.id_units=3", "id_units is 3, but the fusion gives 64"),
        ("--model.fusion.units=[]", "units"),
    ],
)
def test_a_setting_that_does_not_fit_leaves_no_run(videos, option, expected, capsys, tmp_path):
    run = tmp_path / "run"
    assert expected in mistake(capsys, "train", "--records", videos, "--run", run, option)
    assert not run.exists()


def test_a_truncated_and_a_bit_flipped_shard_are_named_with_the_record(copied, capsys, tmp_path):
    shard = sorted((copied / "items").glob("*.tfrecord-*"))[1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    line = mistake(capsys, "train", "--records", copied, "--run", tmp_path / "run")
    assert shard.name in line and "record 1" in line
    shard.write_bytes(content[: len(content) // 2])
    line = mistake(capsys, "train", "--records", copied, "--run", tmp_path / "run")
    assert shard.name in line and "bytes" in line
    assert main(["records", "validate", str(copied)]) == 1
    assert not (tmp_path / "run").exists()


def test_a_record_set_of_a_newer_schema_says_so(copied, capsys, tmp_path):
    path = copied / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    assert "schema version 99 is newer" in mistake(capsys, "train", "--records", copied, "--run", tmp_path / "run")


def test_existing_outputs_are_not_touched(videos, capsys, tmp_path):
    output = tmp_path / "mine"
    output.mkdir()
    (output / "letter.txt").write_text("keep")
    for words in (
        ["train", "--records", videos, "--run", output],
        ["records", "synthesize", "--output", output],
        ["records", "convert", "--source", "mmrec", "--input", videos, "--output", output],
        ["quickstart", "--output", output],
    ):
        assert "already exists" in mistake(capsys, *words)
    assert nothing_but(output, "letter.txt")


def test_features_that_are_not_finite_are_named_and_leave_nothing(capsys, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "toy.inter").write_text("userID\titemID\tx_label\n0\t0\t0\n0\t1\t1\n1\t2\t0\n1\t0\t2\n")
    features = np.ones((3, 4), np.float32)
    features[2, 1] = np.inf
    np.save(raw / "image_feat.npy", features)
    output = tmp_path / "records"
    line = mistake(capsys, "records", "convert", "--source", "mmrec", "--input", raw, "--output", output)
    assert 'modality "visual": item "2"' in line and "infinite" in line
    assert nothing_but(tmp_path, "raw")


def test_a_loss_that_is_no_number_ends_training_with_the_step(videos, capsys, tmp_path):
    line = mistake(
        capsys, "train", "--records", videos, "--run", tmp_path / "run", "--training.learning_rate=1e38",
        "--model.normalize=false", "--training.epochs=3",
    )  # fmt: skip
    assert "at step" in line
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == "diverged"


def test_an_error_of_the_system_is_one_line(videos, capsys, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "run/model.weights.h5")

    monkeypatch.setattr("tf_metammf.trainer.training.train", full)
    line = mistake(capsys, "train", "--records", videos, "--run", tmp_path / "run", "--config", "default")
    assert line == "tf-metammf: error: run/model.weights.h5: No space left on device"


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a separate file system of 300 kB, where the system lets us mount one."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here; that takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_is_one_line_and_leaves_nothing(full_disk, capsys):
    line = mistake(
        capsys, "records", "synthesize", "--output", full_disk / "videos", "--users", "400", "--items", "900"
    )
    assert "could not be written" in line and "space" in line.lower()
    assert nothing_but(full_disk)


def test_a_terminated_command_leaves_nothing(tmp_path):
    target = tmp_path / "here" / "videos"
    words = ["records", "synthesize", "--output", target, "--users", "300", "--items", "100000"]
    with subprocess.Popen([sys.executable, "-m", "tf_metammf.commands.main", *map(str, words)]) as process:
        while not list(tmp_path.glob("here/.videos.partial-*/*/*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
    assert process.returncode == 143
    assert nothing_but(target.parent)


def test_keras_3_is_refused_with_what_to_do():
    words = [sys.executable, "-m", "tf_metammf.commands.main", "records", "synthesize", "--output", "x"]
    ran = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "TF_USE_LEGACY_KERAS": "0"}
    )
    assert ran.returncode == 2
    assert "expected Keras 2" in ran.stderr and "TF_USE_LEGACY_KERAS=1" in ran.stderr and "Traceback" not in ran.stderr
