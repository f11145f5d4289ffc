"""Full ranking of the validation split after every epoch of ``fit``."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import PAIR_ACCURACY, TIMES, MetricName
from tf_metammf.ranking.preference_metrics import PreferenceMetrics
from tf_metammf.trainer.divergence import StopOnDivergence


class RankEpochs(keras.callbacks.Callback):
    """Adds full-ranking metrics to the logs of an epoch, as ``val_ndcg@20`` and the like.

    Put it before every callback that reads them: checkpoints, early stopping, loggers.

    Args:
        ranking: The full ranking of the validation split.
        divergence: Told when an epoch leaves embeddings that are not finite: the last update of
            an epoch shows in no loss any more.
        preferences: Metrics of held-out preferences, which are added as well; None for none.
        monitor: The monitored metric, which may be a product of two of these.
    """

    def __init__(
        self,
        ranking: FullRanking,
        divergence: StopOnDivergence,
        *,
        preferences: PreferenceMetrics | None = None,
        monitor: str = "ndcg@20",
    ) -> None:
        super().__init__()
        self.preferences = preferences
        self.monitored = MetricName.parse(monitor)
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
        metrics = self.evaluate(users, items)
        logs.update({f"val_{name}": value for name, value in metrics.items()})

    def evaluate(self, users: tf.Tensor, items: tf.Tensor) -> dict[str, float]:
        """All metrics of embeddings, the monitored one included."""
        metrics = self.ranking.evaluate(users, items)
        if self.preferences is not None:
            metrics |= self.preferences.evaluate(users, items)
        if self.monitored.pairs == TIMES:
            metrics[str(self.monitored)] = metrics[PAIR_ACCURACY] * metrics[self.monitored.ranked]
        return metrics
