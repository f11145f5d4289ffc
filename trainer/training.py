"""Training: a run directory from a record set and a configuration, begun or gone on with."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tf_keras as keras

from tf_metammf.errors import TrainingDivergedError, unknown_name
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent
from tf_metammf.records.tensorflow_errors import LOST_CONNECTION
from tf_metammf.trainer.assembly import (
    TrainingBatches,
    make_model,
    make_objective,
    make_optimizer,
    make_server_dataset,
    steps_of_epoch,
)
from tf_metammf.trainer.baseline_runs import keep_baseline, make_baseline
from tf_metammf.trainer.bounds import check_bounds
from tf_metammf.trainer.configuration import Configuration
from tf_metammf.trainer.determinism import deterministic_operations
from tf_metammf.trainer.distribution.cluster import Cluster
from tf_metammf.trainer.distribution.devices import grow_gpu_memory
from tf_metammf.trainer.distribution.server_process import serve
from tf_metammf.trainer.distribution.server_training import check_served, fit_with_servers
from tf_metammf.trainer.distribution.strategy import (
    find_cluster,
    is_mirrored,
    make_strategy,
    require_divisible,
    shared_dataset,
    worker_group,
)
from tf_metammf.trainer.distribution.worker_process import lost_workers_named, own_directory
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.fitting import fit
from tf_metammf.trainer.references import remarks_on, write_references
from tf_metammf.trainer.runs.environment import describe_environment, peak_memory_bytes
from tf_metammf.trainer.runs.resumption import RESUME, check_resumable
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.runs.warm_start import begin_from_earlier_run
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.validation import final_rankings, validation_ranking
from tf_metammf.trainer.watching.tracking import tracked, tracker_package
from tf_metammf.trainer.watching.training_curve import draw_training_curve

logger = logging.getLogger(__name__)


def train(
    record_set: RecordSet,
    folder: str | Path,
    configuration: Configuration,
    *,
    resume: str = "auto",
    splits: Sequence[str] = ("validation", "test"),
    group: str | Path | None = None,
    verbose: int | None = None,
) -> RunDirectory:
    """Trains a model and writes its run directory, or goes on with one.

    After every epoch the validation split is ranked in full; early stopping and the choice of
    weights follow ``configuration.evaluation.monitor``. The test split is evaluated once, at
    the end, with the chosen weights, and influences nothing. The same metrics of popularity and of a random ranking
    are kept with those of the model; a model that is behind them, or whose best epoch is the last one allowed, is said
    to be so in the log.

    A run that was killed goes on from its newest checkpoint; one that is finished is left as it is.

    Args:
        record_set: The data.
        folder: The run directory to create or to go on with.
        configuration: Model, objective, training and evaluation.
        resume: What to do with a run directory that is there: ``"auto"`` goes on if configuration and data are the
            same; ``"force"`` also with other values of :data:`tf_metammf.trainer.runs.resumption.CHANGEABLE`, and
            with a finished run; ``"never"`` refuses.
        splits: Splits that the chosen weights are ranked on at the end. A trial of a search leaves ``"test"`` out.
        group: The directory of the search or comparison that the run is a part of, for ``training.tracking``.
        verbose: 0 silent, 1 progress bars, 2 one line an epoch; by default 1 on a terminal, else 2.

    Returns:
        The run directory.

    Raises:
        InvalidInputError: The configuration does not fit the data or the run, another process is training in the
            run directory, or the folder is something else.
        TrainingDivergedError: The loss became NaN or infinite; the best weights so far are kept.
        WorkerLostError: Another process of a distributed training is gone.
        SystemExit, KeyboardInterrupt: A signal asked the process to leave; a checkpoint is written.
    """
    if resume not in RESUME:
        raise unknown_name("--resume", resume, RESUME)
    check_bounds(configuration)
    cluster = find_cluster(configuration.training.strategy)
    run = RunDirectory(Path(folder))
    if cluster is not None and cluster.has_servers:
        check_served(configuration, run)
        if not cluster.is_chief:
            serve(cluster, run)
            return run
    writes = cluster is None or cluster.is_chief
    # Beside the chief, the run directory may be there because the chief has just made it.
    if run.configuration_file.is_file() or (writes and (run.folder.exists() or run.folder.is_symlink())):
        if writes and (resume == "never" or not run.configuration_file.is_file()):
            require_absent(run.folder, option="--run")
        check_resumable(run, configuration, record_set, force=resume == "force")
        if resume == "auto" and run.is_finished:
            _remark(run, group=group, writes=writes)
            return run
    if configuration.training.tracking is not None and writes:
        tracker_package(configuration.training.tracking)
    together = None if group is None else Path(group)
    with deterministic_operations(configuration.training.deterministic), lost_workers_named(run, cluster):
        _train(run, record_set, configuration, cluster, splits=splits, tracked_in=together, verbose=verbose)
    _remark(run, group=group, writes=writes)
    return run


def _remark(run: RunDirectory, *, group: str | Path | None, writes: bool) -> None:
    """Logs what should be known about the numbers of a run; a search or comparison does so for all of its runs."""
    if writes and group is None:
        for remark in remarks_on(run):
            logger.warning("%s: %s", run.folder, remark)


def _train(
    run: RunDirectory,
    record_set: RecordSet,
    configuration: Configuration,
    cluster: Cluster | None,
    *,
    splits: Sequence[str],
    tracked_in: Path | None,
    verbose: int | None,
) -> None:
    grow_gpu_memory()
    strategy = make_strategy(configuration.training.strategy, cluster)
    group = worker_group(strategy, cluster)
    keras.utils.set_random_seed(configuration.training.seed)
    data = TrainingData.of(record_set, configuration)
    require_divisible(configuration.training.batch_size, strategy)
    if configuration.model.is_baseline:
        _count(run, record_set, configuration, data, splits=splits)
        return
    with strategy.scope():
        model = make_model(configuration, make_objective(configuration.objective, data), data)
        model.compile(optimizer=make_optimizer(configuration, record_set.metadata))
        model.optimizer.build(model.trainable_variables)
    whole = None
    if cluster is not None and cluster.has_servers:
        whole = make_model(configuration, make_objective(configuration.objective, data), data)
    everything = configuration.training.tensorboard == "all"
    model.logs_gradient_norm = everything
    batches = TrainingBatches(configuration, data)  # refuses settings before there is a run directory
    validation = validation_ranking(data, configuration, group)
    rankings = final_rankings(data, configuration, splits, group)
    report = begin_from_earlier_run(run, model, data, configuration.training)
    state = TrainingState()
    with own_directory(run, cluster) as own:
        if not own.configuration_file.is_file():
            create_run_directory(own.folder, configuration, record_set)
        with (
            locked(own.folder),
            _state_written(own, state, monitor=configuration.evaluation.monitor),
            tracked(own, configuration, group=tracked_in, active=cluster is None or cluster.is_chief) as tracking,
        ):
            own.configuration_file.write_text(configuration.to_yaml(), encoding="utf-8")
            write_references(own, data, rankings, validation)
            if report is not None:
                report.write(own)
            settings: dict[str, Any] = {
                "steps": steps_of_epoch(configuration, data),
                "validation": validation,
                "configuration": configuration,
                "run": own,
                "state": state,
                "item_ids": record_set.item_ids if everything else [],
                "watchers": tracking.callbacks,
            }
            if whole is not None:
                fit_with_servers(
                    model, whole, lambda _: make_server_dataset(configuration, data), **settings, verbose=verbose != 0
                )
                model = whole
            else:
                fit(
                    model,
                    lambda epoch, step: shared_dataset(
                        strategy, lambda context: batches.beginning_at(epoch, step, context)
                    ),
                    **settings,
                    group=group,
                    resume_from=run,
                    verbose=verbose if cluster is None or cluster.is_chief else 0,
                )
            if is_mirrored(strategy):
                # Keras cannot load the variables of a metric, which are among the weights, into mirrored variables.
                model, _ = load_model(own, record_set.folder)
            else:
                model.load_weights(str(own.weights_file))
            embeddings = model.embeddings()
            metrics = {split: ranking.evaluate(*embeddings) for split, ranking in rankings.items()}
            own.write("metrics", metrics)
            tracking.summarize(metrics, epoch=state.epoch)
        if group is not None:
            group.wait()  # nobody leaves before the chief has written everything


def _count(
    run: RunDirectory, record_set: RecordSet, configuration: Configuration, data: TrainingData, *, splits: Sequence[str]
) -> None:
    """A run directory for a model in which nothing is trained."""
    model = make_baseline(configuration, data)
    validation = validation_ranking(data, configuration, None)
    rankings = final_rankings(data, configuration, splits, None)
    monitor, state = configuration.evaluation.monitor, TrainingState()
    if not run.configuration_file.is_file():
        create_run_directory(run.folder, configuration, record_set)
    with locked(run.folder), _state_written(run, state, monitor=monitor):
        write_references(run, data, rankings, validation)
        keep_baseline(model, validation, state, monitor=monitor, weights=run.weights_file, history=run.history_file)
        run.write("metrics", {split: ranking.evaluate_model(model) for split, ranking in rankings.items()})


@contextmanager
def _state_written(run: RunDirectory, state: TrainingState, *, monitor: str) -> Iterator[None]:
    """Keeps ``state.json`` true, however training ends."""
    started, before = time.perf_counter(), run.seconds
    ending = "failed"
    run.write("environment", describe_environment())
    run.write("state", {"state": "running", "seconds": before})
    try:
        yield
        ending = "finished"
    except TrainingDivergedError:
        ending = "diverged"
        raise
    except (KeyboardInterrupt, SystemExit, *LOST_CONNECTION):
        ending = "stopped"
        raise
    finally:
        if run.history_file.is_file():
            draw_training_curve(run, monitor=monitor)
        run.write(
            "state",
            {
                "state": ending,
                "epoch": state.epoch,
                "step": state.step,
                "best_epoch": state.best_epoch,
                f"validation {monitor}": state.best_value,
                "rollbacks": state.rollbacks,
                "seconds": round(before + time.perf_counter() - started, 2),
                "peak_memory_bytes": peak_memory_bytes(),
            },
        )
