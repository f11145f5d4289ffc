"""Entry point of training containers: ``python -m tf_metammf.trainer.task``, with the options of ``tf-metammf train``.

Vertex AI and its like tell a container by environment variables where to leave results: what is in the run directory,
but for checkpoints, is copied to ``AIP_MODEL_DIR`` when training is finished, and the logs of TensorBoard to
``AIP_TENSORBOARD_LOG_DIR``. ``gs://BUCKET/...`` stands for ``/gcs/BUCKET/...`` there, where Vertex AI mounts buckets.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tf_metammf.trainer.distribution.cluster import VARIABLE, Cluster
from tf_metammf.trainer.runs.run_directory import RunDirectory

MODEL_FOLDER, LOG_FOLDER = "AIP_MODEL_DIR", "AIP_TENSORBOARD_LOG_DIR"


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, and copies the results to where the environment asks for them.

    Args:
        arguments: Options of ``tf-metammf train``; by default those of this process.

    Returns:
        The exit code of ``tf-metammf train``.
    """
    # The one place where the trainer knows the command line: this is the program of a container, no part of a library.
    from tf_metammf.commands.main import main as command

    words = list(sys.argv[1:] if arguments is None else arguments)
    code = command(["train", *words])
    run = _run_of(words)
    if code == 0 and run is not None and _is_chief(words):
        copy_results(run)
    return code


def copy_results(run: RunDirectory) -> None:
    """Copies a finished run directory to the folders of the environment; does nothing where there are none."""
    if folder := os.environ.get(MODEL_FOLDER):
        left_out = shutil.ignore_patterns(run.checkpoints_folder.name, ".*")
        shutil.copytree(run.folder, mounted(folder), dirs_exist_ok=True, ignore=left_out)
    if (folder := os.environ.get(LOG_FOLDER)) and run.tensorboard_folder.is_dir():
        shutil.copytree(run.tensorboard_folder, mounted(folder), dirs_exist_ok=True)


def mounted(folder: str) -> Path:
    """The path of a folder that may be given as ``gs://BUCKET/...``."""
    return Path(re.sub("^gs://", "/gcs/", folder))


def _run_of(words: list[str]) -> RunDirectory | None:
    for position, word in enumerate(words):
        if word.startswith("--run="):
            return RunDirectory(Path(word.partition("=")[2]))
        if word == "--run" and position + 1 < len(words):
            return RunDirectory(Path(words[position + 1]))
    return None


def _is_chief(words: list[str]) -> bool:
    for strategy in ("multi_worker", "parameter_server"):
        if VARIABLE in os.environ and any(word.endswith(strategy) for word in words):
            return Cluster.from_environment(strategy).is_chief
    return True


if __name__ == "__main__":
    sys.exit(main())
