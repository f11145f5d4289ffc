"""Counts the steps of ``fit`` and writes checkpoints on the way."""

import sys
import time
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.trainer.checkpoints import Checkpoints
from tf_metammf.trainer.preemption import Preemption
from tf_metammf.trainer.training_state import TrainingState


class Checkpointing(keras.callbacks.Callback):
    """Keeps the :class:`TrainingState` and writes it, with the weights, at the ends of epochs and in between.

    A checkpoint is written after the first step, or epoch, that ends at least ``seconds`` after the one before; when
    training is complete; and when a signal asks the process to leave. Put it behind every other callback: what
    they do at the end of an epoch belongs into the checkpoint.

    Args:
        checkpoints: Where they go.
        trackable: Model and optimiser.
        state: The state, shared with the other callbacks.
        steps: Steps of an epoch.
        epochs: Epochs at most.
        patience: Epochs without a better metric after which training ends; 0 for never.
        seconds: Least time between two checkpoints.
        files: Files of the run that belong to a checkpoint.
        preemption: Signals that came.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        trackable: tf.train.Checkpoint,
        state: TrainingState,
        *,
        steps: int,
        epochs: int,
        patience: int,
        seconds: float,
        files: list[Path],
        preemption: Preemption,
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.trackable = trackable
        self.state = state
        self.steps = steps
        self.epochs = epochs
        self.patience = patience
        self.seconds = seconds
        self.files = files
        self.preemption = preemption
        self._saved = time.monotonic()
        self._means: list[Any] = []

    def restore(self, *, into: Path) -> bool:
        """Takes over the newest sound checkpoint; False where there is none."""
        restored = self.checkpoints.restore(self.trackable, into=into)
        if restored is None:
            return False
        self.state.replace_with(restored)
        # Keras resets the means of an epoch when it begins, also one that is resumed in its middle.
        model = self.trackable.model
        self._means = [variable.numpy() for metric in model.metrics for variable in metric.variables]
        return True

    def save(self) -> None:
        """Writes a checkpoint now."""
        self.checkpoints.save(self.trackable, self.state, files=self.files)
        self._saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Puts the means of an epoch that is resumed in its middle back."""
        if self.state.step_of_epoch:
            variables = [variable for metric in self.model.metrics for variable in metric.variables]
            for variable, value in zip(variables, self._means, strict=True):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the step; writes a checkpoint if it is time."""
        self.state.step += 1
        self.state.step_of_epoch += 1
        if self.state.step_of_epoch < self.steps and not self.model.stop_training:
            self._save_if_due()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch; writes a checkpoint if it is time or the last one."""
        if self.model.stop_training:
            return
        self.state.epoch += 1
        self.state.step_of_epoch = 0
        self.state.complete = self.state.is_exhausted(epochs=self.epochs, patience=self.patience)
        self.model.stop_training = self.state.complete
        if self.state.complete:
            self.save()
        self._save_if_due()

    def _save_if_due(self) -> None:
        if self.preemption.signal is not None:
            self.save()
            print(
                f"a checkpoint of step {self.state.step} is written; the same command goes on from there",
                file=sys.stderr,
            )
            self.preemption.leave()
        if time.monotonic() - self._saved >= self.seconds:
            self.save()
