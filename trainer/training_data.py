"""A record set as training and evaluation need it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration, TrainingConfiguration


@dataclass(frozen=True)
class TrainingData:
    """A record set as training and evaluation need it, each part read once.

    Attributes:
        record_set: The opened record set.
        modalities: Modalities to use, or None for all.
        feature_budget_gb: Size in GB of the features, above which they are not held in memory.

    Raises:
        InvalidInputError: A modality is not known.
    """

    record_set: RecordSet
    modalities: list[str] | None = None
    feature_budget_gb: float = TrainingConfiguration.feature_budget_gb

    def __post_init__(self) -> None:
        for name in self.modalities or ():
            if name not in self.record_set.metadata.modalities:
                raise unknown_name("modality", name, self.record_set.metadata.modalities)

    @classmethod
    def of(cls, record_set: RecordSet, configuration: Configuration) -> "TrainingData":
        """The data as a configuration uses them: without features where nothing uses them.

        Raises:
            InvalidInputError: The encoder compares features, and the record set has none; or a modality is not known.
        """
        model = configuration.model
        if model.uses_features and not model.fuses and not record_set.metadata.modalities:
            raise InvalidInputError(
                f"{record_set.folder}: has no modalities, and model.encoder.name {model.encoder.name} compares the "
                "features of items. Convert with features, or take the preset popularity, item-knn, mf-bpr or lightgcn."
            )
        data = cls(record_set, configuration.model.modalities, configuration.training.feature_budget_gb)
        return data if configuration.model.uses_features else replace(data, modalities=[])

    @property
    def feature_bytes(self) -> int:
        """What the features of all items take as float32."""
        return feature_bytes(self.record_set.metadata, self.modalities)

    @cached_property
    def item_lookup(self) -> ItemLookup | None:
        """Reads features when they are needed; None where the budget allows a table of all of them."""
        if self.feature_bytes <= self.feature_budget_gb * 2**30:
            return None
        return ItemLookup(self.record_set, modalities=self.modalities)

    def item_features(
        self,
    ) -> tuple[Mapping[str, NDArray[np.float32]] | ItemLookup, Mapping[str, NDArray[np.bool_]] | None]:
        """Features and presence as :class:`tf_metammf.MetaMMF` takes them: a table, or a lookup and None.

        A table is read again and not kept here, because the model holds one once it is made.
        """
        if self.item_lookup is not None:
            return self.item_lookup, None
        if self.modalities == []:
            return {}, {}
        table = read_items(self.record_set)
        if self.modalities is not None:
            table = table.select(self.modalities)
        return table.features, table.presence

    @property
    def train(self) -> Interactions:
        """The training interactions."""
        return self._split("train")

    @cached_property
    def item_frequency(self) -> NDArray[np.int64]:
        """Training interactions of every item, int64 ``[items]``."""
        return np.bincount(self.train.item, minlength=self.record_set.metadata.items)

    @cached_property
    def user_frequency(self) -> NDArray[np.int64]:
        """Training interactions of every user, int64 ``[users]``."""
        return np.bincount(self.train.user, minlength=self.record_set.metadata.users)

    @property
    def warm_items(self) -> NDArray[np.bool_]:
        """bool ``[items]``: which items have training interactions."""
        return self.item_frequency > 0

    def interactions_of(self, split: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Users and items of a split."""
        pairs = self._split(split)
        return pairs.user, pairs.item

    def _split(self, name: str) -> Interactions:
        if name not in self._splits:
            self._splits[name] = read_interactions(self.record_set, name)
        return self._splits[name]

    @cached_property
    def _splits(self) -> dict[str, Interactions]:
        return {}


def feature_bytes(metadata: Metadata, modalities: Sequence[str] | None) -> int:
    """What the features of all items take as float32; of all modalities, where None are chosen."""
    chosen = metadata.modalities if modalities is None else set(modalities) & set(metadata.modalities)
    return 4 * metadata.items * sum(metadata.modalities[name].width for name in chosen)
