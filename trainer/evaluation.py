"""Evaluation of a finished run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_metammf.baselines.popularity import Popularity
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.baseline_calibration import apply_baseline_calibration
from tf_metammf.trainer.baseline_runs import make_baseline
from tf_metammf.trainer.beyond_accuracy import ListMetrics
from tf_metammf.trainer.calibration import CALIBRATION, apply_calibration, read_calibration
from tf_metammf.trainer.frozen_base import take_known_items
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.runs.best_weights import load_best_weights
from tf_metammf.trainer.runs.leakage import leakage_of, leakage_warning
from tf_metammf.trainer.runs.references import References
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training_data import TrainingData

logger = logging.getLogger(__name__)


def load_model(run: RunDirectory, records: str | Path | None = None) -> tuple[Any, TrainingData]:
    """The model of a run with its best weights, and the data it was trained on.

    The model is a :class:`tf_metammf.MetaMMF`, or a :class:`tf_metammf.baselines.baseline.Baseline`.

    Args:
        run: The run directory.
        records: Where the record set is now; None for where it was in training.

    Raises:
        InvalidInputError: The record set is not the one of the run.
    """
    record_set = run.open_records(records)
    plan = TrainingPlan.of(run.configuration, record_set)
    data = TrainingData.of(record_set, plan)
    if plan.is_baseline:
        baseline = make_baseline(plan, data, solved=run)
        if run.has(CALIBRATION):
            apply_baseline_calibration(baseline, run, data)
        return baseline, data
    model = make_model(plan, data)
    load_best_weights(model, run)
    take_known_items(model, run)
    if run.has(CALIBRATION):
        apply_calibration(model, read_calibration(run), data)
    return model, data


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on a split, and what they are held against.

    Attributes:
        metrics: By name, e.g. ``"recall@20"``; those of cold and warm items as ``"cold/recall@20"``.
        references: Popularity, a random ranking, and the users, items and interactions behind every number.
        beyond_accuracy: Of the lists of ``"model"`` and of ``"popularity"``, by group of users and name, as
            :mod:`tf_metammf.ranking.beyond_accuracy` defines them.
    """

    metrics: dict[str, float]
    references: References
    beyond_accuracy: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: the metrics by name, and beside them all else."""
        return {**self.metrics, **self.references.to_json(), "beyond_accuracy": self.beyond_accuracy}


def evaluate(run: RunDirectory, *, records: str | Path | None = None, split: str = "test") -> dict[str, float]:
    """Full-ranking metrics of a run's best weights on a split.

    Args:
        run: The run directory.
        records: Where the record set is now; None for where it was in training.
        split: ``"validation"`` or ``"test"``.

    Returns:
        Metrics by name, e.g. ``"recall@20"``; those of cold and warm items as ``"cold/recall@20"``.
    """
    model, _, ranking = _ranked(run, records, split)
    return ranking.evaluate_model(model)


def evaluate_with_references(
    run: RunDirectory, *, records: str | Path | None = None, split: str = "test"
) -> Evaluation:
    """As :func:`evaluate`, with the same metrics of popularity and of a random ranking, and metrics beyond accuracy."""
    model, data, ranking = _ranked(run, records, split)
    of_lists = ListMetrics(data, ranking.pairs.users)
    popularity = Popularity(data.item_popularity)
    return Evaluation(
        ranking.evaluate_model(model),
        References.of(data.item_popularity, ranking),
        {
            name: of_lists.of(ranking.recommended_by(ranked), ranking.cutoffs)
            for name, ranked in (("model", model), ("popularity", popularity))
        },
    )


def _ranked(run: RunDirectory, records: str | Path | None, split: str) -> tuple[Any, TrainingData, FullRanking]:
    """The model of a run, its data and the ranking of a split; warns where the split was trained on."""
    leakage = leakage_of(run)
    if leakage is not None and (warning := leakage_warning(leakage, weights=str(run.folder))):
        logger.warning("%s", warning)
    model, data = load_model(run, records)
    return model, data, make_full_ranking(data, split, cutoffs=run.configuration.evaluation.k)
