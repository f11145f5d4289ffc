"""A run in MLflow or Weights & Biases: parameters, metrics by epoch, final metrics. Both are optional."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.resumption import flat_values
from tf_metammf.trainer.run_directory import RunDirectory

PROJECT = "tf-metammf"

NO_REPORTS = {"mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true"}, "wandb": {"WANDB_ERROR_REPORTING": "false"}}
"""Variables by which a package is kept from reporting on its own usage, where the user has not decided on them."""


class Tracker(ABC):
    """One run in a tracking service.

    A training that goes on does so in the same run: its id is kept in ``tracking.json`` of the run directory.
    """

    name: str

    @abstractmethod
    def begin(self, run: RunDirectory, parameters: Mapping[str, Any], earlier: str | None) -> str:
        """Begins a run, or goes on with an earlier one.

        Args:
            run: The run directory.
            parameters: The configuration by field.
            earlier: The id of the run to go on with, or None.

        Returns:
            The id of the run.
        """

    @abstractmethod
    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs metrics of an epoch."""

    @abstractmethod
    def end(self, state: str) -> None:
        """Ends the run as finished or failed."""


class MLflowTracker(Tracker):
    """MLflow: where ``MLFLOW_TRACKING_URI`` says, by default a local store that MLflow chooses."""

    name = "mlflow"

    def __init__(self) -> None:
        self._mlflow = _imported("mlflow")

    def begin(self, run: RunDirectory, parameters: Mapping[str, Any], earlier: str | None) -> str:
        """See :class:`Tracker`."""
        if earlier is None:
            self._mlflow.set_experiment(PROJECT)
            started = self._mlflow.start_run(run_name=run.folder.name)
            self._mlflow.log_params({name: str(value) for name, value in parameters.items()})
            self._mlflow.set_tag("run_directory", str(run.folder.resolve()))
        else:
            started = self._mlflow.start_run(run_id=earlier)
        return str(started.info.run_id)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See :class:`Tracker`. MLflow knows no ``@`` in names, so ``recall@20`` is ``recall_at_20``."""
        self._mlflow.log_metrics({name.replace("@", "_at_"): value for name, value in metrics.items()}, step=step)

    def end(self, state: str) -> None:
        """See :class:`Tracker`."""
        self._mlflow.end_run(status="FINISHED" if state == "finished" else "KILLED")


class WandbTracker(Tracker):
    """Weights & Biases: as ``WANDB_MODE`` and the other variables of its own say."""

    name = "wandb"

    def __init__(self) -> None:
        self._wandb = _imported("wandb")

    def begin(self, run: RunDirectory, parameters: Mapping[str, Any], earlier: str | None) -> str:
        """See :class:`Tracker`."""
        self._run = self._wandb.init(
            project=PROJECT,
            name=run.folder.name,
            id=earlier,
            resume=None if earlier is None else "must",
            config={**parameters, "run_directory": str(run.folder.resolve())},
        )
        return str(self._run.id)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See :class:`Tracker`."""
        self._run.log(dict(metrics), step=step)

    def end(self, state: str) -> None:
        """See :class:`Tracker`."""
        self._run.finish(exit_code=0 if state == "finished" else 1)


TRACKERS = {"mlflow": MLflowTracker, "wandb": WandbTracker}


def make_tracker(name: str | None) -> Tracker | None:
    """The tracker of a name; None for none.

    Raises:
        InvalidInputError: The name is unknown, or the package is not installed.
    """
    if name is None:
        return None
    if name not in TRACKERS:
        raise unknown_name("training.tracking", name, TRACKERS)
    return TRACKERS[name]()


class Track(keras.callbacks.Callback):
    """Logs the numbers of every epoch to a tracker. Put it behind the callbacks that add numbers.

    Args:
        tracker: Where they go.
        run: The run directory.
        configuration: Its configuration.
    """

    def __init__(self, tracker: Tracker, run: RunDirectory, configuration: Configuration) -> None:
        super().__init__()
        self.tracker = tracker
        known = run.read("tracking") if (run.folder / "tracking.json").is_file() else {}
        earlier = known.get("id") if known.get("service") == tracker.name else None
        found = tracker.begin(run, flat_values(asdict(configuration)), earlier)
        run.write("tracking", {"service": tracker.name, "id": found})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the numbers of the epoch."""
        numbers = {_name(name): float(value) for name, value in (logs or {}).items()}
        self.tracker.log(numbers, epoch + 1)

    def finish(self, metrics: Mapping[str, Mapping[str, float]], *, epochs: int) -> None:
        """Logs the final metrics of every split and ends the run."""
        final = {f"final/{split}/{name}": value for split, values in metrics.items() for name, value in values.items()}
        self.tracker.log(final, epochs)
        self.tracker.end("finished")


def _name(name: str) -> str:
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else name


def _imported(package: str) -> Any:
    for variable, value in NO_REPORTS[package].items():
        os.environ.setdefault(variable, value)
    try:
        return import_module(package)
    except ImportError as error:
        raise InvalidInputError(
            f"training.tracking is {package}, and that package is not installed. Install it with pip install "
            f'"tf-metammf[{package}]".'
        ) from error
