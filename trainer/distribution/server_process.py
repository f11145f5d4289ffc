"""Workers and parameter servers: processes that do what the chief says, until its training is over."""

import time
from pathlib import Path

import tensorflow as tf

from tf_metammf.errors import InvalidInputError, WorkerLostError
from tf_metammf.records.tensorflow_paths import PATTERN_CHARACTERS, is_pattern
from tf_metammf.trainer.distribution.cluster import Cluster
from tf_metammf.trainer.runs.run_directory import RunDirectory

POLL_SECONDS = 1.0
ENDINGS = ("finished", "stopped", "diverged", "failed")


def serve(cluster: Cluster, run: RunDirectory) -> None:
    """Runs the server of this process, and comes back when the chief has ended the training of the run.

    The chief does not say when it is done; what it writes to ``state.json`` does, so the run directory has to be on a
    file system that all processes share. A chief that was killed has written nothing: the servers wait for it to be
    started again.

    Args:
        cluster: The cluster, in which this process is a worker or a parameter server.
        run: The run directory of the training.

    Raises:
        InvalidInputError: This process cannot listen at its address, or the training failed.
        WorkerLostError: The chief stopped before the end of training.
    """
    started = time.time()
    try:
        server = tf.distribute.Server(
            tf.train.ClusterSpec({role: list(listed) for role, listed in cluster.addresses.items()}),
            job_name=cluster.role,
            task_index=cluster.index,
            protocol="grpc",
        )
    except (tf.errors.UnknownError, tf.errors.InvalidArgumentError) as error:
        address = cluster.addresses[cluster.role][cluster.index]
        raise InvalidInputError(
            f"{cluster.name} cannot listen at {address} ({error.message}). Give it a free port of this machine."
        ) from error
    while (ending := _ending(run, since=started)) is None:
        time.sleep(POLL_SECONDS)
    del server
    if ending == "stopped":
        raise WorkerLostError(
            f"{cluster.name}: the chief of {run.folder} stopped before the end of training. Start all "
            "processes again with the same command: training resumes from the newest checkpoint."
        )
    if ending != "finished":
        raise InvalidInputError(f"{cluster.name}: the training of {run.folder} {ending}; see the output of its chief.")


def check_server_path(folder: Path) -> None:
    """Refuses a run directory whose checkpoints servers could not read.

    Servers read their parts of a checkpoint by its path, of which TensorFlow takes some characters for a pattern.

    Raises:
        InvalidInputError: The path has one of them.
    """
    if is_pattern(folder):
        raise InvalidInputError(
            f"{folder}: the servers of parameter_server cannot read checkpoints from a path with one of "
            f"{' '.join(sorted(PATTERN_CHARACTERS))}. Choose another --run."
        )


def _ending(run: RunDirectory, *, since: float) -> str | None:
    file = run.folder / "state.json"
    if not file.is_file():
        return None
    state = str(run.read("state").get("state"))
    if state == "finished" or (state in ENDINGS and file.stat().st_mtime > since):
        return state
    return None
