"""Training: a run directory from a record set and a configuration, begun or gone on with."""

import logging
from collections.abc import Sequence
from pathlib import Path

import tf_keras as keras

from tf_metammf.errors import unknown_name
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent
from tf_metammf.trainer.baseline_runs import count_baseline
from tf_metammf.trainer.calibration import calibrate
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.determinism import deterministic_operations
from tf_metammf.trainer.distribution.cluster import Cluster
from tf_metammf.trainer.distribution.devices import grow_gpu_memory
from tf_metammf.trainer.distribution.server_process import check_server_path, serve
from tf_metammf.trainer.distribution.strategy import (
    find_cluster,
    make_strategy,
    require_divisible,
    worker_group,
)
from tf_metammf.trainer.distribution.worker_process import lost_workers_named, own_directory
from tf_metammf.trainer.frozen_base import take_known_items
from tf_metammf.trainer.planning.training_plan import TrainingPlan, plan_training
from tf_metammf.trainer.preferences import write_preference_metrics
from tf_metammf.trainer.rankings import final_rankings, validation_ranking
from tf_metammf.trainer.replica_training import ReplicaTraining
from tf_metammf.trainer.runs.references import remarks_on, write_references
from tf_metammf.trainer.runs.resumption import RESUME, check_resumable
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.server_training import ServerTraining
from tf_metammf.trainer.teachers import training_reference, training_teachers
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.warm_start import begin_from_earlier_run
from tf_metammf.trainer.watching.run_state import state_written
from tf_metammf.trainer.watching.tensorboard_logs import tensorboard_callbacks
from tf_metammf.trainer.watching.tracking import tracked, tracker_package

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
    """Trains a model and writes its run directory, or resumes one.

    After every epoch the validation split is ranked in full; early stopping and the choice of
    weights follow ``configuration.evaluation.monitor``. The test split is evaluated once, at
    the end, with the chosen weights, and influences nothing. The same metrics of popularity and of a random ranking
    are kept with those of the model; a model that is behind them, or whose best epoch is the last one allowed, is said
    to be so in the log.

    A run that was killed resumes from its newest checkpoint; a finished one is not changed.

    Args:
        record_set: The data.
        folder: The run directory to create or resume.
        configuration: Model, objective, training and evaluation.
        resume: What to do with an existing run directory: ``"auto"`` resumes if configuration and data are the
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
    plan = plan_training(configuration, record_set)
    cluster = find_cluster(configuration.training.strategy)
    run = RunDirectory(Path(folder))
    if cluster is not None and cluster.has_servers:
        check_server_path(run.folder)
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
        _train(run, record_set, plan, cluster=cluster, splits=splits, tracked_in=together, verbose=verbose)
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
    plan: TrainingPlan,
    *,
    cluster: Cluster | None,
    splits: Sequence[str],
    tracked_in: Path | None,
    verbose: int | None,
) -> None:
    configuration, is_chief = plan.configuration, cluster is None or cluster.is_chief
    grow_gpu_memory()
    strategy = make_strategy(configuration.training.strategy, cluster)
    group = worker_group(strategy, cluster)
    data = TrainingData.of(record_set, plan)
    # Before the seed: what a teacher draws when it is loaded, a resumed training does not.
    teachers, reference = training_teachers(run, plan, record_set), training_reference(run, plan, record_set)
    held_to = reference.tables[0] if reference.tables else None
    keras.utils.set_random_seed(configuration.training.seed)
    require_divisible(plan.batch_size, strategy)
    if plan.pairs is not None:
        require_divisible(plan.pairs, strategy, field="objective.pairs")
    if plan.is_baseline:
        count_baseline(run, plan, data, splits=splits)
        return
    training = (
        ServerTraining(plan, data, strategy)
        if plan.has_servers
        else ReplicaTraining(plan, data, strategy, group=group, teachers=teachers.tables, reference=held_to)
    )
    validation = validation_ranking(plan, data, group=group)
    rankings = final_rankings(plan, data, splits=splits, group=group)
    report = begin_from_earlier_run(run, training.model, data, configuration)
    take_known_items(training.model, run)
    with own_directory(run, cluster) as own:
        if not own.configuration_file.is_file():
            create_run_directory(own.folder, configuration, record_set)
        progress = RunInProgress(own, earlier=run)
        with (
            locked(own.folder),
            state_written(progress, monitor=configuration.evaluation.monitor),
            tracked(own, configuration, group=tracked_in, active=is_chief) as tracking,
        ):
            own.write_configuration(configuration)
            teachers.write(own)
            reference.write(own)
            write_references(own, data.item_popularity, rankings, validation)
            if report is not None:
                report.write(own)
            watchers = [*_tensorboard(own, plan, record_set), *tracking.callbacks]
            training.fit(progress, validation, watchers=watchers, verbose=verbose if is_chief else 0)
            model = training.best_model(own)
            if held_to is not None:
                write_preference_metrics(own, plan, data, reference=held_to, model=model)
            if configuration.model.calibration == "validation":
                calibrate(model, own, data, cutoff=MetricName.parse(configuration.evaluation.monitor).k)
            embeddings = model.embeddings()
            metrics = {split: ranking.evaluate(*embeddings) for split, ranking in rankings.items()}
            own.write("metrics", metrics)
            tracking.summarize(metrics, epoch=progress.state.epoch)
        if group is not None:
            group.wait()  # nobody leaves before the chief has written everything


def _tensorboard(run: RunDirectory, plan: TrainingPlan, record_set: RecordSet) -> list[keras.callbacks.Callback]:
    settings = plan.configuration.training
    return tensorboard_callbacks(
        run.tensorboard_folder,
        contents=settings.tensorboard,
        profile_steps=settings.profile_steps,
        item_ids=record_set.item_ids if settings.tensorboard == "all" else [],
    )
