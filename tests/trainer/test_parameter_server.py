"""A chief, two workers and two parameter servers on loopback."""

import json
import signal

import pytest
from loopback_cluster import addresses_of, cluster, start, wait_until

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.distribution.server_process import check_server_path
from tf_metammf.trainer.evaluation import evaluate
from tf_metammf.trainer.planning.training_plan import plan_training
from tf_metammf.trainer.runs.run_directory import RunDirectory

ROLES = {"ps": 2, "worker": 2, "chief": 1}
EPOCHS = 25


@pytest.mark.long
def test_training_survives_a_worker_and_the_chief_and_ends_everywhere(halves, configuration, tmp_path):
    configuration.training.epochs, configuration.training.strategy = EPOCHS, "parameter_server"
    # Wide enough for tables of two parts.
    configuration.model.fusion.units = [8, 4096]
    configuration.model.id_units, configuration.model.combination = 4096, "add"
    (tmp_path / "wide.yaml").write_text(configuration.to_yaml())
    words = ["train", "--records", str(halves.folder), "--run", "run", "--config", "wide.yaml"]
    run = RunDirectory(tmp_path / "run")
    addresses = addresses_of(ROLES)
    with cluster(words, addresses, folder=tmp_path) as processes:
        wait_until(lambda: epochs(run) >= 2)
        processes["worker", 1].kill()
        done = epochs(run)
        wait_until(lambda: epochs(run) >= done + 2)
        processes["chief", 0].kill()
        assert processes["chief", 0].wait() == -signal.SIGKILL
        assert "in 2 parts" in (tmp_path / "chief-0.err").read_text()
        assert epochs(run) < EPOCHS and "finished" not in json.dumps(run.read("state"))
        again = {
            process: start(words, addresses, *process, folder=tmp_path) for process in [("worker", 1), ("chief", 0)]
        }
        try:
            endings = {**processes, **again}
            assert {name: process.wait(timeout=600) for name, process in endings.items()} == dict.fromkeys(endings, 0)
        finally:
            for process in again.values():
                process.kill()
    assert epochs(run) == EPOCHS
    assert "ps 1 is done" in (tmp_path / "ps-1.out").read_text()
    metrics = run.read("metrics")["test"]
    assert metrics["recall@5"] > 0.5  # of two halves, users like one
    assert evaluate(run) == pytest.approx(metrics, rel=1e-6)


def epochs(run: RunDirectory) -> int:
    return max(len(run.history_file.read_text().splitlines()) - 1, 0) if run.history_file.is_file() else 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"encoder": "sage"}}, "model.encoder.name is sage; .* only mf is possible"),
        ({"objective": {"name": "bpr"}}, "objective.name is bpr; .* only in_batch_softmax is possible"),
        ({"training": {"deterministic": True}}, "training.deterministic is True"),
        ({"training": {"mixed_precision": "bfloat16"}}, "training.mixed_precision is bfloat16"),
        ({"training": {"jit_compile": True}}, "training.jit_compile is True"),
        ({"training": {"init_from": "earlier"}}, "training.init_from is earlier"),
        ({"training": {"rollbacks": 1}}, "training.rollbacks is 1"),
        ({"training": {"profile_steps": 1}}, "training.profile_steps is 1"),
    ],
)
def test_what_does_not_go_with_servers_is_refused_by_name(settings, message, halves):
    plan_training(configured({}), halves)
    with pytest.raises(InvalidInputError, match=message):
        plan_training(configured(settings), halves)


def configured(settings: dict) -> Configuration:
    training = {"strategy": "parameter_server", **settings.get("training", {})}
    return Configuration.from_mapping({**settings, "training": training})


def test_a_path_that_servers_cannot_read_from_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r"\[lr=0\.1\]: the servers .* Choose another --run"):
        check_server_path(tmp_path / "[lr=0.1]")
