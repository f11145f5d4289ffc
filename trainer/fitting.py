"""Keras ``fit`` from where a run is to its end: resumed, rolled back, preempted."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.console import draws_bars
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.distribution.worker_group import WorkerGroup
from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.preemption import Preemption
from tf_metammf.trainer.runs.best_weights import KeepBestWeights
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.history import WriteHistory
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.validation import FullRankingValidation
from tf_metammf.trainer.watching.progress import ShowProgress
from tf_metammf.trainer.watching.tensorboard_logs import tensorboard_callbacks

logger = logging.getLogger(__name__)

ROLLBACK_FACTOR = 0.5
"""What the learning rate is multiplied with at a rollback."""

MakeDataset = Callable[[int, int], tf.data.Dataset]
"""From the numbers of finished epochs and of finished steps of the next one to the endless stream of batches."""


def fit(
    model: MetaMMF,
    make_dataset: MakeDataset,
    *,
    steps: int,
    validation: FullRanking,
    configuration: Configuration,
    run: RunDirectory,
    state: TrainingState,
    item_ids: list[str],
    watchers: Sequence[keras.callbacks.Callback] = (),
    group: WorkerGroup | None = None,
    resume_from: RunDirectory | None = None,
    verbose: int | None = None,
) -> None:
    """Trains a compiled model to the end of its run, from the newest checkpoint if there is one.

    Args:
        model: The model, compiled, its optimiser built.
        make_dataset: The training batches.
        steps: Steps of an epoch.
        validation: Full ranking of the validation split.
        configuration: Training and evaluation settings.
        run: Where checkpoints, best weights and history go.
        state: Takes over how far training is.
        item_ids: Raw id of every item, for labels.
        watchers: Further callbacks that look at the numbers of an epoch.
        group: The processes that train together; None for this one alone.
        resume_from: The run whose checkpoints to go on from, where it is not ``run``.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch; by default 1 on a terminal, else 2.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite and may not be rolled back again.
        SystemExit, KeyboardInterrupt: A signal asked the process to leave; a checkpoint is written.
    """
    settings, monitor = configuration.training, configuration.evaluation.monitor
    preemption = Preemption()
    divergence = StopOnDivergence(state, spike_factor=settings.spike_factor, stop_at_spikes=settings.rollbacks > 0)
    checkpointing = Checkpointing(
        Checkpoints(run.checkpoints_folder, keep=settings.checkpoints),
        tf.train.Checkpoint(model=model, optimizer=model.optimizer),
        state,
        steps=steps,
        epochs=settings.epochs,
        patience=settings.patience,
        seconds=settings.checkpoint_seconds,
        files=[run.weights_file],
        preemption=preemption,
        group=group,
    )
    callbacks = [
        divergence,
        FullRankingValidation(validation, divergence),
        KeepBestWeights(run.weights_file, state, monitor=f"val_{monitor}"),
        WriteHistory(run.history_file, state),
        *tensorboard_callbacks(
            run.tensorboard_folder,
            contents=settings.tensorboard,
            profile_steps=settings.profile_steps,
            item_ids=item_ids,
        ),
        *watchers,
        checkpointing,
    ]
    earlier = Checkpoints((resume_from or run).checkpoints_folder, keep=settings.checkpoints)
    restored = checkpointing.restore(into=run.folder, checkpoints=earlier)
    if not restored or group is not None:
        checkpointing.save()  # also where another process has what this one went on from
    _set_learning_rate(model, settings.learning_rate, state)
    # Earlier releases had one more step where one row was left for it, and may have stopped before it.
    state.step_of_epoch = min(state.step_of_epoch, steps - 1)
    # An earlier end may have been that of fewer epochs.
    state.complete = state.is_exhausted(epochs=settings.epochs, patience=settings.patience)
    verbose = _verbosity() if verbose is None else verbose
    if verbose:
        # Behind the callbacks that count and validate, before the one that may end the program.
        shown = ShowProgress(state, epochs=settings.epochs, steps=steps, monitor=monitor, bars=verbose == 1)
        callbacks.insert(-1, shown)
    while not state.complete:
        with preemption.deferred():
            # The rest of an epoch is a fit of its own: Keras knows only epochs of one length.
            model.fit(
                make_dataset(state.epoch, state.step_of_epoch),
                initial_epoch=state.epoch,
                epochs=state.epoch + 1 if state.step_of_epoch else settings.epochs,
                steps_per_epoch=steps - state.step_of_epoch,
                verbose=0,
                callbacks=callbacks,
            )
        if divergence.step is not None:
            _roll_back(divergence, checkpointing, run, rollbacks=settings.rollbacks)
            _set_learning_rate(model, settings.learning_rate, state)
            checkpointing.save()


def _set_learning_rate(model: MetaMMF, learning_rate: float, state: TrainingState) -> None:
    keras.backend.set_value(model.optimizer.learning_rate, learning_rate * ROLLBACK_FACTOR ** len(state.rollbacks))


def _roll_back(
    divergence: StopOnDivergence, checkpointing: Checkpointing, run: RunDirectory, *, rollbacks: int
) -> None:
    state = checkpointing.state
    step, loss, done = divergence.step, divergence.loss, list(state.rollbacks)
    if len(done) >= rollbacks or not checkpointing.restore(into=run.folder):
        tried = f" after {len(done)} rollbacks" if done else ""
        raise TrainingDivergedError(
            f"{run.folder}: the loss became {loss} at step {step}; training stopped{tried}. "
            f"{_kept_weights(state, run.weights_file)} {_unstandardized(run)}Lower training.learning_rate, raise "
            "objective.temperature, or set training.rollbacks to go back to a checkpoint with half the learning rate."
        )
    state.rollbacks = [*done, {"step": float(step or 0), "loss": float(loss or 0), "to_step": float(state.step)}]
    logger.warning("the loss became %s at step %s: back to step %s, half the learning rate", loss, step, state.step)


def _unstandardized(run: RunDirectory) -> str:
    settings = run.configuration.model
    if settings.standardize or not settings.uses_features:
        return ""
    return "Features are used as they are: set model.standardize to true if their numbers are large. "


def _verbosity() -> int:
    return 1 if draws_bars() else 2


def _kept_weights(state: TrainingState, path: Path) -> str:
    if state.best_epoch is None:
        return "No epoch had ended before, so there are no weights."
    return f"The weights of epoch {state.best_epoch}, the best before that, are in {path.name}."
