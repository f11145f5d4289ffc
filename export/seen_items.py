"""The items that every user has in training, compactly."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class SeenItems(tf.Module):
    """Training items by user as compressed sparse rows: 8 bytes a user and 4 an interaction.

    The row after the last user is empty: it stands for unknown users.

    Args:
        user: Dense user ids of the training interactions, ``[n]``.
        item: Their dense item ids, ``[n]``.
        users: Number of users.
    """

    def __init__(self, user: NDArray[np.integer], item: NDArray[np.integer], *, users: int) -> None:
        super().__init__()
        pairs = np.unique(np.stack([np.asarray(user, np.int64), np.asarray(item, np.int64)], axis=1), axis=0)
        splits = np.searchsorted(pairs[:, 0], np.arange(users + 2))
        self._row_splits = tf.Variable(splits.astype(np.int64), trainable=False, name="seen_row_splits")
        self._items = tf.Variable(pairs[:, 1].astype(np.int32), trainable=False, name="seen_items")

    def counts(self, users: tf.Tensor) -> tf.Tensor:
        """Training items, int64 ``[n]``, of the given users, int64 ``[n]``."""
        return tf.gather(self._row_splits, users + 1) - tf.gather(self._row_splits, users)

    def pairs(self, users: tf.Tensor) -> tf.Tensor:
        """Positions in ``users`` and the items seen there.

        Args:
            users: int64 ``[n]``: dense user ids, or the number of users for an unknown one.

        Returns:
            int64 ``[m, 2]``: position in ``users``, dense item id.
        """
        interactions = tf.ragged.range(tf.gather(self._row_splits, users), tf.gather(self._row_splits, users + 1))
        numbers = tf.range(tf.size(interactions.values, tf.int64))
        # Ragged tensors know their row numbers too, but find them with a mask of users times the longest row.
        positions = tf.searchsorted(interactions.row_splits[1:], numbers, side="right", out_type=tf.int64)
        items = tf.gather(self._items, interactions.values)
        return tf.stack([positions, tf.cast(items, tf.int64)], axis=1)
