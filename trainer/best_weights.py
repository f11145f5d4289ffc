"""Keeps the weights of the best epoch on disk."""

from pathlib import Path
from typing import Any

import tf_keras as keras


class KeepBestWeights(keras.callbacks.Callback):
    """Writes the weights after every epoch whose monitored metric is the best so far.

    They are written aside and renamed, so that the file holds whole weights at any moment.

    Args:
        path: The file, ending in ``.weights.h5``.
        monitor: The metric in the logs of an epoch; higher is better.

    Attributes:
        epoch: The best epoch, counted from 1, or None before the first.
        value: Its metric, or None.
    """

    def __init__(self, path: Path, *, monitor: str) -> None:
        super().__init__()
        self.path = path
        self.monitor = monitor
        self.epoch: int | None = None
        self.value: float | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the weights if the epoch is the best so far."""
        value = (logs or {}).get(self.monitor)
        if value is None or (self.value is not None and value <= self.value):
            return
        self.epoch, self.value = epoch + 1, float(value)
        aside = self.path.with_name(f"partial.{self.path.name}")
        self.model.save_weights(str(aside))
        aside.replace(self.path)
