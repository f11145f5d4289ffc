"""Rehearsal of a training: every refusal that it would begin with, without its features, tables and steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.records.raw_data import Interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.assembly import make_model
from tf_metammf.trainer.baseline_runs import make_baseline
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.distribution.strategy import find_cluster, make_strategy, require_divisible
from tf_metammf.trainer.modality_training import make_updates
from tf_metammf.trainer.planning.training_plan import TrainingPlan, plan_training
from tf_metammf.trainer.rankings import validation_ranking
from tf_metammf.trainer.teachers import check_reference, check_teachers
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData
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
    plan = plan_training(configuration, record_set)
    if find_cluster(configuration.training.strategy) is None:
        require_divisible(plan.batch_size, make_strategy(configuration.training.strategy))
        if plan.pairs is not None:
            require_divisible(plan.pairs, make_strategy(configuration.training.strategy), field="objective.pairs")
    if configuration.training.tracking is not None:
        tracker_package(configuration.training.tracking)
    check_earlier_run(configuration, record_set)
    data, outline = TrainingData.of(record_set, plan), Outline.of(record_set, plan)
    validation_ranking(plan, data)
    if plan.is_baseline:
        make_baseline(plan, outline)
        return
    model = make_model(plan, outline, outline.teachers(check_teachers(configuration, record_set)))
    make_updates(configuration.training, model)
    check_reference(configuration, record_set)
    TrainingBatches(plan, data)
    keras.backend.clear_session()


@dataclass(frozen=True)
class Outline(TrainingData):
    """A few users and items with drawn interactions and features, in the modalities and widths of a record set.

    Attributes:
        incomplete: Modalities that some item of the record set lacks.
    """

    incomplete: frozenset[str] = frozenset()

    @classmethod
    def of(cls, record_set: RecordSet, plan: TrainingPlan) -> "Outline":
        """The outline of a record set, for at most :data:`LARGEST` users and items."""
        metadata = record_set.metadata
        small = replace(metadata, users=min(metadata.users, LARGEST), items=min(metadata.items, LARGEST))
        incomplete = {name for name in plan.modalities if metadata.modalities[name].items < metadata.items}
        return cls(replace(record_set, metadata=small), plan.modalities, incomplete=frozenset(incomplete))

    def item_features(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.bool_]]]:
        """Drawn features; the first item lacks the modalities that some item lacks."""
        random, metadata = np.random.default_rng(0), self.record_set.metadata
        names = self.modalities or []
        widths = {name: metadata.modalities[name].width for name in names}
        features = {name: random.normal(size=(metadata.items, widths[name])).astype(np.float32) for name in names}
        return features, {name: (np.arange(metadata.items) > 0) | (name not in self.incomplete) for name in names}

    def teachers(self, modalities: Sequence[str | None]) -> list[Teacher]:
        """Tables of teachers, each of which looks at one modality, or at all where it is None."""
        metadata = self.record_set.metadata
        users, items = np.zeros((metadata.users, 1), np.float32), np.zeros((metadata.items, 1), np.float32)
        return [Teacher(users, items, np.ones(metadata.items, bool), modality) for modality in modalities]

    def _split(self, name: str) -> Interactions:
        random, metadata = np.random.default_rng(1), self.record_set.metadata
        count = 4 * max(metadata.users, metadata.items)
        return Interactions(random.integers(metadata.users, size=count), random.integers(metadata.items, size=count))
