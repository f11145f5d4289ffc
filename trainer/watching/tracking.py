"""Training that is followed by an experiment tracker, where ``training.tracking`` asks for one."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.tensorflow_errors import LOST_CONNECTION
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.resumption import flat_values
from tf_metammf.trainer.runs.run_directory import RunDirectory

TRACKERS = ("mlflow", "wandb")
"""Values of ``training.tracking``; each is an extra of the package, of the same name."""

FILE = "tracking"
"""The JSON file of a run directory that says in which run of which tracker it is followed."""

logger = logging.getLogger(__name__)


class TrackedRun(Protocol):
    """A run of a tracker.

    Attributes:
        identity: What is needed to resume it, as plain JSON values.
    """

    identity: dict[str, str]

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch, counted from 1."""

    def summarize(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds metrics of the run as a whole, which ended with that epoch."""

    def end(self, ending: str) -> None:
        """Ends it as ``"finished"``, ``"failed"`` or ``"stopped"``."""


class Tracking:
    """Tells a tracker about a training; a tracker that fails meanwhile does not end it.

    Args:
        run: The run of the tracker, or None for no tracker.
    """

    def __init__(self, run: TrackedRun | None) -> None:
        self._run = run

    @property
    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What tells the tracker about every epoch; for behind the callbacks that add numbers."""
        return [] if self._run is None else [_TrackEpochs(self)]

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch, counted from 1."""
        self._safely(lambda run: run.log(metrics, epoch=epoch))

    def summarize(self, metrics: Mapping[str, Mapping[str, float]], *, epoch: int) -> None:
        """Adds the metrics of the chosen weights by split, as ``final/test/recall@20``."""
        flat = {f"final/{split}/{name}": value for split, values in metrics.items() for name, value in values.items()}
        self._safely(lambda run: run.summarize(flat, epoch=epoch))

    def end(self, ending: str) -> None:
        """Ends the run of the tracker."""
        self._safely(lambda run: run.end(ending))

    def _safely(self, action: Callable[[TrackedRun], None]) -> None:
        if self._run is None:
            return
        try:
            action(self._run)
        except Exception as error:
            logger.warning("tracking failed, training continues: %s", _line(error))


class _TrackEpochs(keras.callbacks.Callback):
    def __init__(self, tracking: Tracking) -> None:
        super().__init__()
        self.tracking = tracking

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.tracking.log({_name(name): float(value) for name, value in (logs or {}).items()}, epoch=epoch + 1)


@contextmanager
def tracked(
    run: RunDirectory, configuration: Configuration, *, group: Path | None = None, active: bool = True
) -> Iterator[Tracking]:
    """Follows a training by the tracker of its configuration, in the same run of it as before where there is one.

    Args:
        run: The run directory; its file ``tracking.json`` remembers the run of the tracker.
        configuration: What becomes the parameters.
        group: The search or comparison that the run is a part of: what a tracker writes to files goes there.
        active: Whether to; only one of several processes speaks to the tracker.

    Raises:
        InvalidInputError: The tracker is unknown or not installed, or could not begin with a run that it does not
            know and that is not part of a group. Otherwise a tracker that cannot begin is a warning.
    """
    name = configuration.training.tracking
    if name is None or not active:
        yield Tracking(None)
        return
    package = tracker_package(name)
    known = run.read(FILE) if (run.folder / f"{FILE}.json").is_file() else {}
    begun: TrackedRun | None = None
    try:
        begun = _begin(name, package, run, configuration, group=group, known=known.get(name))
    except Exception as error:
        if group is None and name not in known:
            raise InvalidInputError(
                f"training.tracking: {name} could not start ({_line(error)}). Fix that, or train without it."
            ) from error
        logger.warning("%s could not start, training continues without it: %s", name, _line(error))
    else:
        run.write(FILE, {**known, name: begun.identity})
        logger.info("tracked by %s: %s", name, ", ".join(f"{part} {value}" for part, value in begun.identity.items()))
    tracking, ending = Tracking(begun), "failed"
    try:
        yield tracking
        ending = "finished"
    except (KeyboardInterrupt, SystemExit, *LOST_CONNECTION):
        ending = "stopped"
        raise
    finally:
        tracking.end(ending)


def tracker_package(name: str) -> ModuleType:
    """Imports the package of a tracker.

    Raises:
        InvalidInputError: The tracker is unknown, or its package is not installed.
    """
    if name not in TRACKERS:
        raise unknown_name("training.tracking", name, TRACKERS)
    _module(name).send_no_reports()
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidInputError(
            f"training.tracking is {name}, but that package is not installed ({error}). Install it with pip install "
            f'"tf-metammf[{name}]".'
        ) from error


def _begin(
    name: str,
    package: ModuleType,
    run: RunDirectory,
    configuration: Configuration,
    *,
    group: Path | None,
    known: Mapping[str, str] | None,
) -> TrackedRun:
    tags = {
        "run_directory": str(run.folder.resolve()),
        "record_set": str(run.read("records")["name"]),
        "fusion": configuration.model.fusion.name,
        "encoder": configuration.model.encoder.name,
        "objective": configuration.objective.name,
    }
    folder, title = run.folder.resolve(), run.folder.name
    if group is not None:
        title = f"{group.name}/{folder.relative_to(group.resolve())}"
        tags["group"] = group.name
    begin: Callable[..., TrackedRun] = _module(name).begin
    parameters = flat_values(asdict(configuration))
    home = folder if group is None else group.resolve()
    return begin(package, home, name=title, parameters=parameters, tags=tags, known=known)


def _module(name: str) -> Any:
    return import_module(f"tf_metammf.trainer.watching.{name}_run")


def _name(name: str) -> str:
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else name


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
