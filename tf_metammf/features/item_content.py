"""Features of items as encoders take them that look at content themselves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.features.feature_source import Statistics, feature_statistics
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.token_features import ModalityFeatures, vectors_of
from tf_metammf.layers.normalization import standardized

_ITEMS_AT_ONCE = 4096


class ItemContent:
    """Features of all items by modality, standardised, with zeros where an item lacks a modality.

    Token sequences count as their means.

    Args:
        table: The features.
        known: bool ``[items]``: the items whose mean and deviation count.
        standardize: Whether features are standardised; zeros stand for the mean then. Defaults to True.

    Attributes:
        items: Number of items.
        widths: Feature width by modality, in alphabetical order.
    """

    def __init__(self, table: FeatureTable, known: NDArray[np.bool_], *, standardize: bool = True) -> None:
        self.table = table = table.means()
        self.items = table.items
        self.widths = dict(sorted(table.widths.items()))
        self._statistics: Statistics = {}
        if standardize:
            self._statistics = feature_statistics(table, known, block_size=_ITEMS_AT_ONCE)

    @property
    def width(self) -> int:
        """Width of all modalities side by side."""
        return sum(self.widths.values())

    def lookup(self, items: tf.Tensor) -> dict[str, tf.Tensor]:
        """Float32 ``[n, width]`` by modality, of dense item ids ``[n]``."""
        return self.of(*self.table.lookup(items))

    def of(self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same of items that are not in the table: features and presence, bool ``[n]``, by modality."""
        features = vectors_of(features)
        found = {}
        for name in self.widths:
            if name in self._statistics:
                values = standardized(features[name], *self._statistics[name])
            else:
                values = tf.cast(features[name], tf.float32)
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
