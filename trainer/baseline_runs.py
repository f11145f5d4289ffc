"""Baselines, which are counted and not trained."""

import csv
import math
from collections.abc import Sequence

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_knn import ItemKNN
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.baselines.settings import EASESettings, IALSSettings, ItemKNNSettings
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import MetricName
from tf_metammf.trainer.baseline_calibration import calibrate_baseline
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.rankings import final_rankings, validation_ranking
from tf_metammf.trainer.runs.best_weights import load_best_weights
from tf_metammf.trainer.runs.references import write_references
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.runs.run_in_progress import RunInProgress
from tf_metammf.trainer.runs.run_lock import locked
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.watching.run_state import TrainingStart, state_written


def make_baseline(plan: TrainingPlan, data: TrainingData, *, solved: RunDirectory | None = None) -> Baseline:
    """Counts or solves a baseline.

    Args:
        plan: What it is, and its settings.
        data: The record set.
        solved: The run whose solution is taken, instead of computing it; what is merely counted is counted again.

    Raises:
        InvalidInputError: A setting does not fit the record set, or the solution cannot be read.
    """
    settings = plan.configuration.model.encoder
    if isinstance(settings, EASESettings | IALSSettings):
        return _solved(plan, data, solved)
    if not isinstance(settings, ItemKNNSettings):
        return Popularity(data.item_popularity)
    content = None
    if settings.uses_features:
        features, presence = data.item_features()
        table = FeatureTable(features, presence)  # type: ignore[arg-type]
        content = ItemContent(table, data.warm_items, standardize=plan.configuration.model.standardize)
    return ItemKNN(data.interaction_graph(), content, neighbours=settings.neighbours, shrinkage=settings.shrinkage)


def count_baseline(run: RunDirectory, plan: TrainingPlan, data: TrainingData, *, splits: Sequence[str]) -> None:
    """Counts a baseline and writes its run directory, as a training of one epoch would be written.

    Args:
        run: The run directory, to create or to write again.
        plan: What is counted.
        data: The record set.
        splits: Splits to rank.

    Raises:
        InvalidInputError: The monitored metric has nothing to find, or another process is writing there.
    """
    start = TrainingStart.now()
    model = make_baseline(plan, data)
    validation, rankings = validation_ranking(plan, data), final_rankings(plan, data, splits=splits)
    monitor, progress = plan.configuration.evaluation.monitor, RunInProgress(run, run)
    settings = plan.configuration.model
    if not run.configuration_file.is_file():
        create_run_directory(run.folder, plan.configuration, data.record_set)
    with locked(run.folder), state_written(progress, monitor=monitor, start=start):
        write_references(run, data.item_popularity, rankings, validation)
        _keep_baseline(model, validation, progress, monitor=monitor)
        if settings.calibration == "validation" and settings.encoder.can_calibrate:
            calibrate_baseline(model, run, data, cutoff=MetricName.parse(monitor).k)
        run.write("metrics", {split: ranking.evaluate_model(model) for split, ranking in rankings.items()})


def _keep_baseline(model: Baseline, validation: FullRanking, progress: RunInProgress, *, monitor: str) -> None:
    """Writes weights and history."""
    metrics = validation.evaluate_model(model)
    model.save_weights(str(progress.run.weights_file))
    row = {"epoch": 0, "loss": math.nan} | {f"val_{name}": value for name, value in metrics.items()}
    with progress.run.history_file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    state = progress.state
    state.epoch, state.best_epoch, state.best_value, state.complete = 1, 1, metrics[monitor], True


def _solved(plan: TrainingPlan, data: TrainingData, earlier: RunDirectory | None) -> Baseline:
    settings, graph = plan.configuration.model.encoder, data.interaction_graph()
    model: Baseline
    if isinstance(settings, EASESettings):
        model = EASE(graph, **settings.options, solve=earlier is None)
    else:
        seed = plan.configuration.training.seed
        model = IALS(graph, **settings.options, seed=seed, solve=earlier is None)
    if earlier is not None:
        load_best_weights(model, earlier)
    return model
