"""Baselines: models in which nothing is learned, for the same full ranking as all others."""

from abc import abstractmethod
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Borrowed:
    """What items without interactions have of others.

    Attributes:
        items: Who borrows, dense ids ``[n]``, ascending.
        lenders: Of whom, dense ids ``[n, k]``.
        weights: How much of each, float32 ``[n, k]``.
    """

    items: NDArray[np.integer]
    lenders: NDArray[np.integer]
    weights: NDArray[np.floating]

    def of_any(self) -> "Borrowed":
        """Those who borrow anything: with weights that are not all 0."""
        some = self.weights.any(axis=1)
        return Borrowed(self.items[some], self.lenders[some], self.weights[some])

    @property
    def shares(self) -> NDArray[np.floating]:
        """The weights with a sum of 1, ``[n, k]``."""
        found: NDArray[np.floating] = self.weights / self.weights.sum(axis=1, keepdims=True)
        return found


class LendingBaseline(Baseline):
    """A baseline that knows items by numbers of their own, which items without interactions can borrow."""

    @abstractmethod
    def lend(self, borrowed: Borrowed) -> None:
        """Scores items without interactions as the weighted sum of others, instead of what was lent before."""
