"""Rehearsal of a training: every refusal that it would begin with, without its features, tables and steps."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.assembly import make_model, make_objective, make_training_dataset
from tf_metammf.trainer.baseline_runs import make_baseline
from tf_metammf.trainer.bounds import check_bounds
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.distribution.strategy import find_cluster, make_strategy, require_divisible
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.validation import validation_ranking
from tf_metammf.trainer.warm_start import check_earlier_run
from tf_metammf.trainer.watching.tracking import tracker_package

LARGEST = 64
"""Users and items of the model that is built."""


def rehearse(record_set: RecordSet, configuration: Configuration) -> None:
    """Refuses what a training would refuse before its first step.

    The model is built as in training, for the modalities and widths of the record set, but for at most
    :data:`LARGEST` users and items with drawn features. Bounds, objective, memory budgets, sampled negatives and the
    monitored metric are checked with the record set itself.

    Args:
        record_set: The data.
        configuration: What would be trained.

    Raises:
        InvalidInputError: The configuration is not acceptable or does not fit the data.
    """
    check_bounds(configuration)
    if find_cluster(configuration.training.strategy) is None:
        require_divisible(configuration.training.batch_size, make_strategy(configuration.training.strategy))
    if configuration.training.tracking is not None:
        tracker_package(configuration.training.tracking)
    check_earlier_run(configuration.training, record_set)
    whole = TrainingData.of(record_set, configuration)
    metadata = record_set.metadata
    small = replace(metadata, users=min(metadata.users, LARGEST), items=min(metadata.items, LARGEST))
    outline = Outline(replace(record_set, metadata=small), whole.modalities, whole.feature_budget_gb, whole)
    validation_ranking(whole, configuration, None)
    if configuration.model.is_baseline:
        make_baseline(configuration, outline)
        return
    make_model(configuration, make_objective(configuration.objective, outline), outline)
    make_training_dataset(configuration, whole)
    keras.backend.clear_session()


@dataclass(frozen=True)
class Outline(TrainingData):
    """A few users and items with drawn interactions and features, in the modalities and widths of a record set.

    Attributes:
        whole: The data that it stands for.
    """

    whole: TrainingData | None = None

    @property
    def feature_bytes(self) -> int:
        """What the features of all items of the whole take."""
        return self._whole.feature_bytes

    @cached_property
    def item_lookup(self) -> ItemLookup | None:
        """Whether there is one says whether the whole streams its features."""
        return self._whole.item_lookup

    def item_features(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.bool_]]]:
        """Drawn features; the first item lacks the modalities that some item lacks."""
        random, metadata = np.random.default_rng(0), self.record_set.metadata
        widths = {name: entry.width for name, entry in metadata.modalities.items()}
        chosen = sorted(widths) if self.modalities is None else self.modalities
        complete = {name: metadata.modalities[name].items == self._whole.record_set.metadata.items for name in chosen}
        features = {name: random.normal(size=(metadata.items, widths[name])).astype(np.float32) for name in chosen}
        return features, {name: (np.arange(metadata.items) > 0) | complete[name] for name in chosen}

    def _split(self, name: str) -> Interactions:
        if not len(self._whole.train):
            raise InvalidInputError(f"{self.record_set.folder}: has no training interactions. Convert again.")
        random, metadata = np.random.default_rng(1), self.record_set.metadata
        count = 4 * max(metadata.users, metadata.items)
        return Interactions(random.integers(metadata.users, size=count), random.integers(metadata.items, size=count))

    @property
    def _whole(self) -> TrainingData:
        assert self.whole is not None
        return self.whole
