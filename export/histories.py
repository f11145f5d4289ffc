"""Queries of users whom the model has never seen, from the items they liked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.export.fold_in import USERS_AT_MOST, fold_in_weights, history_means

USERS_AT_ONCE = 4096
"""Users whose queries are made at once, where there are many."""

Seen = tuple[NDArray[np.integer], NDArray[np.integer]]


class HistoryEncoder(tf.Module):
    """From the items of a user to a query.

    * Encoders of graphs: their own propagation, with these items as the user's neighbours. What stands for the
      user's own term ``x_0[u]`` is the mean of it over all users with interactions. The graph stays as it is; an
      item without interactions counts with degree 1. It takes a table of messages (see
      :meth:`tf_metammf.encoders.graph_encoder.GraphEncoder.messages`).
    * Models whose users attend to their items (:class:`tf_metammf.history_attention.HistoryAttention`): the same
      attention, of a user whose own embedding is 0.
    * All others: ``q = [mean of e_i; 1] W`` with the weights of :func:`tf_metammf.export.fold_in.fold_in_weights`,
      which takes the item embeddings and ``d (d + 1)`` numbers.

    All are L2-normalised where the embeddings of the model are.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.
        rows: Embeddings of items by dense id, from where they are served.
        users: Embeddings of all users, float32 ``[users, d]``.
        items: Embeddings of all items, float32 ``[items, d]``.
        seen: Dense user ids and item ids of the training interactions.
        trained: bool ``[users]``: users whose embedding came out of training; those alone are learned from.

    Attributes:
        replaces_untrained: Whether users who came after training are queries of their histories, because nothing has
            been propagated to them.
    """

    def __init__(
        self,
        model: Any,
        *,
        rows: Callable[[tf.Tensor], tf.Tensor],
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        seen: Seen,
        trained: NDArray[np.bool_],
    ) -> None:
        super().__init__()
        # What a calibration adds to the embeddings of items says nothing of a user.
        width = items.shape[1] - (model.calibration is not None)
        self._rows, self._width = (lambda ids: rows(ids)[:, :width]), width
        users, items = users[:, :width], items[:, :width]
        self._normalize = bool(model.normalize)
        self._calibrated = model.calibrated_users
        messages = model.messages()
        self.replaces_untrained = messages is None
        self._messages = None if messages is None else _variable("messages", messages)
        attention = model.user_tower.history
        self._attend: Callable[..., tf.Tensor] | None = None
        if attention is not None:
            self._attend = lambda items, there: attention(tf.zeros_like(items[:, 0]), items, there)
            self._weights = attention.trainable_weights
            return
        learned_from = np.flatnonzero(trained & (np.bincount(seen[0], minlength=len(users)) > 0))
        if self._messages is not None:
            tower = model.user_tower.embedding.embeddings.numpy()[learned_from].astype(np.float64)
            own = tower.mean(axis=0, keepdims=True) if len(tower) else np.zeros((1, tower.shape[1]))
            self._own = _variable("own_term", own)
            # What is in a closure is not tracked, so the model itself does not become a part of the SavedModel.
            embed = tf.function(model.embed_new_users)
            self._embed = lambda own, means, counts: embed(own, means, counts)
            layers = model.encoder.trainable_weights
            self._weights = sorted(layers, key=lambda weight: weight.name)
            return
        if len(learned_from) > USERS_AT_MOST:
            learned_from = np.sort(np.random.default_rng(0).choice(learned_from, USERS_AT_MOST, replace=False))
        means = history_means(*seen, items, of=learned_from)
        self._fold_in = _variable("fold_in", fold_in_weights(means, users[learned_from].astype(np.float64)))

    def of_users(self, users: NDArray[np.bool_], seen: Seen) -> NDArray[np.float32]:
        """Queries of the marked users by their interactions, float32 ``[n, d]``."""
        row, count = np.cumsum(users) - 1, int(users.sum())
        pairs = np.stack([row[seen[0]], seen[1]], axis=1)[users[seen[0]]].astype(np.int64)
        pairs = np.unique(pairs, axis=0)
        blocks = []
        for first in range(0, count, USERS_AT_ONCE):
            last = min(first + USERS_AT_ONCE, count)
            of_block = pairs[slice(*np.searchsorted(pairs[:, 0], [first, last]))] - [first, 0]
            blocks.append(self.queries(tf.constant(of_block), tf.constant(last - first)).numpy())
        found: NDArray[np.float32] = np.concatenate(blocks)
        return found

    def queries(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Queries of histories.

        Args:
            pairs: int64 ``[m, 2]``: row and dense item id, each pair once.
            rows: int32 ``[]``: number of rows.

        Returns:
            float32 ``[rows, d]``; of no use for rows without items.
        """
        if self._attend is not None:
            return self._finished(self._attended(pairs, rows))
        counts = tf.math.unsorted_segment_sum(tf.ones(tf.shape(pairs)[:1]), pairs[:, 0], rows)[:, tf.newaxis]
        items = pairs[:, 1]
        values = self._rows(items) if self._messages is None else tf.gather(self._messages, items)
        means = tf.math.divide_no_nan(tf.math.unsorted_segment_sum(values, pairs[:, 0], rows), counts)
        if self._messages is not None:
            return self._embed(tf.repeat(self._own.read_value(), rows, axis=0), means, counts)
        weights = self._fold_in.read_value()
        return self._finished(tf.matmul(means, weights[:-1]) + weights[-1])

    def _attended(self, pairs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """What users without an embedding of their own attend to, ``[rows, d]``."""
        order = tf.argsort(pairs[:, 0], stable=True)
        row, item = (tf.gather(pairs[:, column], order) for column in (0, 1))
        counts = tf.math.unsorted_segment_sum(tf.ones_like(row), row, rows)
        places = tf.range(tf.size(row, tf.int64)) - tf.gather(tf.cumsum(counts, exclusive=True), row)
        # One column more, so that the tensor has one where no user has an item.
        shape = tf.stack([tf.cast(rows, tf.int64), tf.reduce_max(tf.concat([counts, [0]], axis=0)) + 1])
        padded = tf.scatter_nd(tf.stack([row, places], axis=1), item + 1, shape)
        embeddings = self._rows(tf.reshape(tf.maximum(padded - 1, 0), [-1]))
        embeddings = tf.reshape(embeddings, tf.concat([shape, [self._width]], axis=0))
        return tf.cast(self._attend(embeddings, padded > 0), tf.float32)  # type: ignore[misc]

    def _finished(self, found: tf.Tensor) -> tf.Tensor:
        return self._calibrated(tf.math.l2_normalize(found, axis=-1) if self._normalize else found)


def distinct_pairs(items: tf.Tensor, count: int) -> tf.Tensor:
    """The distinct pairs of row and item.

    Args:
        items: Dense item ids, int64 ``[n, h]``, -1 for none.
        count: Number of all items.

    Returns:
        int64 ``[m, 2]``.
    """
    positions = tf.where(items >= 0)
    keys, _ = tf.unique(positions[:, 0] * count + tf.gather_nd(items, positions))
    return tf.stack([keys // count, keys % count], axis=1)


def _variable(name: str, values: Any) -> tf.Variable:
    return tf.Variable(np.asarray(values, np.float32), trainable=False, name=name)
