"""Baselines: models in which nothing is learned, for the same full ranking as all others."""

from abc import abstractmethod

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray


class Baseline(keras.Model):
    """A model that is not trained.

    Its scores are not dot products of embeddings. An export has the signatures that need none.
    """

    @abstractmethod
    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """Scores of all items, float32 ``[n, items]``, for dense user ids, int64 ``[n]``."""


class LendingBaseline(Baseline):
    """A baseline that knows items by numbers of their own, which items without interactions can borrow."""

    @abstractmethod
    def lend(self, items: NDArray[np.integer], lenders: NDArray[np.integer], weights: NDArray[np.floating]) -> None:
        """Gives items the weighted sum of what others have.

        Args:
            items: Who borrows, dense ids ``[n]``.
            lenders: Of whom, dense ids ``[n, k]``.
            weights: How much of each, ``[n, k]``; an item whose weights are all 0 keeps its own.
        """
