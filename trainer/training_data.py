"""A record set as training and evaluation need it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tf_metammf.features.content_directions import content_directions
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.token_sequences import FeatureForm
from tf_metammf.trainer.planning.training_plan import TrainingPlan

CONTENT_BYTES = 2**30
"""Features above this size are not read as a whole to tell how similar items are."""


@dataclass(frozen=True)
class TrainingData:
    """A record set as training and evaluation need it, each part read once.

    Attributes:
        record_set: The opened record set.
        modalities: Modalities to use, or None for all.
        streams_features: Whether features are read when they are needed, instead of a table of all of them.
        form: Whether token sequences are read as they are, or as the mean over the tokens of each item.
        weighted: Whether interactions count by their weights, where there are any.
    """

    record_set: RecordSet
    modalities: list[str] | None = None
    streams_features: bool = False
    form: FeatureForm = "vectors"
    weighted: bool = True

    @classmethod
    def of(cls, record_set: RecordSet, plan: TrainingPlan) -> "TrainingData":
        """The data as a plan uses them: without features where nothing uses them."""
        weighted = plan.configuration.training.interaction_weights
        return cls(record_set, plan.modalities, plan.streams_features, plan.form, weighted)

    @cached_property
    def item_lookup(self) -> ItemLookup | None:
        """Reads features when they are needed; None where there is a table of all of them."""
        if not self.streams_features:
            return None
        return ItemLookup(self.record_set, modalities=self.modalities, form=self.form)

    @property
    def sequences(self) -> dict[str, int]:
        """Tokens that no sequence has more of, by modality in use that has token sequences."""
        found = self.record_set.metadata.sequences
        return {name: most for name, most in found.items() if self.modalities is None or name in self.modalities}

    def item_features(
        self,
    ) -> tuple[Mapping[str, NDArray[np.float32] | TokenArrays] | ItemLookup, Mapping[str, NDArray[np.bool_]] | None]:
        """Features and presence as :class:`tf_metammf.MetaMMF` takes them: a table, or a lookup and None.

        A table is read again and not kept here, because the model holds one once it is made.
        """
        if self.item_lookup is not None:
            return self.item_lookup, None
        if self.modalities == []:
            return {}, {}
        table = read_items(self.record_set, form=self.form)
        if self.modalities is not None:
            table = table.select(self.modalities)
        return table.features, table.presence

    def content_directions(self) -> NDArray[np.float32] | None:
        """Unit vectors of the content of all items, by all modalities, whichever of them a model uses.

        Returns:
            As :func:`tf_metammf.features.content_directions.content_directions` gives them; None where there are no
            features, or more than :data:`CONTENT_BYTES` of them.
        """
        metadata = self.record_set.metadata
        width = sum(modality.width for modality in metadata.modalities.values())
        if not width or 4 * width * metadata.items > CONTENT_BYTES:
            return None
        table = read_items(self.record_set, form="vectors")
        return content_directions(FeatureTable(table.features, table.presence))

    @property
    def train(self) -> Interactions:
        """The training interactions."""
        return self._split("train")

    @cached_property
    def item_frequency(self) -> NDArray[np.int64]:
        """Training interactions of every item, int64 ``[items]``."""
        return np.bincount(self.train.item, minlength=self.record_set.metadata.items)

    @cached_property
    def item_popularity(self) -> NDArray[np.int64] | NDArray[np.float32]:
        """What items are popular by: the sum of the weights of their training interactions, else how many there are."""
        weight = self.training_weights
        if weight is None:
            return self.item_frequency
        return np.bincount(self.train.item, weights=weight, minlength=len(self.item_frequency)).astype(np.float32)

    @property
    def training_weights(self) -> NDArray[np.float32] | None:
        """Weights of the training interactions, where they count, float32 ``[n]``."""
        return self.train.weight if self.weighted else None

    @cached_property
    def user_frequency(self) -> NDArray[np.int64]:
        """Training interactions of every user, int64 ``[users]``."""
        return np.bincount(self.train.user, minlength=self.record_set.metadata.users)

    @property
    def warm_items(self) -> NDArray[np.bool_]:
        """bool ``[items]``: which items have training interactions."""
        return self.item_frequency > 0

    def interaction_graph(self) -> InteractionGraph:
        """The graph of the training interactions."""
        metadata = self.record_set.metadata
        return InteractionGraph(
            self.train.user, self.train.item, users=metadata.users, items=metadata.items, weight=self.training_weights
        )

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
