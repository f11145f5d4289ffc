"""Two processes on loopback train as one does, and go on when one of them is gone."""

import csv
import signal
from pathlib import Path

import pytest
from loopback_cluster import addresses_of, cluster, wait_until

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.training import train

EPOCHS = 12


@pytest.mark.long
def test_two_processes_end_as_one_does_whatever_becomes_of_them_on_the_way(halves, configuration, tmp_path):
    configuration.training.epochs, configuration.training.checkpoint_seconds = EPOCHS, 0
    configuration.training.batch_size = 140  # two steps an epoch, each with a checkpoint
    (tmp_path / "small.yaml").write_text(configuration.to_yaml())
    run, words = RunDirectory(tmp_path / "run"), command(halves.folder)

    with cluster(words, addresses_of({"worker": 2}), folder=tmp_path) as processes:
        wait_until(lambda: finished_epochs(run) >= 2)
        processes["worker", 1].send_signal(signal.SIGTERM)
        assert [process.wait(timeout=600) for process in processes.values()] == [143, 143]
    before = finished_epochs(run)
    assert "the same command resumes from there" in (tmp_path / "worker-0.err").read_text()

    with cluster(words, addresses_of({"worker": 2}), folder=tmp_path) as processes:
        wait_until(lambda: finished_epochs(run) >= before + 2)
        processes["worker", 1].kill()
        assert processes["worker", 0].wait(timeout=600) == 138
    complaint = (tmp_path / "worker-0.err").read_text()
    assert "another process of the training is gone" in complaint, complaint
    assert "Traceback" not in complaint, complaint
    assert before < finished_epochs(run) < EPOCHS

    with cluster(words, addresses_of({"worker": 2}), folder=tmp_path) as processes:
        assert [process.wait(timeout=600) for process in processes.values()] == [0, 0]
    said = (tmp_path / "worker-1.out").read_text().strip()
    assert said == "worker 1 is done; the chief has written run"

    configuration.training.strategy = "none"
    alone = train(halves, tmp_path / "alone", configuration, verbose=0)
    for row, expected in zip(rows(run), rows(alone), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    assert run.read("metrics")["test"] == pytest.approx(alone.read("metrics")["test"], abs=1e-6)
    assert {path.name for path in run.folder.iterdir()} == {path.name for path in alone.folder.iterdir()}


def test_processes_that_see_different_checkpoints_are_told_to_share_a_file_system(halves, tmp_path):
    class Group:
        index, size = 1, 2

        def lowest(self, value):
            return min(value, 20)

        def highest(self, value):
            return max(value, 20)

    class Nothing:
        def restore(self, trackable, *, into):
            return None

    checkpointing = Checkpointing(
        Nothing(),
        None,
        TrainingState(),
        plan=TrainingPlan.of(Configuration(), halves),
        files=[],
        preemption=None,
        group=Group(),
    )
    with pytest.raises(InvalidInputError, match=r"found the checkpoint of step -1, others that of -1 or 20 .*share"):
        checkpointing.restore(into=tmp_path)


def command(records: Path) -> list[str]:
    return ["train", "--records", str(records), "--run", "run", "--config", "small.yaml", "--strategy", "multi_worker"]


def finished_epochs(run: RunDirectory) -> int:
    return len(rows(run)) if run.history_file.is_file() else 0


def rows(run: RunDirectory) -> list[dict[str, float]]:
    with run.history_file.open() as lines:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]
