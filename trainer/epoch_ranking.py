"""Full ranking of the validation split after every epoch of ``fit``."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.trainer.divergence import StopOnDivergence


class RankEpochs(keras.callbacks.Callback):
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
