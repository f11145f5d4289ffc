"""Popularity: the same list for everybody."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline


class Popularity(Baseline):
    """``score(u, i)`` is the number of training interactions of the item, or the sum of their weights.

    Args:
        item_frequency: Training interactions of every item, or the sum of their weights, ``[items]``.
        **options: Name and other arguments of a Keras model.
    """

    def __init__(self, item_frequency: NDArray[np.number], **options: Any) -> None:
        super().__init__(**options)
        self.frequency = self.add_weight("frequency", (len(item_frequency),), trainable=False)
        self.frequency.assign(np.asarray(item_frequency, np.float32))

    def scores(self, users: tf.Tensor) -> tf.Tensor:
        """The same row for every user."""
        return tf.tile(self.frequency[tf.newaxis], [tf.size(users), 1])
