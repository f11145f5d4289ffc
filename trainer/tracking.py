"""Training that is followed by an experiment tracker, where the user asks for one."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.resumption import flat_values
from tf_metammf.trainer.run_directory import RunDirectory
from tf_metammf.trainer.training_state import TrainingState

TRACKERS = ("mlflow", "wandb")
"""Values of ``training.tracking``; each is an extra of the package, of the same name."""

FILE = "tracking"
"""The JSON file of a run directory that says in which run of which tracker it is followed."""

logger = logging.getLogger(__name__)


class TrackedRun(Protocol):
    """A run of a tracker.

    Attributes:
        identity: What is needed to go on with it, as plain JSON values.
    """

    identity: dict[str, str]

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch, counted from 0."""

    def summarize(self, metrics: Mapping[str, float]) -> None:
        """Adds metrics of the run as a whole."""

    def end(self, ending: str) -> None:
        """Ends it as ``"finished"``, ``"failed"`` or ``"stopped"``."""


class Tracking:
    """Tells a tracker about a training; a tracker that fails meanwhile does not end it.

    Args:
        tracked: The run of the tracker, or None for no tracker.
    """

    def __init__(self, tracked: TrackedRun | None) -> None:
        self._tracked = tracked

    @property
    def is_on(self) -> bool:
        """Whether there is a tracker."""
        return self._tracked is not None

    def log(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Adds the metrics of an epoch, counted from 0."""
        self._safely(lambda tracked: tracked.log(metrics, epoch=epoch))

    def summarize(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Adds the metrics of the chosen weights by split."""
        flat = {f"{split}/{name}": value for split, values in metrics.items() for name, value in values.items()}
        self._safely(lambda tracked: tracked.summarize(flat))

    def end(self, ending: str) -> None:
        """Ends the run of the tracker."""
        self._safely(lambda tracked: tracked.end(ending))

    def _safely(self, action: Callable[[TrackedRun], None]) -> None:
        if self._tracked is None:
            return
        try:
            action(self._tracked)
        except Exception as error:
            logger.warning("tracking failed, training goes on: %s", " ".join(str(error).split()))


class TrackEpochs(keras.callbacks.Callback):
    """Tells the tracker about every epoch; put it behind what adds the epoch to the history.

    Args:
        tracking: The tracker.
        state: The state, shared with the other callbacks.
    """

    def __init__(self, tracking: Tracking, state: TrainingState) -> None:
        super().__init__()
        self.tracking = tracking
        self.state = state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the row that the epoch has in the history."""
        row = self.state.history[-1]
        self.tracking.log({name: float(value) for name, value in row.items() if name != "epoch"}, epoch=epoch)


@contextmanager
def tracked(name: str | None, run: RunDirectory, configuration: Configuration) -> Iterator[Tracking]:
    """Follows a training by a tracker, in the same run of it as before where the run directory was followed already.

    Args:
        name: One of :data:`TRACKERS`, or None.
        run: The run directory; its file ``tracking.json`` remembers the run of the tracker.
        configuration: What becomes the parameters.

    Raises:
        InvalidInputError: The tracker is unknown or not installed, or could not begin.
    """
    if name is None:
        yield Tracking(None)
        return
    package = tracker_package(name)
    known = run.read(FILE) if (run.folder / f"{FILE}.json").is_file() else {}
    try:
        begun = _begin(name, package, run, configuration, known.get(name))
    except Exception as error:
        raise InvalidInputError(
            f"training.tracking is {name}: could not begin ({' '.join(str(error).split())}). Mend or unset it."
        ) from error
    run.write(FILE, {**known, name: begun.identity})
    logger.info("tracked by %s: %s", name, ", ".join(f"{part} {value}" for part, value in begun.identity.items()))
    tracking, ending = Tracking(begun), "failed"
    try:
        yield tracking
        ending = "finished"
    except (KeyboardInterrupt, SystemExit):
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
    import_module(f"tf_metammf.trainer.{name}_run").send_nothing_else()
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidInputError(
            f"training.tracking is {name}, and that package is not installed ({error}). "
            f'Install the extra: pip install "tf-metammf[{name}]"'
        ) from error


def _begin(
    name: str, package: ModuleType, run: RunDirectory, configuration: Configuration, known: Mapping[str, str] | None
) -> TrackedRun:
    records = run.read("records")
    tags = {
        "fusion": configuration.model.fusion.name,
        "encoder": configuration.model.encoder,
        "objective": configuration.objective.name,
        "record_set": str(records["name"]),
    }
    begin: Callable[..., TrackedRun] = import_module(f"tf_metammf.trainer.{name}_run").begin
    return begin(package, run, parameters=flat_values(asdict(configuration)), tags=tags, known=known)
