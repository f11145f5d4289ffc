"""The history of a run: one line an epoch, CSV."""

import csv
import math
from pathlib import Path
from typing import Any

import tf_keras as keras

from tf_metammf.trainer.runs.training_state import TrainingState


class WriteHistory(keras.callbacks.Callback):
    """Adds a row for every epoch to the state, and writes all of them to a file that is whole at any moment.

    Columns: ``epoch`` from 0, ``loss``, ``learning_rate``, ``spikes`` (steps of the epoch with a far larger loss than
    those before), ``rollbacks`` (so far), and the validation metrics. A cell is empty where the epoch has no such
    number.

    Args:
        path: The file.
        state: The state, shared with the other callbacks.
    """

    def __init__(self, path: Path, state: TrainingState) -> None:
        super().__init__()
        self.path = path
        self.state = state

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Brings the file to the state, which is older than the file where a run is resumed."""
        self._write()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the row of the epoch."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        row = {
            "epoch": epoch,
            "loss": numbers.pop("loss", math.nan),
            "learning_rate": float(keras.backend.get_value(self.model.optimizer.learning_rate)),
            "spikes": self.state.spikes,
            "rollbacks": len(self.state.rollbacks),
        }
        self.state.spikes = 0
        self.state.history.append({**row, **numbers})
        self._write()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.state.history for name in row))
        aside = self.path.with_name(f".{self.path.name}.partial")
        with aside.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.state.history)
        aside.replace(self.path)
