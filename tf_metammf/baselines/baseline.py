"""Baselines: models in which nothing is learned, for the same full ranking as all others."""

from abc import abstractmethod

import tensorflow as tf
import tf_keras as keras


class Baseline(keras.Model):
    """A model that is not trained.

    Its scores are not dot products of embeddings. An export has the signatures that need none.
    """

    @abstractmethod
    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """Scores of all items, float32 ``[n, items]``, for dense user ids, int64 ``[n]``."""
