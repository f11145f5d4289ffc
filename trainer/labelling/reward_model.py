"""A reward model of pairs: it sees of an item what the run does not, and says which of two a user would choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.labelling.drawn_pairs import DrawnPairs

CENTRE = 1e-3
"""Factor of the term that keeps rewards around 0."""

_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class RewardSettings:
    """How a reward model is trained.

    Attributes:
        units: Width of its hidden layer.
        steps: Steps of training, however many pairs there are.
        batch_size: Pairs of a step.
        learning_rate: Of Adam.
        seed: Seed of weights and order.
    """

    units: int = 64
    steps: int = 1000
    batch_size: int = 256
    learning_rate: float = 1e-3
    seed: int = 0


class RewardModel:
    """``r(u, i) = MLP([e_u; e_i; e_u * e_i; k_i])`` with the context ``k_i`` of an item, and the loss of pairs::

        softplus(-(r+ - r-)) + 0.001 |mean(r+ + r-)|

    over a batch (the loss of the reward model of VLM-RLAIF, arXiv 2402.03746). One hidden layer, ReLU.

    Args:
        users: Embeddings of all users, float32 ``[users, d]``.
        items: Embeddings of all items, float32 ``[items, d]``.
        context: Context of all items, float32 ``[items, c]``.
        settings: How it is trained.
    """

    def __init__(
        self,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        context: NDArray[np.float32],
        settings: RewardSettings | None = None,
    ) -> None:
        self.settings = settings or RewardSettings()
        self._users, self._items, self._context = (tf.constant(each) for each in (users, items, context))
        keras.utils.set_random_seed(self.settings.seed)
        self._hidden = keras.layers.Dense(self.settings.units, activation="relu", name="hidden")
        self._out = keras.layers.Dense(1, name="reward")

    def fit(self, pairs: DrawnPairs) -> float:
        """Learns that the first item of every pair is better than the second.

        Returns:
            The loss of the last step.
        """
        settings = self.settings
        random, optimizer = np.random.default_rng(settings.seed), keras.optimizers.Adam(settings.learning_rate)

        @tf.function(reduce_retracing=True)
        def step(user: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                won, lost = self._rewards(user, first), self._rewards(user, second)
                centre = tf.abs(tf.reduce_mean(won + lost))
                loss = tf.reduce_mean(tf.nn.softplus(-(won - lost))) + CENTRE * centre
            weights = [*self._hidden.trainable_variables, *self._out.trainable_variables]
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        self._rewards(*(tf.constant([0], tf.int64),) * 2)
        loss, order = tf.constant(0.0), np.zeros(0, np.int64)
        for _ in range(settings.steps):
            if not len(order):
                order = random.permutation(len(pairs))
            rows, order = order[: settings.batch_size], order[settings.batch_size :]
            columns = (pairs.user[rows], pairs.first[rows], pairs.second[rows])
            loss = step(*(tf.constant(each, tf.int64) for each in columns))
        return float(loss)

    def margins(self, pairs: DrawnPairs) -> NDArray[np.float32]:
        """The reward of the first item minus that of the second, float32 ``[n]``."""
        found = []
        for start in range(0, len(pairs), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            user, first, second = (tf.constant(each[rows]) for each in (pairs.user, pairs.first, pairs.second))
            found.append((self._rewards(user, first) - self._rewards(user, second)).numpy())
        return np.concatenate([np.zeros(0, np.float32), *found])

    def _rewards(self, user: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        of_user, of_item = tf.gather(self._users, user), tf.gather(self._items, item)
        seen = tf.concat([of_user, of_item, of_user * of_item, tf.gather(self._context, item)], axis=1)
        return tf.squeeze(self._out(self._hidden(seen)), axis=1)


def context_of(
    features: Mapping[str, NDArray[Any]], presence: Mapping[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features of modalities as a context: standardised over the items that have them, side by side.

    Args:
        features: float ``[items, width]`` by modality.
        presence: bool ``[items]`` by modality.

    Returns:
        float32 ``[items, c]``, 0 where an item lacks a modality; and bool ``[items]``, which items have all.

    Raises:
        InvalidInputError: No item has all of them.
    """
    columns, everything = [], np.ones(len(next(iter(presence.values()))), bool)
    for name in sorted(features):
        present, values = presence[name], np.asarray(features[name], np.float64)
        everything &= present
        if not everything.any():
            raise InvalidInputError(f"no item has all of the withheld modalities {', '.join(sorted(features))}.")
        mean, deviation = values[present].mean(axis=0), values[present].std(axis=0)
        scaled = (values - mean) / np.where(deviation > 0, deviation, 1)
        columns.append(np.where(present[:, np.newaxis], scaled, 0))
    return np.concatenate(columns, axis=1).astype(np.float32), everything
