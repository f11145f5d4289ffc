"""Entry point of training containers: ``python -m tf_metammf.commands.task``, with the options of ``tf-metammf train``.

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

from tf_metammf.trainer.distribution.cluster import ROLES, VARIABLE, Cluster
from tf_metammf.trainer.runs.run_directory import RunDirectory

MODEL_FOLDER, LOG_FOLDER = "AIP_MODEL_DIR", "AIP_TENSORBOARD_LOG_DIR"


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, and copies the results to where the environment asks for them.

    Args:
        arguments: Options of ``tf-metammf train``; by default those of this process.

    Returns:
        The exit code of ``tf-metammf train``.
    """
    # The one place where the trainer knows the command line: this is the program of a container, not part of a library.
    from tf_metammf.commands.main import main as command

    words = list(sys.argv[1:] if arguments is None else arguments)
    code = command(["train", *words])
    if code == 0:
        run, strategy = _run_and_strategy(words)
        if _is_chief(strategy):
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


def _run_and_strategy(words: list[str]) -> tuple[RunDirectory, str]:
    """The run directory and the strategy, wherever the options or a file of theirs name them."""
    from tf_metammf.commands import train
    from tf_metammf.commands.parser import CommandParser
    from tf_metammf.commands.program_log import add_verbosity

    parser = CommandParser()
    train.add_arguments(parser)
    add_verbosity(parser)
    options = parser.parse_args(words)
    return RunDirectory(Path(options.run)), str(options.training.strategy)


def _is_chief(strategy: str) -> bool:
    return strategy not in ROLES or VARIABLE not in os.environ or Cluster.from_environment(strategy).is_chief


if __name__ == "__main__":
    sys.exit(main())
