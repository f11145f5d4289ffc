"""A record set as training and evaluation need it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.item_features import ItemFeatures
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet


@dataclass(frozen=True)
class TrainingData:
    """A record set as training and evaluation need it, each part read once.

    Attributes:
        record_set: The opened record set.
        modalities: Modalities to use, or None for all.
    """

    record_set: RecordSet
    modalities: list[str] | None = None

    @cached_property
    def item_features(self) -> ItemFeatures:
        """Features and presence of all items."""
        features = read_items(self.record_set)
        return features if self.modalities is None else features.select(self.modalities)

    @cached_property
    def train(self) -> Interactions:
        """The training interactions."""
        return read_interactions(self.record_set, "train")

    @cached_property
    def item_frequency(self) -> NDArray[np.int64]:
        """Training interactions of every item, int64 ``[items]``."""
        return np.bincount(self.train.item, minlength=self.record_set.metadata.items)

    @property
    def warm_items(self) -> NDArray[np.bool_]:
        """bool ``[items]``: which items have training interactions."""
        return self.item_frequency > 0

    def interactions_of(self, split: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Users and items of a split."""
        pairs = self.train if split == "train" else read_interactions(self.record_set, split)
        return pairs.user, pairs.item
