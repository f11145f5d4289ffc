"""A training as a run of Weights & Biases."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

PROJECT = "tf-metammf"
"""The project, unless ``WANDB_PROJECT`` names another."""


def send_no_reports() -> None:
    """Leaves out reports on the client's own errors, unless the user has decided on them."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")


def begin(
    wandb: ModuleType,
    home: Path,
    *,
    name: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    known: Mapping[str, str] | None,
) -> "WandbRun":
    """Starts a run, or resumes the earlier one; ``WANDB_MODE`` says whether anything is sent.

    It is a run of its own beside one that the program may have begun. Neither source code nor what is printed is
    sent. Local files are in ``wandb/`` of ``home``.

    Args:
        wandb: The package.
        home: The run directory, or that of the search it is a part of.
        name: What to call the run.
        parameters: The flattened configuration.
        tags: Become part of the configuration; all but the path become tags, ``group`` the group.
        known: The identity of the run of before.
    """
    identity = dict(known or {"project": os.environ.get("WANDB_PROJECT") or PROJECT, "run_id": uuid.uuid4().hex[:12]})
    shown = {value for tag, value in tags.items() if tag not in ("run_directory", "group")}
    tracked = wandb.init(
        project=identity["project"],
        id=identity["run_id"],
        resume="allow",
        reinit="create_new",
        name=name,
        group=tags.get("group"),
        dir=str(home),
        config={**parameters, **tags},
        allow_val_change=True,
        tags=sorted(shown),
        settings=wandb.Settings(console="off", disable_git=True, save_code=False),
    )
    # Epochs that are done again after an interruption would be refused as steps of the past.
    tracked.define_metric("epoch")
    tracked.define_metric("*", step_metric="epoch")
    return WandbRun(tracked, identity)


class WandbRun:
    """See :class:`tf_metammf.trainer.watching.tracking.TrackedRun`.

    Args:
        tracked: The run of the package.
        identity: Project, and id of the run.
    """

    def __init__(self, tracked: Any, identity: dict[str, str]) -> None:
        self.identity = identity
        self._tracked = tracked

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch."""
        self._tracked.log({"epoch": epoch, **metrics})

    def summarize(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds metrics of the run as a whole."""
        self._tracked.summary.update({"epoch": epoch, **metrics})

    def end(self, ending: str) -> None:
        """Ends the run; an exit code other than 0 marks it as failed."""
        self._tracked.finish(exit_code=0 if ending == "finished" else 1)
