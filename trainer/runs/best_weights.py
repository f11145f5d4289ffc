"""The weights of the best epoch on disk: written and read."""

from pathlib import Path
from typing import Any

import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.training_state import TrainingState


class KeepBestWeights(keras.callbacks.Callback):
    """Writes the weights after every epoch whose monitored metric is the best so far.

    They are written aside and renamed, so that the file holds whole weights at any moment.

    Args:
        path: The file, ending in ``.weights.h5``.
        state: The state, shared with the other callbacks; it remembers the best epoch and its metric.
        monitor: The metric in the logs of an epoch; higher is better.
        kept: The model whose weights are written, if it is not the one that is trained.
    """

    def __init__(self, path: Path, state: TrainingState, *, monitor: str, kept: keras.Model | None = None) -> None:
        super().__init__()
        self.path = path
        self.state = state
        self.monitor = monitor
        self.kept = kept

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the weights if the epoch is the best so far."""
        value = (logs or {}).get(self.monitor)
        if value is None or not self.state.is_better(value):
            return
        self.state.best_epoch, self.state.best_value = epoch + 1, float(value)
        aside = self.path.with_name(f"partial.{self.path.name}")
        (self.kept or self.model).save_weights(str(aside))
        aside.replace(self.path)


def load_best_weights(model: keras.Model, run: RunDirectory) -> None:
    """Puts the best weights of a run into its model.

    Raises:
        InvalidInputError: The file of the weights is damaged, or they are those of another model.
    """
    try:
        model.load_weights(str(run.weights_file))
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"{run.weights_file}: is damaged or does not fit configuration.yaml ({reason}). Train the model again."
        ) from error
