"""Recommendations for unknown users: the popular items."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class PopularItems(tf.Module):
    """Items by their share of the training interactions, ordered once, at export.

    A search reads as many places of that order as it returns and has excluded, not the whole catalogue.
    It takes 12 bytes an item.

    Args:
        item: Dense item ids of the training interactions, ``[n]``.
        items: Number of items.
        popularity: What items are popular by, at least 0, ``[items]``; by default their training interactions.
    """

    def __init__(self, item: NDArray[np.integer], *, items: int, popularity: NDArray[np.number] | None = None) -> None:
        super().__init__()
        self.items = items
        counts: NDArray[Any] = np.bincount(np.asarray(item, np.int64), minlength=items)
        if popularity is not None:
            counts = np.asarray(popularity)
        total = counts.sum(dtype=np.float64)
        shares = (counts / (total if total > 0 else 1)).astype(np.float32)
        order = np.argsort(-shares, kind="stable").astype(np.int32)
        place = np.empty_like(order)
        place[order] = np.arange(items, dtype=np.int32)
        self._shares = tf.Variable(shares, trainable=False, name="popularity")
        self._order = tf.Variable(order, trainable=False, name="popular_items")
        self._place = tf.Variable(place, trainable=False, name="place_of_item")

    def shares(self, items: tf.Tensor) -> tf.Tensor:
        """Shares, float32 ``[n]``, of items, int64 ``[n]``."""
        return tf.gather(self._shares.read_value(), items)

    def search(self, rows: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The most popular items for each of a number of rows; of equal shares the lower item comes first.

        Args:
            rows: int32 ``[]``.
            k: As in :meth:`tf_metammf.export.index.ExactIndex.search`.
            excluded: int64 ``[m, 2]``: row and item, as there.

        Returns:
            Shares, float32 ``[rows, k]``, and items, int64 ``[rows, k]``; -inf and -1 where none is left.
        """
        of_rows = tf.math.unsorted_segment_sum(tf.ones_like(excluded[:, 0]), excluded[:, 0], rows)
        most = tf.cast(tf.reduce_max(tf.concat([of_rows, [0]], axis=0)), tf.int32)
        columns = tf.minimum(self.items, k + most)
        popular = self._order.read_value()[:columns]
        shares = tf.repeat(tf.gather(self._shares.read_value(), popular)[tf.newaxis], rows, axis=0)
        place = tf.cast(tf.gather(self._place.read_value(), excluded[:, 1]), tf.int64)
        pairs = tf.boolean_mask(tf.stack([excluded[:, 0], place], axis=1), place < tf.cast(columns, tf.int64))
        shares = tf.tensor_scatter_nd_update(shares, pairs, tf.fill([tf.shape(pairs)[0]], -math.inf))
        best, places = tf.math.top_k(shares, k)
        return best, tf.where(best > -math.inf, tf.cast(tf.gather(popular, places), tf.int64), -1)
