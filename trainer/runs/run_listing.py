"""What runs there are below a folder, and how each of them is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_lock import is_locked

DEPTH = 3
"""Folders below the given one in which runs are looked for."""


@dataclass(frozen=True)
class RunSummary:
    """One run at a glance.

    Attributes:
        folder: Where it is.
        state: ``running``, ``finished``, ``stopped`` (asked to leave), ``diverged``, ``failed``, or ``killed``: it says
            that it is running, but no process holds it.
        epoch: Finished epochs as far as is known, or None.
        best_epoch: The best epoch, counted from 1, or None.
        metric: Name of the monitored validation metric.
        value: Its best value, or None.
        seconds: How long it was trained for.
        bytes: What the folder takes.
    """

    folder: Path
    state: str
    epoch: int | None
    best_epoch: int | None
    metric: str
    value: float | None
    seconds: float
    bytes: int


def list_runs(folder: str | Path) -> list[RunSummary]:
    """The runs in a folder and up to :data:`DEPTH` folders below it, by name; those without a readable state as failed.

    Raises:
        InvalidInputError: There is no such folder.
    """
    top = Path(folder)
    if not top.is_dir():
        raise InvalidInputError(f"{top}: is not a folder. Give the folder that holds the run directories.")
    return [_summary(run) for run in _runs(top, DEPTH)]


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "configuration.yaml").is_file() and (folder / "records.json").is_file():
        yield folder
    elif depth:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
                yield from _runs(path, depth - 1)


def _summary(folder: Path) -> RunSummary:
    run = RunDirectory(folder)
    try:
        written = run.read("state")
        metric = run.configuration.evaluation.monitor
    except InvalidInputError:
        written, metric = {}, ""
    state = str(written.get("state", "failed"))
    if is_locked(folder):
        state = "running"
    elif state == "running":
        state = "killed"
    return RunSummary(
        folder=folder,
        state=state,
        epoch=written.get("epoch"),
        best_epoch=written.get("best_epoch"),
        metric=metric,
        value=written.get(f"validation {metric}"),
        seconds=float(written.get("seconds", 0.0)),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )
