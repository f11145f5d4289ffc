"""The files for clusters: what they say is what the command line and the training understand."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tf_metammf.commands import task
from tf_metammf.commands.main import _parser
from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.distribution.cluster import Cluster
from tf_metammf.trainer.runs.run_directory import RunDirectory

FOLDER = Path(__file__).parents[2] / "examples" / "clusters"


def tfjob(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text())["spec"]["tfReplicaSpecs"]


@pytest.mark.parametrize("name", ["tfjob-multi-worker.yaml", "tfjob-parameter-server.yaml"])
def test_a_tfjob_restarts_by_exit_code_and_its_options_are_those_of_train(name):
    job = yaml.safe_load((FOLDER / name).read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    replicas = tfjob(name)
    for process in replicas.values():
        assert process["restartPolicy"] == "ExitCode"
        (container,) = process["template"]["spec"]["containers"]
        assert container["name"] == "tensorflow"
        options = _parser().parse_args(["train", *container["args"]]).train
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert all(str(path).startswith(tuple(mounts)) for path in (options.records, options.run))
        assert options.training.strategy == name.removeprefix("tfjob-").removesuffix(".yaml").replace("-", "_")


@pytest.mark.parametrize(
    ("name", "strategy"),
    [("tfjob-multi-worker.yaml", "multi_worker"), ("tfjob-parameter-server.yaml", "parameter_server")],
)
def test_the_roles_of_a_tfjob_are_a_cluster_of_its_strategy(name, strategy, monkeypatch):
    replicas = tfjob(name)
    # As the training operator writes it.
    addresses = {
        role.lower(): [f"tf-metammf-{role.lower()}-{index}.default.svc:2222" for index in range(process["replicas"])]
        for role, process in replicas.items()
    }
    for role in addresses:
        content = {"cluster": addresses, "task": {"type": role, "index": 0}, "environment": "cloud"}
        monkeypatch.setenv("TF_CONFIG", json.dumps(content))
        assert Cluster.from_environment(strategy).is_chief == (role == "chief")


def test_the_pools_of_vertex_ai_mount_what_their_options_name():
    job = yaml.safe_load((FOLDER / "vertex-ai.yaml").read_text())
    assert job["workerPoolSpecs"][0]["replicaCount"] == 1
    for pool in job["workerPoolSpecs"]:
        options = _parser().parse_args(["train", *pool["containerSpec"]["args"]]).train
        (mount,) = pool["nfsMounts"]
        for path in (options.records, options.run):
            assert str(path).startswith(f"/mnt/nfs/{mount['mountPoint']}/")
        assert options.training.strategy == "multi_worker"


def test_the_image_of_a_training_runs_the_entry_point():
    text = (FOLDER / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["python", "-m", "tf_metammf.commands.task"]' in text


@pytest.mark.parametrize("file", ["Dockerfile", "examples/clusters/Dockerfile"])
def test_an_image_copies_what_is_there_and_installs_no_test_tools(file):
    project = FOLDER.parents[1]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (project / file).read_text(), re.MULTILINE)
    assert "." in copied and "requirements-runtime.lock" in copied
    assert all((project / name).exists() for name in copied)
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (project / "requirements-runtime.lock").read_text(), re.MULTILINE))
    assert {"tensorflow", "tensorflow-recommenders", "keras-tuner"} <= locked
    assert not locked & {"pytest", "hypothesis", "mypy", "ruff"}


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("code", "requeued"), [(0, False), (2, False), (138, True), (143, True)])
def test_the_slurm_script_makes_the_cluster_of_its_nodes_and_goes_back_into_the_queue(
    code, requeued, tmp_path, monkeypatch
):
    program(tmp_path, "scontrol", f'[ "$1" = show ] && printf "node7\\nnode9\\n" || echo "$@" > {tmp_path}/requeued')
    program(tmp_path, "srun", 'while [[ "$1" == --* ]]; do shift; done; SLURM_PROCID=1 exec "$@"')
    program(tmp_path, "tf-metammf", f'echo "$TF_CONFIG" > {tmp_path}/config; echo "$@" > {tmp_path}/words; exit {code}')
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node[7,9]",
        "SLURM_JOB_ID": "42",
    }
    words = ["bash", str(FOLDER / "slurm.sh"), "--records", "a b", "--run", "run"]
    assert subprocess.run(words, env=environment, check=False).returncode == code
    monkeypatch.setenv("TF_CONFIG", (tmp_path / "config").read_text())
    found = Cluster.from_environment("multi_worker")
    assert (found.addresses, found.name) == ({"worker": ("node7:2222", "node9:2222")}, "worker 1")
    assert (tmp_path / "words").read_text().strip() == "train --strategy multi_worker --records a b --run run"
    assert (tmp_path / "requeued").exists() == requeued


def test_the_entry_point_trains_and_copies_the_results_to_where_the_environment_says(
    halves, configuration, tmp_path, monkeypatch, capsys
):
    configuration.training.epochs = 1
    (tmp_path / "small.yaml").write_text(configuration.to_yaml())
    monkeypatch.setenv("AIP_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", str(tmp_path / "logs"))
    words = ["--records", str(halves.folder), f"--run={tmp_path / 'run'}", "--config", str(tmp_path / "small.yaml")]
    assert task.main(words) == 0
    model = RunDirectory(tmp_path / "model")
    assert model.is_finished and model.weights_file.is_file() and not model.checkpoints_folder.exists()
    assert list((tmp_path / "logs").rglob("events.*"))
    assert task.main([*words, "--training.epochs=nonsense"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("how", ["--strategy", "--training.strategy=", "--config"])
@pytest.mark.parametrize("index", [0, 1])
def test_results_are_copied_by_the_chief_alone_wherever_the_strategy_is_named(how, index, tmp_path, monkeypatch):
    (tmp_path / "several.yaml").write_text("training:\n  strategy: multi_worker\n")
    RunDirectory(tmp_path / "run").folder.mkdir()
    monkeypatch.setattr("tf_metammf.commands.main.main", lambda words: 0)
    monkeypatch.setenv("AIP_MODEL_DIR", str(tmp_path / "model"))
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    named = {
        "--strategy": ["--strategy", "multi_worker"],
        "--training.strategy=": ["--training.strategy=multi_worker"],
        "--config": ["--config", str(tmp_path / "several.yaml")],
    }
    assert task.main(["--records", "x", f"--run={tmp_path / 'run'}", *named[how]]) == 0
    assert (tmp_path / "model").exists() == (index == 0)


def test_a_bucket_is_written_where_it_is_mounted():
    assert task.mounted("gs://bucket/job/model/") == Path("/gcs/bucket/job/model")
    assert task.mounted("/mnt/model") == Path("/mnt/model")


@pytest.mark.parametrize(
    "words", [["--records", "gs://bucket/videos", "--run", "run"], ["--records=x", "--run=s3://b/r"]]
)
def test_addresses_of_buckets_are_refused_with_what_to_do(words, capsys):
    assert task.main(words) == 2
    assert "or mount it, and give the path" in capsys.readouterr().err


def test_the_error_for_a_bucket_is_one_of_input():
    from tf_metammf.commands.main import _refuse_buckets

    with pytest.raises(InvalidInputError, match="hdfs://a/b"):
        _refuse_buckets(["train", "--records", "hdfs://a/b"])
    _refuse_buckets(["recommend", "--server", "http://localhost:8501"])
