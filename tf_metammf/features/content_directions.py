"""Unit vectors of the content of items, whose products are similarities by content."""

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent

_ITEMS_AT_ONCE = 4096


def content_directions(table: FeatureTable) -> NDArray[np.float32]:
    """Content of every item as a vector of length 1.

    The standardised features of all modalities side by side, each modality divided by the square root of its width, so
    that a wide one counts no more than a narrow one, and with zeros, the mean, where an item lacks a modality. The
    cosine of two items is the product of their vectors.

    Args:
        table: The features of all items.

    Returns:
        float32 ``[items, F]``; 0 for an item with no modality.
    """
    content = ItemContent(table, np.ones(table.items, bool))
    directions = np.zeros((table.items, content.width), np.float32)
    for first in range(0, table.items if content.width else 0, _ITEMS_AT_ONCE):
        rows = tf.range(first, min(first + _ITEMS_AT_ONCE, table.items), dtype=tf.int64)
        modalities = content.lookup(rows).values()
        balanced = tf.concat([values / math.sqrt(values.shape[1]) for values in modalities], axis=1)
        directions[first : first + _ITEMS_AT_ONCE] = tf.math.l2_normalize(balanced, axis=1).numpy()
    return directions
