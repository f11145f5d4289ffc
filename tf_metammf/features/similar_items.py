"""The items whose features are most similar, for items that have nothing but features."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.features.item_content import ItemContent

NEIGHBOURS = 10
"""Most similar items of an item."""

SHARPNESS = 8
"""Power of the similarity that weighs them."""

_COSINES_AT_ONCE = 2**25


class SimilarItems:
    """The :data:`NEIGHBOURS` most similar of the warm items ``j``, with weights ``s_j^8``.

    ``s_j`` is the cosine of the standardised features of all modalities side by side, 0 where it is negative. An item
    with no feature has weights of 0.

    Args:
        content: The features of all items.
        warm: bool ``[items]``: which items have training interactions.
    """

    def __init__(self, content: ItemContent, warm: NDArray[np.bool_]) -> None:
        self._content = content
        items = tf.constant(np.flatnonzero(warm), tf.int64)
        # A variable, not a constant: those are a part of an exported graph, which may not be larger than 2 GB.
        directions = tf.math.l2_normalize(content.side_by_side(items), axis=1)
        self._directions = tf.Variable(directions, trainable=False, name="borrowed", dtype=tf.float32)

    def of(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Places among the warm items, int32 ``[n, k]``, and weights, float32 ``[n, k]``, for features ``[n, F]``."""
        directions = self._directions.read_value()
        cosines = tf.matmul(tf.math.l2_normalize(features, axis=1), directions, transpose_b=True)
        best = tf.math.top_k(cosines, min(NEIGHBOURS, int(directions.shape[0])))
        return best.indices, tf.nn.relu(best.values) ** SHARPNESS

    def of_items(self, items: NDArray[np.integer]) -> tuple[tf.Tensor, tf.Tensor]:
        """The same of items by dense id, int64 ``[n]``; some at a time, so that not all cosines are held at once."""
        at_once = max(1, _COSINES_AT_ONCE // max(1, int(self._directions.shape[0])))
        blocks = np.split(np.asarray(items, np.int64), range(at_once, len(items), at_once))
        found = [self.of(self._content.side_by_side(tf.constant(block))) for block in blocks]
        places, weights = zip(*found, strict=True)
        return tf.concat(places, axis=0), tf.concat(weights, axis=0)
