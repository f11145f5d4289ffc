"""Keras ``fit`` with parameter servers: workers take steps of their own, the chief looks at every epoch."""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.tensorflow_paths import PATTERN_CHARACTERS, is_pattern
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.best_weights import KeepBestWeights
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.history import WriteHistory
from tf_metammf.trainer.runs.preemption import Preemption
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.watching.tensorboard_logs import tensorboard_callbacks

logger = logging.getLogger(__name__)

MakeDataset = Callable[[tf.distribute.InputContext], tf.data.Dataset]


def check_served(configuration: Configuration, run: RunDirectory) -> None:
    """Refuses what does not go with parameter servers.

    Args:
        configuration: The configuration of the training.
        run: Its run directory. Servers read their parts of a checkpoint by its path, of which TensorFlow takes some
            characters for a pattern.

    Raises:
        InvalidInputError: A setting does not; the message names it.
    """
    training = configuration.training
    if is_pattern(run.folder):
        raise InvalidInputError(
            f"{run.folder}: the servers of parameter_server cannot read checkpoints from a path with one of "
            f"{' '.join(sorted(PATTERN_CHARACTERS))}. Choose another --run."
        )
    refused = {
        "model.encoder.name": (configuration.model.encoder.name, "mf", "a graph encoder needs all nodes in every step"),
        "objective.name": (configuration.objective.name, "in_batch_softmax", "the others need all items or a sampler"),
        "training.deterministic": (training.deterministic, False, "workers do not wait for each other"),
        "training.mixed_precision": (training.mixed_precision, None, "it has not been tried there"),
        "training.jit_compile": (training.jit_compile, False, "it has not been tried there"),
        "training.init_from": (training.init_from, None, "weights are read by one process"),
        "training.rollbacks": (training.rollbacks, 0, "no process sees the loss of a single step"),
        "training.profile_steps": (training.profile_steps, 0, "no process sees a single step"),
    }
    for name, (found, expected, reason) in refused.items():
        if found != expected:
            raise InvalidInputError(
                f"{name} is {found}; with parameter_server only {expected} is possible: {reason}. Use that, or the "
                "strategy multi_worker."
            )


def fit_with_servers(
    model: MetaMMF,
    whole: MetaMMF,
    make_dataset: MakeDataset,
    *,
    steps: int,
    validation: FullRanking,
    configuration: Configuration,
    run: RunDirectory,
    state: TrainingState,
    item_ids: list[str],
    watchers: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
) -> None:
    """Trains a model whose weights are on parameter servers.

    Args:
        model: The model, made and compiled in the scope of the strategy.
        whole: The same model outside of it, which gets the weights after every epoch to be ranked and kept.
        make_dataset: The batches of one worker.
        steps: Steps of an epoch, of all workers together.
        validation: Full ranking of the validation split.
        configuration: Training and evaluation settings.
        run: Where checkpoints, best weights and history go; servers write their parts of a checkpoint there, too.
        state: Takes over how far training is.
        item_ids: Raw id of every item, for labels.
        watchers: Further callbacks that look at the numbers of an epoch.
        verbose: Whether to print a line an epoch.

    Raises:
        TrainingDivergedError: The loss of an epoch became NaN or infinite.
    """
    settings, monitor = configuration.training, configuration.evaluation.monitor
    users = model.user_tower.embedding.embeddings
    logger.info("the user embeddings are on the servers, in %d parts", len(getattr(users, "variables", [users])))
    checkpointing = _EpochCheckpointing(
        Checkpoints(run.checkpoints_folder, keep=settings.checkpoints),
        tf.train.Checkpoint(model=model, optimizer=model.optimizer),
        state,
        steps=steps,
        epochs=settings.epochs,
        patience=settings.patience,
        seconds=settings.checkpoint_seconds,
        files=[run.weights_file],
        preemption=Preemption(),
    )
    if not checkpointing.restore(into=run.folder):
        checkpointing.save()
    model.optimizer.learning_rate.assign(settings.learning_rate)
    state.complete = state.is_exhausted(epochs=settings.epochs, patience=settings.patience)
    if state.complete:
        return
    callbacks = [
        _RankWhole(whole, validation, run, state),
        KeepBestWeights(run.weights_file, state, monitor=f"val_{monitor}", kept=whole),
        WriteHistory(run.history_file, state),
        *tensorboard_callbacks(
            run.tensorboard_folder, contents=settings.tensorboard, profile_steps=0, item_ids=item_ids
        ),
        *watchers,
        *([_Lines(settings.epochs)] if verbose else []),
        checkpointing,
    ]
    with checkpointing.preemption.deferred():
        model.fit(
            keras.utils.experimental.DatasetCreator(make_dataset),
            initial_epoch=state.epoch,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            verbose=0,
            callbacks=callbacks,
        )


class _EpochCheckpointing(Checkpointing):
    """Counts whole epochs: nobody sees the single steps of the workers."""

    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of the epoch, too."""
        self.state.step += self.steps
        super().on_epoch_end(epoch, logs)


class _RankWhole(keras.callbacks.Callback):
    """Takes the weights over from the servers, and adds full-ranking metrics to the logs of the epoch."""

    def __init__(self, whole: MetaMMF, ranking: FullRanking, run: RunDirectory, state: TrainingState) -> None:
        super().__init__()
        self.whole = whole
        self.ranking = ranking
        self.run = run
        self.state = state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ranks the validation split with the weights at the end of the epoch."""
        loss = float((logs or {}).get("loss", math.nan))
        if logs is None or not math.isfinite(loss):
            raise TrainingDivergedError(
                f"{self.run.folder}: the loss became {loss} in epoch {epoch + 1}; training stopped. Lower "
                "training.learning_rate, or increase objective.temperature."
            )
        # Servers write their parts, so they go by way of the run directory.
        aside = self.run.folder / ".weights"
        shutil.rmtree(aside, ignore_errors=True)
        tf.train.Checkpoint(model=self.model).write(str(aside / "weights"))
        tf.train.Checkpoint(model=self.whole).read(str(aside / "weights")).expect_partial()
        shutil.rmtree(aside, ignore_errors=True)
        metrics = self.ranking.evaluate(*self.whole.embeddings())
        logs.update({f"val_{name}": value for name, value in metrics.items()})


class _Lines(keras.callbacks.Callback):
    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        numbers = {name.replace("val_", "validation "): value for name, value in (logs or {}).items()}
        line = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items() if name != "learning_rate")
        print(f"epoch {epoch + 1}/{self.epochs}  {line}", flush=True)
