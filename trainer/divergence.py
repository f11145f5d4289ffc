"""Watches the loss: stops training when it is no longer a number, or far above what it was."""

import math
import statistics
from typing import Any

import tf_keras as keras

from tf_metammf.trainer.runs.training_state import TrainingState

WINDOW = 100
"""Steps whose median a loss is compared with."""

LEAST_STEPS = 20
"""Steps before which nothing counts as a spike."""


class StopOnDivergence(keras.callbacks.Callback):
    """Stops ``fit`` at a step whose loss is NaN or infinite, or, where spikes are to be rolled back, a spike.

    A spike is a step whose loss is more than ``spike_factor`` times the median of the :data:`WINDOW` steps before.

    Args:
        state: The state, shared with the other callbacks; it counts spikes and holds the losses of the window.
        spike_factor: See above.
        stop_at_spikes: Whether a spike stops training. Defaults to False: spikes are counted.

    Attributes:
        step: The step that stopped training, counted from 1 over all epochs, or None.
        loss: Its loss, or None.
    """

    def __init__(self, state: TrainingState, *, spike_factor: float, stop_at_spikes: bool = False) -> None:
        super().__init__()
        self.state = state
        self.spike_factor = spike_factor
        self.stop_at_spikes = stop_at_spikes
        self.step: int | None = None
        self.loss: float | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets an earlier stop."""
        self.step = self.loss = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the loss of the step."""
        loss = self._loss_of_step(float((logs or {}).get("loss", 0.0)))
        if not math.isfinite(loss):
            self.stop(loss)
            return
        recent = self.state.recent_losses
        if len(recent) >= LEAST_STEPS and loss > self.spike_factor * statistics.median(recent):
            self.state.spikes += 1
            if self.stop_at_spikes:
                self.stop(loss)
            return
        recent.append(loss)
        del recent[:-WINDOW]

    def stop(self, loss: float = math.nan) -> None:
        """Stops training after the current step; the first call counts."""
        if self.step is None:
            self.step, self.loss = self.state.step + 1, loss
        self.model.stop_training = True

    def _loss_of_step(self, mean: float) -> float:
        """The loss of this step: Keras gives the mean of the epoch so far, over rows or the weights of interactions.

        A step whose interactions all have the weight 0 has that mean itself.
        """
        state, rows = self.state, float(keras.backend.get_value(self.model.mean_loss.count))
        loss_before, rows_before = (state.loss_sum, state.row_sum) if state.step_of_epoch else (0.0, 0.0)
        state.loss_sum, state.row_sum = mean * rows, rows
        if rows == rows_before:
            return mean
        return (state.loss_sum - loss_before) / (rows - rows_before)
