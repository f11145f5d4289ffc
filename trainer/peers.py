"""What peers ask of a configuration, and baselines, which are counted and not trained."""

import csv
import math
from pathlib import Path

from tf_metammf.encoders.item_content import ItemContent
from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.feature_table import FeatureTable
from tf_metammf.peers.baseline import Baseline
from tf_metammf.peers.item_knn import ItemKNN
from tf_metammf.peers.popularity import Popularity
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.configuration import BASELINES, Configuration
from tf_metammf.trainer.graph_training import interaction_graph
from tf_metammf.trainer.runs.training_state import TrainingState
from tf_metammf.trainer.training_data import TrainingData

SIMILARITIES = ("interactions", "content")


def check_peer(configuration: Configuration) -> None:
    """Refuses objectives and strategies that an encoder cannot be trained with.

    Raises:
        InvalidInputError: The objective or the strategy does not go with the encoder.
    """
    encoder, objective = configuration.model.encoder, configuration.objective.name
    if encoder == "bm3" or configuration.model.is_baseline:
        if objective != "none":
            reason = "is counted and not trained" if configuration.model.is_baseline else "brings all of its loss"
            raise InvalidInputError(
                f"objective.name is {objective}, and {encoder} {reason}. Set it to none, as the presets do."
            )
    elif objective == "none":
        raise InvalidInputError(f"objective.name is none, and {encoder} has no loss of its own. Take in_batch_softmax.")
    needs_negatives = encoder == "invrl" or (encoder == "freedom" and configuration.model.peer.content_weight)
    if needs_negatives and objective != "bpr":
        other = ", or set model.peer.content_weight to 0" if encoder == "freedom" else ""
        raise InvalidInputError(
            f"objective.name is {objective}, and {encoder} has a loss that needs sampled negatives. Take bpr{other}."
        )
    refused = configuration.model.is_baseline or encoder in ("invrl", "lattice")
    if refused and configuration.training.strategy != "none":
        raise InvalidInputError(
            f"training.strategy is {configuration.training.strategy}, and {encoder} keeps numbers over a whole batch "
            "that replicas do not share. Take none."
        )


def make_baseline(configuration: Configuration, data: TrainingData) -> Baseline:
    """Counts a baseline.

    Raises:
        InvalidInputError: A setting is not acceptable, or does not fit the record set.
    """
    check_peer(configuration)
    settings = configuration.model.peer
    if configuration.model.encoder not in BASELINES:
        raise unknown_name("baseline", configuration.model.encoder, BASELINES)
    if configuration.model.encoder == "popularity":
        return Popularity(data.item_frequency)
    if settings.similarity not in SIMILARITIES:
        raise unknown_name("model.peer.similarity", settings.similarity, SIMILARITIES)
    content = None
    if settings.similarity == "content":
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
