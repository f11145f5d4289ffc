"""Training: fit with full-ranking validation, best weights kept, everything written to a run directory."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, TrainingDivergedError
from tf_metammf.metric_names import ALL, MetricName
from tf_metammf.model import MetaMMF
from tf_metammf.ranking import FullRanking
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent
from tf_metammf.trainer.assembly import (
    make_full_ranking,
    make_model,
    make_objective,
    make_training_dataset,
)
from tf_metammf.trainer.best_weights import KeepBestWeights
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.environment import describe_environment, peak_memory_bytes
from tf_metammf.trainer.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.training_curve import draw_training_curve
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.validation import FullRankingValidation


def train(
    record_set: RecordSet, folder: str | Path, configuration: Configuration, *, verbose: int | None = None
) -> RunDirectory:
    """Trains a model and writes its run directory.

    After every epoch the validation split is ranked in full; early stopping and the choice of
    weights follow ``configuration.evaluation.monitor``. The test split is evaluated once, at
    the end, with the chosen weights, and influences nothing.

    Args:
        record_set: The data.
        folder: The run directory to create.
        configuration: Model, objective, training and evaluation.
        verbose: 0 silent, 1 progress bar, 2 one line an epoch; by default 1 on a terminal, else 2.

    Returns:
        The run directory.

    Raises:
        InvalidInputError: The configuration does not fit the data, or the folder exists.
        TrainingDivergedError: The loss became NaN or infinite; the best weights so far are kept.
    """
    _check(configuration)
    monitored = MetricName.parse(configuration.evaluation.monitor)
    require_absent(Path(folder), option="--run")
    keras.utils.set_random_seed(configuration.training.seed)
    data = TrainingData.of(record_set, configuration)
    model = make_model(configuration.model, make_objective(configuration.objective, data.item_frequency), data)
    dataset = make_training_dataset(configuration, data)
    validation = make_full_ranking(
        data,
        "validation",
        cutoffs=[monitored.k],
        metrics=list(dict.fromkeys([monitored.metric, "recall", "ndcg"])),
        by_kind=monitored.part != ALL,
    )
    if str(monitored) not in validation.names:
        raise InvalidInputError(
            f'evaluation.monitor is "{monitored}", but the validation split has no {monitored.part} items to find. '
            f"It has: {', '.join(validation.names)}."
        )
    rankings = {
        split: make_full_ranking(data, split, cutoffs=configuration.evaluation.k)
        for split in ("validation", "test")
        if split in record_set.metadata.splits and record_set.metadata.splits[split].interactions
    }
    run = create_run_directory(folder, configuration, record_set)
    with _state_written(run) as state:
        _fit(model, dataset, len(data.train), validation, configuration, run=run, state=state, verbose=verbose)
        model.load_weights(str(run.weights_file))
        embeddings = model.embeddings()
        run.write("metrics", {split: ranking.evaluate(*embeddings) for split, ranking in rankings.items()})
    return run


def _fit(
    model: MetaMMF,
    dataset: tf.data.Dataset,
    interactions: int,
    validation: FullRanking,
    configuration: Configuration,
    *,
    run: RunDirectory,
    state: dict[str, object],
    verbose: int | None,
) -> None:
    monitor = configuration.evaluation.monitor
    divergence = StopOnDivergence()
    best = KeepBestWeights(run.weights_file, monitor=f"val_{monitor}")
    model.compile(optimizer=keras.optimizers.Adam(configuration.training.learning_rate))
    model.fit(
        dataset,
        epochs=configuration.training.epochs,
        steps_per_epoch=-(-interactions // configuration.training.batch_size),
        verbose=_verbosity() if verbose is None else verbose,
        callbacks=[
            divergence,
            FullRankingValidation(validation, divergence),
            best,
            keras.callbacks.CSVLogger(str(run.history_file)),
            keras.callbacks.TensorBoard(str(run.tensorboard_folder), write_graph=False),
            *_early_stopping(configuration),
        ],
    )
    state |= {"best_epoch": best.epoch, f"validation {monitor}": best.value}
    draw_training_curve(run, monitor=monitor)
    if divergence.step is not None:
        state["step"] = divergence.step
        raise TrainingDivergedError(
            f"{run.folder}: the loss became {divergence.loss} at step {divergence.step}; training stopped. "
            f"{_kept_weights(best)} Lower training.learning_rate or raise objective.temperature."
        )


@contextmanager
def _state_written(run: RunDirectory) -> Iterator[dict[str, object]]:
    """Keeps ``state.json`` true, however training ends; what is put into the dictionary goes there too."""
    started = time.perf_counter()
    details: dict[str, object] = {}
    ending = "failed"
    run.write("environment", describe_environment())
    run.write("state", {"state": "running"})
    try:
        yield details
        ending = "finished"
    except TrainingDivergedError:
        ending = "diverged"
        raise
    except (KeyboardInterrupt, SystemExit):
        ending = "stopped"
        raise
    finally:
        seconds = round(time.perf_counter() - started, 2)
        run.write("state", {"state": ending, **details, "seconds": seconds, "peak_memory_bytes": peak_memory_bytes()})


def _check(configuration: Configuration) -> None:
    """Refuses numbers that nothing could be done with."""
    least = {
        "training.epochs": 1,
        "training.batch_size": 1,
        "training.patience": 0,
        "training.learning_rate": 0,
        "training.feature_budget_gb": 0,
        "training.seed": 0,
        "model.id_units": 0,
        "model.l2": 0,
    }
    for name, bound in least.items():
        section, _, field = name.partition(".")
        value = getattr(getattr(configuration, section), field)
        limit = 2.0**31 if isinstance(value, int) else float("inf")
        if not bound <= value < limit:
            raise InvalidInputError(f"{name} is {value}, expected at least {bound} and below {limit:g}.")
    if not configuration.evaluation.k:
        raise InvalidInputError("evaluation.k is empty, expected cut-offs such as [10, 20].")
    for cutoff in configuration.evaluation.k:
        MetricName.parse(f"recall@{cutoff}")


def _early_stopping(configuration: Configuration) -> list[keras.callbacks.Callback]:
    if not configuration.training.patience:
        return []
    return [
        keras.callbacks.EarlyStopping(
            monitor=f"val_{configuration.evaluation.monitor}", mode="max", patience=configuration.training.patience
        )
    ]


def _verbosity() -> int:
    return 1 if sys.stdout.isatty() else 2


def _kept_weights(best: KeepBestWeights) -> str:
    if best.epoch is None:
        return "No epoch had ended before, so there are no weights."
    return f"The weights of epoch {best.epoch}, the best before that, are in {best.path.name}."
