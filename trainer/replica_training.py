"""Training in step, on one device or on replicas: Keras ``fit``, resumed, rolled back, preempted."""

import logging
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.console import draws_bars
from tf_metammf.trainer.assembly import make_compiled_model, make_model
from tf_metammf.trainer.distribution.strategy import is_mirrored, shared_dataset
from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.epoch_ranking import RankEpochs
from tf_metammf.trainer.modality_training import ModalityTraining
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.preferences import held_out_metrics
from tf_metammf.trainer.runs.best_weights import KeepBestWeights, load_best_weights
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.history import WriteHistory
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.runs.worker_group import WorkerGroup
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.watching.progress import ShowProgress

logger = logging.getLogger(__name__)

ROLLBACK_FACTOR = 0.5
"""What the learning rate is multiplied with at a rollback."""


class ReplicaTraining:
    """Training in which every device has all weights, and its part of every batch.

    Args:
        plan: Model, objective and training.
        data: The record set.
        strategy: The devices.
        group: The processes that train together; None for this one alone.
        teachers: What the auxiliary loss learns from, where it learns from trained runs.
        reference: What an objective that takes preferences is held to.

    Attributes:
        model: The model, compiled.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        data: TrainingData,
        strategy: tf.distribute.Strategy,
        *,
        group: WorkerGroup | None = None,
        teachers: Sequence[Teacher] = (),
        reference: Teacher | None = None,
    ) -> None:
        self._plan, self._data, self._strategy, self._group = plan, data, strategy, group
        with strategy.scope():
            self.model = make_compiled_model(plan, data, teachers, reference=reference)
        self._preferences = None if reference is None else held_out_metrics(plan, data, reference)
        self._batches = TrainingBatches(plan, data)

    def fit(
        self,
        progress: RunInProgress,
        validation: FullRanking,
        *,
        watchers: Sequence[keras.callbacks.Callback] = (),
        verbose: int | None = None,
    ) -> None:
        """Trains to the end of the run, from the newest checkpoint if there is one.

        Args:
            progress: Where checkpoints, best weights and history go; takes over how far training is.
            validation: Full ranking of the validation split.
            watchers: Further callbacks that look at the numbers of an epoch.
            verbose: 0 silent, 1 progress bars, 2 one line an epoch; by default 1 on a terminal, else 2.

        Raises:
            TrainingDivergedError: The loss became NaN or infinite and may not be rolled back again.
            SystemExit, KeyboardInterrupt: A signal asked the process to leave; a checkpoint is written.
        """
        plan, run, state = self._plan, progress.run, progress.state
        settings, monitor = plan.configuration.training, plan.configuration.evaluation.monitor
        divergence = StopOnDivergence(state, spike_factor=settings.spike_factor, stop_at_spikes=settings.rollbacks > 0)
        modalities = ModalityTraining(self.model, settings)
        checkpointing = Checkpointing.of(self.model, progress, plan, group=self._group, more=modalities.trackable())
        ranking = RankEpochs(validation, divergence, preferences=self._preferences, monitor=monitor)
        callbacks = [
            divergence,
            ranking,
            *modalities.watching(state, ranking, monitor=monitor),
            KeepBestWeights(run.weights_file, state, monitor=f"val_{monitor}"),
            WriteHistory(run.history_file, state),
            *modalities.stopping(state),
            *watchers,
            # Behind the callbacks that count and validate, before the one that may end the program.
            *_shown(progress, plan, verbose=verbose),
            checkpointing,
        ]
        earlier = Checkpoints(progress.earlier.checkpoints_folder, keep=settings.checkpoints)
        restored = checkpointing.restore(into=run.folder, checkpoints=earlier)
        if not restored or self._group is not None:
            checkpointing.save()  # also where another process has what this one resumed from
        _set_learning_rate(self.model, settings.learning_rate, state)
        # An earlier end may have been that of fewer epochs.
        state.complete = checkpointing.is_exhausted
        while not state.complete:
            with checkpointing.preemption.deferred():
                # The rest of an epoch is a fit of its own: Keras knows only epochs of one length.
                self.model.fit(
                    self._dataset(state),
                    initial_epoch=state.epoch,
                    epochs=state.epoch + 1 if state.step_of_epoch else settings.epochs,
                    steps_per_epoch=plan.steps - state.step_of_epoch,
                    verbose=0,
                    callbacks=callbacks,
                )
            if divergence.step is not None:
                _roll_back(divergence, checkpointing, run, rollbacks=settings.rollbacks)
                _set_learning_rate(self.model, settings.learning_rate, state)
                checkpointing.save()

    def best_model(self, run: RunDirectory) -> MetaMMF:
        """The model with the best weights of the run."""
        model = self.model
        if is_mirrored(self._strategy):
            # Keras cannot load the variables of a metric, which are among the weights, into mirrored variables.
            model = make_model(self._plan, self._data)
        load_best_weights(model, run)
        return model

    def _dataset(self, state: TrainingState) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """The batches behind those that were trained on."""
        epoch, step = state.epoch, state.step_of_epoch
        return shared_dataset(
            self._strategy, lambda context: self._batches.beginning_at(epoch, step, input_context=context)
        )


def _shown(progress: RunInProgress, plan: TrainingPlan, *, verbose: int | None) -> list[keras.callbacks.Callback]:
    """What prints how far training is."""
    if verbose == 0:
        return []
    settings, monitor = plan.configuration.training, plan.configuration.evaluation.monitor
    bars = draws_bars() if verbose is None else verbose == 1
    return [ShowProgress(progress.state, epochs=settings.epochs, steps=plan.steps, monitor=monitor, bars=bars)]


def _set_learning_rate(model: MetaMMF, learning_rate: float, state: TrainingState) -> None:
    for optimizer in (model.optimizer, *model.weight_updates.optimizers.values()):
        keras.backend.set_value(optimizer.learning_rate, learning_rate * ROLLBACK_FACTOR ** len(state.rollbacks))


def _roll_back(
    divergence: StopOnDivergence, checkpointing: Checkpointing, run: RunDirectory, *, rollbacks: int
) -> None:
    state = checkpointing.state
    step, loss, done = divergence.step, divergence.loss, list(state.rollbacks)
    if len(done) >= rollbacks or not checkpointing.restore(into=run.folder):
        tried = f" after {len(done)} rollbacks" if done else ""
        raise TrainingDivergedError(
            f"{run.folder}: the loss became {loss} at step {step}; training stopped{tried}. "
            f"{_kept_weights(state, run.weights_file)} {_unstandardized(run)}Lower training.learning_rate, increase "
            "objective.temperature, or set training.rollbacks to go back to a checkpoint with half the learning rate."
        )
    state.rollbacks = [*done, {"step": float(step or 0), "loss": float(loss or 0), "to_step": float(state.step)}]
    logger.warning("the loss became %s at step %s: back to step %s with half the learning rate", loss, step, state.step)


def _unstandardized(run: RunDirectory) -> str:
    settings = run.configuration.model
    if settings.standardize or not settings.uses_features:
        return ""
    return "Features are not standardised: set model.standardize to true if their numbers are large. "


def _kept_weights(state: TrainingState, path: Path) -> str:
    if state.best_epoch is None:
        return "No epoch had ended, so there are no weights."
    return f"The best weights, of epoch {state.best_epoch}, are in {path.name}."
