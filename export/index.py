"""The index: which items score best against a query."""

import math
from typing import Any

import tensorflow as tf

from tf_metammf.top_items import top_items


class ExactIndex(tf.Module):
    """Scores every item and keeps the best.

    ``score(q, i) = scale_i (q . v_i)`` for queries ``q`` ``[n, d]`` and vectors ``v`` ``[items, d]``.
    A search holds ``[n, items]`` scores, ``4 n items`` bytes. Another index may take the place
    of this one if it has the same two methods.

    Args:
        vectors: Variable, float32 ``[items, d]``.
        scale: Variable, float32 ``[items]``; None for 1 everywhere.
    """

    def __init__(self, vectors: tf.Variable, *, scale: tf.Variable | None = None) -> None:
        super().__init__()
        self.vectors = vectors
        self.scale = scale
        self.items = int(vectors.shape[0])

    def search(self, queries: tf.Tensor, k: int | tf.Tensor, *, excluded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The best items of every query, best first; of equal scores the lower item comes first.

        Args:
            queries: float32 ``[n, d]``.
            k: How many, an int from 1 or an int32 tensor ``[]`` from 0, at most the number of items.
            excluded: int64 ``[m, 2]``: pairs of query and item that must not be found, in any
                order and any number of times.

        Returns:
            Scores, float32 ``[n, k]``, and items, int64 ``[n, k]``. Where fewer than ``k`` items are
            left to a query, its last places have the score -inf and the item -1.
        """
        scores = self._scores(queries, excluded)
        best, items = top_items(scores, k) if isinstance(k, int) else tf.math.top_k(scores, k)
        return best, tf.where(best > -math.inf, tf.cast(items, tf.int64), -1)

    def places(self, queries: tf.Tensor, scores: tf.Tensor, *, excluded: tf.Tensor) -> tf.Tensor:
        """The places that given scores would take among those of the items.

        ``1 + |{i not excluded: score(q, i) >= s}|``: of equal scores the items of the index come first.

        Args:
            queries: float32 ``[n, d]``.
            scores: The scores ``s`` to place, float32 ``[n, c]``.
            excluded: int64 ``[m, 2]`` as in :meth:`search`.

        Returns:
            int32 ``[n, c]``, from 1 to the number of items + 1.
        """
        ascending = tf.sort(self._scores(queries, excluded), axis=-1)
        return 1 + self.items - tf.searchsorted(ascending, scores, side="left")

    def _scores(self, queries: tf.Tensor, excluded: tf.Tensor) -> Any:
        scores = tf.matmul(queries, self.vectors, transpose_b=True)
        if self.scale is not None:
            scores *= self.scale
        # An update with one and the same value does not mind pairs that occur twice.
        return tf.tensor_scatter_nd_update(scores, excluded, tf.fill([tf.shape(excluded)[0]], -math.inf))
