"""Counts the steps of ``fit`` and writes checkpoints on the way."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.preemption import Preemption
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.runs.worker_group import WorkerGroup

logger = logging.getLogger(__name__)


class Checkpointing(keras.callbacks.Callback):
    """Keeps the :class:`TrainingState` and writes it, with the weights, at the ends of epochs and in between.

    A checkpoint is written after the first step, or epoch, that ends at least ``seconds`` after the one before; when
    training is complete; and when a signal asks the process to leave. Put it behind every other callback: what
    they do at the end of an epoch belongs into the checkpoint.

    Args:
        checkpoints: Where they go.
        trackable: Model and optimiser.
        state: The state, shared with the other callbacks.
        plan: Steps of an epoch, epochs, patience and the least time between two checkpoints.
        files: Files of the run that belong to a checkpoint.
        preemption: Signals that came.
        group: The processes that train together, which write checkpoints in the same steps, each its own; None for
            one alone.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        trackable: tf.train.Checkpoint,
        state: TrainingState,
        *,
        plan: TrainingPlan,
        files: list[Path],
        preemption: Preemption,
        group: WorkerGroup | None = None,
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.trackable = trackable
        self.state = state
        self.steps = plan.steps
        self.settings = plan.configuration.training
        self.files = files
        self.preemption = preemption
        self.group = group
        self._saved = time.monotonic()
        self._means: list[Any] = []

    @classmethod
    def of(
        cls,
        model: keras.Model,
        progress: RunInProgress,
        plan: TrainingPlan,
        *,
        group: WorkerGroup | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Self:
        """The one of a compiled model, which writes into the run directory and heeds signals.

        Args:
            model: The model.
            progress: The run directory and how far it is.
            plan: The plan.
            group: The processes that train together; None for one alone.
            more: What else has weights, by name.
        """
        run = progress.run
        return cls(
            Checkpoints(run.checkpoints_folder, keep=plan.configuration.training.checkpoints),
            tf.train.Checkpoint(model=model, optimizer=model.optimizer, **(more or {})),
            progress.state,
            plan=plan,
            files=[run.weights_file],
            preemption=Preemption(),
            group=group,
        )

    @property
    def is_exhausted(self) -> bool:
        """Whether training ends here: all epochs done, or patience is."""
        return self.state.is_exhausted(epochs=self.settings.epochs, patience=self.settings.patience)

    def restore(self, *, into: Path, checkpoints: Checkpoints | None = None) -> bool:
        """Takes over the newest sound checkpoint; False where there is none.

        Args:
            into: The folder that gets the files of the run back.
            checkpoints: Where to look, if not where this one writes.
        """
        restored = (checkpoints or self.checkpoints).restore(self.trackable, into=into)
        self._check_agreement(-1 if restored is None else restored.step)
        if restored is None:
            return False
        self.state.replace_with(restored)
        # Earlier releases had one more step where one row was left for it, and may have stopped before it.
        self.state.step_of_epoch = min(self.state.step_of_epoch, self.steps - 1)
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
        self.state.complete = self.is_exhausted
        self.model.stop_training = self.state.complete
        if self.state.complete:
            self.save()
        self._save_if_due()

    def _check_agreement(self, step: int) -> None:
        """Refuses to go on from different steps in different processes."""
        if self.group is None:
            return
        lowest, highest = self.group.lowest(step), self.group.highest(step)
        if lowest != highest:
            raise InvalidInputError(
                f"process {self.group.index} found the checkpoint of step {step}, others that of {lowest} or {highest} "
                "(-1 is none). Put --run on a file system that all processes share."
            )

    def _wish(self) -> int:
        """What to do now, on which all processes agree: 0 nothing, 1 a checkpoint, 2 a checkpoint before leaving."""
        wish = int(time.monotonic() - self._saved >= self.settings.checkpoint_seconds)
        if self.preemption.signal is not None:
            wish = 2
        return wish if self.group is None else self.group.highest(wish)

    def _save_if_due(self) -> None:
        wish = self._wish()
        if wish == 2:
            self.save()
            logger.warning("a checkpoint of step %s is written; the same command resumes from there", self.state.step)
            self.preemption.leave()
        if wish == 1:
            self.save()
