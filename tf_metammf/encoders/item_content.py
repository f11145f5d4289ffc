"""Features of items as encoders take them that look at content themselves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.feature_source import feature_statistics
from tf_metammf.feature_table import FeatureTable

_ITEMS_AT_ONCE = 4096


class ItemContent:
    """Features of all items by modality, standardised, with zeros where an item lacks a modality.

    Args:
        table: The features.
        known: bool ``[items]``: the items whose mean and deviation count.
        standardize: Whether features are standardised; zeros stand for the mean then. Defaults to True.

    Attributes:
        items: Number of items.
        widths: Feature width by modality, in alphabetical order.
    """

    def __init__(self, table: FeatureTable, known: NDArray[np.bool_], *, standardize: bool = True) -> None:
        self.table = table
        self.items = table.items
        self.widths = dict(sorted(table.widths.items()))
        self._shift_and_scale: dict[str, tuple[tf.Tensor, tf.Tensor]] = {}
        if standardize:
            for name, (mean, variance) in feature_statistics(table, known, block_size=_ITEMS_AT_ONCE).items():
                scale = 1 / np.sqrt(np.where(variance > 0, variance, 1.0))
                self._shift_and_scale[name] = tf.constant(mean, tf.float32), tf.constant(scale, tf.float32)

    @property
    def width(self) -> int:
        """Width of all modalities side by side."""
        return sum(self.widths.values())

    def lookup(self, items: tf.Tensor) -> dict[str, tf.Tensor]:
        """Float32 ``[n, width]`` by modality, of dense item ids ``[n]``."""
        return self.of(*self.table.lookup(items))

    def of(self, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same of items that are not in the table: float ``[n, width]`` and bool ``[n]`` by modality."""
        found = {}
        for name in self.widths:
            values = tf.cast(features[name], tf.float32)
            if name in self._shift_and_scale:
                shift, scale = self._shift_and_scale[name]
                values = (values - shift) * scale
            # Not a product: what stands in the place of an absent modality may be anything.
            found[name] = tf.where(presence[name][:, tf.newaxis], values, tf.zeros_like(values))
        return found

    def side_by_side(self, items: tf.Tensor) -> tf.Tensor:
        """All modalities of :meth:`lookup`, ``[n, F]``."""
        return tf.concat(list(self.lookup(items).values()), axis=1)

    def all_items(self) -> dict[str, tf.Tensor]:
        """:meth:`lookup` of every item, ``[items, width]``."""
        return self.lookup(tf.range(self.items, dtype=tf.int64))

    def __deepcopy__(self, memo: Any) -> "ItemContent":
        return self  # immutable data, as large as the features
