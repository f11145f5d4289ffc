"""Training with parameter servers: workers take steps of their own, the chief looks at every epoch."""

import logging
import math
import shutil
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import TrainingDivergedError
from tf_metammf.model import MetaMMF
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.assembly import make_compiled_model, make_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.best_weights import KeepBestWeights, load_best_weights
from tf_metammf.trainer.runs.checkpointing import Checkpointing
from tf_metammf.trainer.runs.history import WriteHistory
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.training_batches import make_server_dataset
from tf_metammf.trainer.training_data import TrainingData

logger = logging.getLogger(__name__)


class ServerTraining:
    """Training in which parameter servers have the weights, and every worker has whole batches.

    Args:
        plan: Model, objective and training.
        data: The record set.
        strategy: Workers and servers.

    Attributes:
        model: The model, compiled, its weights on the servers.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """

    def __init__(self, plan: TrainingPlan, data: TrainingData, strategy: tf.distribute.Strategy) -> None:
        self._plan, self._data = plan, data
        with strategy.scope():
            self.model = make_compiled_model(plan, data)
        # The same model in this process, which gets the weights after every epoch to be ranked and kept.
        self._whole = make_model(plan, data)

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
            progress: Where checkpoints, best weights and history go; servers write their parts of a checkpoint there,
                too. Takes over how far training is.
            validation: Full ranking of the validation split.
            watchers: Further callbacks that look at the numbers of an epoch.
            verbose: 0 silent, else one line an epoch.

        Raises:
            TrainingDivergedError: The loss of an epoch became NaN or infinite.
            SystemExit, KeyboardInterrupt: A signal asked the process to leave; a checkpoint is written.
        """
        plan, run, state, model = self._plan, progress.run, progress.state, self.model
        settings, monitor = plan.configuration.training, plan.configuration.evaluation.monitor
        users = model.user_tower.embedding.embeddings
        parts = len(getattr(users, "variables", [users]))
        logger.info("the user embeddings are on the servers, in %d parts", parts)
        checkpointing = _EpochCheckpointing.of(model, progress, plan)
        if not checkpointing.restore(into=run.folder):
            checkpointing.save()
        model.optimizer.learning_rate.assign(settings.learning_rate)
        state.complete = checkpointing.is_exhausted
        if state.complete:
            return
        callbacks = [
            _RankWhole(self._whole, validation, run),
            KeepBestWeights(run.weights_file, state, monitor=f"val_{monitor}", kept=self._whole),
            WriteHistory(run.history_file, state),
            *watchers,
            *([] if verbose == 0 else [_Lines(settings.epochs)]),
            checkpointing,
        ]
        with checkpointing.preemption.deferred():
            model.fit(
                keras.utils.experimental.DatasetCreator(lambda _: make_server_dataset(plan, self._data)),
                initial_epoch=state.epoch,
                epochs=settings.epochs,
                steps_per_epoch=plan.steps,
                verbose=0,
                callbacks=callbacks,
            )

    def best_model(self, run: RunDirectory) -> MetaMMF:
        """The model with the best weights of the run, in this process."""
        load_best_weights(self._whole, run)
        return self._whole


class _EpochCheckpointing(Checkpointing):
    """Counts whole epochs: nobody sees the single steps of the workers."""

    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps of the epoch, too."""
        self.state.step += self.steps
        super().on_epoch_end(epoch, logs)


class _RankWhole(keras.callbacks.Callback):
    """Takes the weights over from the servers, and adds full-ranking metrics to the logs of the epoch."""

    def __init__(self, whole: MetaMMF, ranking: FullRanking, run: RunDirectory) -> None:
        super().__init__()
        self.whole = whole
        self.ranking = ranking
        self.run = run

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
