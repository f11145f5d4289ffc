"""Full-ranking validation after every epoch of ``fit``, and the rankings of the chosen weights."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import ALL, MetricName
from tf_metammf.trainer.assembly import make_full_ranking
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.divergence import StopOnDivergence
from tf_metammf.trainer.runs.worker_group import WorkerGroup
from tf_metammf.trainer.training_data import TrainingData


class FullRankingValidation(keras.callbacks.Callback):
    """Adds full-ranking metrics to the logs of an epoch, as ``val_ndcg@20`` and the like.

    Put it before every callback that reads them: checkpoints, early stopping, loggers.

    Args:
        ranking: The full ranking of the validation split.
        divergence: Told when an epoch leaves embeddings that are not finite: the last update of
            an epoch shows in no loss any more.
    """

    def __init__(self, ranking: FullRanking, divergence: StopOnDivergence) -> None:
        super().__init__()
        self.ranking = ranking
        self.divergence = divergence

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Ranks the validation split with the weights at the end of the epoch."""
        if logs is None or self.model.stop_training:
            return
        users, items = self.model.embeddings()
        if not bool(tf.reduce_all(tf.math.is_finite(users)) & tf.reduce_all(tf.math.is_finite(items))):
            self.divergence.stop()
            return
        metrics = self.ranking.evaluate(users, items)
        logs.update({f"val_{name}": value for name, value in metrics.items()})


def final_rankings(
    data: TrainingData, configuration: Configuration, splits: Sequence[str], group: WorkerGroup | None
) -> dict[str, FullRanking]:
    """The rankings by split that the metrics of the chosen weights come from; of those splits that are not empty."""
    found = data.record_set.metadata.splits
    return {
        split: make_full_ranking(data, split, cutoffs=configuration.evaluation.k, group=group)
        for split in splits
        if split in found and found[split].interactions
    }


def validation_ranking(data: TrainingData, configuration: Configuration, group: WorkerGroup | None) -> FullRanking:
    """The ranking of the validation split that early stopping and the choice of weights follow.

    Raises:
        InvalidInputError: There is nothing to find in the part of the items that is monitored.
    """
    monitored = MetricName.parse(configuration.evaluation.monitor)
    validation = make_full_ranking(
        data,
        "validation",
        cutoffs=[monitored.k],
        metrics=list(dict.fromkeys([monitored.metric, "recall", "ndcg"])),
        by_kind=monitored.part != ALL,
        group=group,
    )
    if str(monitored) not in validation.names:
        raise InvalidInputError(
            f'evaluation.monitor is "{monitored}", but the validation split has no {monitored.part} items to find. '
            f"It has: {', '.join(validation.names)}."
        )
    return validation
