"""A process of a distributed training: where it writes, and what becomes of it when another one is gone."""

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_metammf.errors import WorkerLostError
from tf_metammf.records.tensorflow_errors import LOST_CONNECTION
from tf_metammf.trainer.distribution.cluster import Cluster
from tf_metammf.trainer.runs.run_directory import RunDirectory


@contextmanager
def own_directory(run: RunDirectory, cluster: Cluster | None) -> Iterator[RunDirectory]:
    """Where this process writes: the run directory, or, beside the chief, a folder that is thrown away."""
    if cluster is None or cluster.is_chief:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="tf-metammf-worker-") as folder:
        yield RunDirectory(Path(folder) / run.folder.name)


@contextmanager
def lost_workers_named(run: RunDirectory, cluster: Cluster | None) -> Iterator[None]:
    """Says that another process is gone, where TensorFlow says that a connection or collective failed."""
    lost = ""
    try:
        yield
    except LOST_CONNECTION as error:
        if cluster is None:
            raise
        lost = type(error).__name__
        # The frames hold threads of TensorFlow, which complain when they are found at the end of the program.
        traceback.clear_frames(error.__traceback__)
    if lost and cluster is not None:
        raise WorkerLostError(
            f"{cluster.name}: another process of the training is gone ({lost}). Start all of them again with the same "
            f"command: training resumes from the newest checkpoint of {run.folder}."
        )
