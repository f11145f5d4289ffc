"""The training items of users, looked up in a training step without the one that it asks for."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.layers.layer_arguments import positive_integer


class UserHistories:
    """Items that users have interactions with, the latest of each.

    Args:
        users: Dense user ids of the training interactions, ``[n]``.
        items: Their dense item ids, ``[n]``. A pair that occurs several times counts once, as the latest.
        user_count: Number of users.
        most: Items of a user that are kept. Defaults to 50.
        timestamps: When the interactions happened, ``[n]``. None, which is the default, for the order that they are in.

    Attributes:
        most: Items of a user that are kept.

    Raises:
        InvalidInputError: ``most`` is not an integer of at least 1.

    Examples:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> from tf_metammf import UserHistories
        >>> histories = UserHistories(np.array([0, 0, 1]), np.array([3, 5, 3]), user_count=2)
        >>> items, there = histories.of(tf.constant([0, 1]), without=tf.constant([5, 5]))
        >>> [row[mask].tolist() for row, mask in zip(items.numpy(), there.numpy())]
        [[3], [3]]
    """

    def __init__(
        self,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        *,
        user_count: int,
        most: int = 50,
        timestamps: NDArray[np.number] | None = None,
    ) -> None:
        self.most = positive_integer("UserHistories", "most", most)
        users, items = np.asarray(users, np.int64), np.asarray(items, np.int64)
        order = np.lexsort([users] if timestamps is None else [timestamps, users])
        users, items = users[order], items[order]
        # Read backwards, the first of equal pairs is the latest one.
        _, first = np.unique(np.stack([users, items])[:, ::-1], axis=1, return_index=True)
        kept = np.sort(len(users) - 1 - first)
        users, items = users[kept], items[kept]
        counts = np.bincount(users, minlength=user_count)
        place_from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(users))
        users, items = users[place_from_end <= most], items[place_from_end <= most]
        ends = np.cumsum(np.bincount(users, minlength=user_count))
        self._starts = tf.constant(np.concatenate([[0], ends]), tf.int64)
        # One entry more, so that a lookup is valid where no user has an item.
        self._items = tf.constant(np.append(items, 0), tf.int64)

    def of(self, users: tf.Tensor, *, without: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Histories of users, padded.

        Args:
            users: Dense user ids ``[B]``.
            without: Dense item ids ``[B]``: an item that is left out of the history of its row, which is that of a
                user who never met it. None leaves out nothing.

        Returns:
            Dense item ids, int64 ``[B, H]``, and which of them are there, bool ``[B, H]``.
        """
        first = tf.gather(self._starts, users)
        counts = tf.gather(self._starts, users + 1) - first
        places = tf.range(tf.reduce_max(tf.concat([counts, [0]], axis=0)))
        there = places < counts[:, tf.newaxis]
        rows = tf.where(there, first[:, tf.newaxis] + places, tf.zeros_like(places))
        items = tf.gather(self._items, rows)
        if without is not None:
            there &= items != tf.cast(without, tf.int64)[:, tf.newaxis]
        return items, there
