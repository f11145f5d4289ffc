"""Stops training when the loss or the embeddings are no longer numbers."""

import math
from typing import Any

import tf_keras as keras


class StopOnDivergence(keras.callbacks.Callback):
    """Stops ``fit`` at the first step whose loss is NaN or infinite.

    Attributes:
        step: That step, counted from 1 over all epochs, or None.
        loss: Its loss, or None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.step: int | None = None
        self.loss: float | None = None
        self._steps = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the loss of the step."""
        self._steps += 1
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            self.stop(loss)

    def stop(self, loss: float = math.nan) -> None:
        """Stops training after the current step; the first call counts."""
        if self.step is None:
            self.step, self.loss = self._steps, loss
        self.model.stop_training = True
