"""Baselines, which are counted and not trained."""

import csv
import math
from pathlib import Path

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.baselines.item_knn import ItemKNN
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.baselines.settings import ItemKNNSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.graph_training import interaction_graph
from tf_metammf.trainer.part_checks import check_parts
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.training_data import TrainingData


def make_baseline(configuration: Configuration, data: TrainingData) -> Baseline:
    """Counts a baseline.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """
    check_parts(configuration)
    settings = configuration.model.encoder
    if not isinstance(settings, ItemKNNSettings):
        return Popularity(data.item_frequency)
    content = None
    if settings.uses_features:
        if data.item_lookup is not None:
            raise InvalidInputError(
                f"item_knn compares the features of all items: {data.feature_bytes / 2**30:.1f} GB, and "
                f"training.feature_budget_gb is {data.feature_budget_gb:g}. Raise it."
            )
        features, presence = data.item_features()
        table = FeatureTable(features, presence)  # type: ignore[arg-type]
        content = ItemContent(table, data.warm_items, standardize=configuration.model.standardize)
    return ItemKNN(interaction_graph(data), content, neighbours=settings.neighbours, shrinkage=settings.shrinkage)


def keep_baseline(
    model: Baseline, validation: FullRanking, state: TrainingState, *, monitor: str, weights: Path, history: Path
) -> None:
    """Writes a baseline as a training of one epoch would be written.

    Args:
        model: The baseline.
        validation: Full ranking of the validation split.
        state: Takes over that all is done.
        monitor: The validation metric that is reported.
        weights: The file of the weights.
        history: The file of the history.
    """
    metrics = validation.evaluate_model(model)
    model.save_weights(str(weights))
    row = {"epoch": 0, "loss": math.nan} | {f"val_{name}": value for name, value in metrics.items()}
    with history.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    state.epoch, state.best_epoch, state.best_value, state.complete = 1, 1, metrics[monitor], True
