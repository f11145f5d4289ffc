"""Training that begins with the weights of an earlier run, on a record set that may have grown."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.model import MetaMMF
from tf_metammf.records.media.provenance import require_same_extraction
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.frozen_base import take_base, take_known_items, write_known_items
from tf_metammf.trainer.runs.checkpoints import Checkpoints
from tf_metammf.trainer.runs.leakage import Leakage, find_leakage, leakage_warning, require_no_leakage
from tf_metammf.trainer.runs.run_directory import RunDirectory, open_run_directory
from tf_metammf.trainer.runs.trained_interactions import TrainedInteractions, trained_interactions
from tf_metammf.trainer.training_data import TrainingData
from tf_metammf.trainer.weight_transfer import learned_weights, matched_places, transfer_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WarmStart:
    """What was taken over, and what was initialised.

    Attributes:
        source: The run whose weights were taken.
        users_matched: Users of both record sets.
        users_new: Users that only the new one has; their rows are initialised.
        items_matched: Items, likewise.
        items_new: Items, likewise.
        modalities_matched: Modalities of the same name and width.
        modalities_new: The others.
        weights_copied: Names of weights that are taken over whole.
        weights_matched: Names of those of which a part is: rows of users and items, features of modalities.
        weights_new: Names of those that are initialised.
        leakage: What the weights were trained on that is validation or test now.
        earlier: What the weights were trained on that is not in the training split now.
        values_trained: Numbers in the weights that training changes.
        values: Numbers in all learned weights.
        known_items: bool ``[items]`` with a frozen base: items whose ID embedding is used; else None.
    """

    source: str
    users_matched: int
    users_new: int
    items_matched: int
    items_new: int
    modalities_matched: list[str]
    modalities_new: list[str]
    weights_copied: list[str]
    weights_matched: list[str]
    weights_new: list[str]
    leakage: Leakage
    earlier: TrainedInteractions
    values_trained: int = 0
    values: int = 0
    known_items: NDArray[np.bool_] | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        names = [part.name for part in fields(self) if part.name not in ("leakage", "earlier", "known_items")]
        return {name: getattr(self, name) for name in names} | {"leakage": self.leakage.to_json()}

    def write(self, run: RunDirectory) -> None:
        """Keeps the report in the run directory, and what the weights were trained on for runs that begin from it."""
        self.earlier.write(run)
        if self.known_items is not None:
            write_known_items(self.known_items, run)
        run.write("warm_start", self.to_json())

    def __str__(self) -> str:
        return (
            f"warm start from {self.source}: {self.users_matched:,} users matched, {self.users_new:,} new; "
            f"{self.items_matched:,} items matched, {self.items_new:,} new; modalities "
            f"{', '.join(self.modalities_matched) or 'none'} matched, {', '.join(self.modalities_new) or 'none'} new; "
            f"weights: {len(self.weights_copied)} copied, {len(self.weights_matched)} matched in part, "
            f"{len(self.weights_new)} initialised; {self.values_trained:,} of {self.values:,} numbers are trained "
            f"({self.values_trained / max(self.values, 1):.1%})"
        )


def begin_from_earlier_run(
    run: RunDirectory, model: MetaMMF, data: TrainingData, configuration: Configuration
) -> WarmStart | None:
    """Takes over the weights that the settings ask for; None where there are none, or the run is resumed.

    Args:
        run: The run directory of the training, which may not be there yet.
        model: The model, freshly made.
        data: Its record set.
        configuration: The configuration.

    Raises:
        InvalidInputError: As :func:`warm_start`, or there is no such run; or training is on preferences, and the model
            is not that of its reference.
    """
    settings, start = configuration.training, configuration.begins_from
    if start is None:
        return None
    if run.has("warm_start") and Checkpoints(run.checkpoints_folder, keep=settings.checkpoints).has_sound():
        return None
    report = warm_start(
        model,
        data,
        open_run_directory(start),
        records=settings.init_from_records,
        allow_leakage=settings.allow_leakage,
        freeze=settings.freeze,
    )
    logger.info("%s", report)
    if configuration.objective.takes_preferences:
        report = _at_reference(report, model)
    if warning := leakage_warning(report.leakage, weights=start):
        logger.warning("%s", warning)
    return report


def _at_reference(report: WarmStart, model: MetaMMF) -> WarmStart:
    """The report of a model that has all weights of its reference.

    Raises:
        InvalidInputError: It has others.
    """
    others = [*report.weights_matched, *report.weights_new]
    if others:
        raise InvalidInputError(
            f"objective.reference is {report.source}, whose model has no weights for {', '.join(others)}, so training "
            "would not begin with it. Give the settings of that run, with --config and its configuration.yaml."
        )
    source = open_run_directory(report.source)
    if not source.known_items_file.is_file():
        return report
    take_known_items(model, source)
    return replace(report, known_items=np.asarray(model.known_items))


def warm_start(
    model: MetaMMF,
    data: TrainingData,
    source: RunDirectory,
    *,
    records: str | Path | None = None,
    allow_leakage: bool = False,
    freeze: str = "none",
) -> WarmStart:
    """Puts the best weights of a run into a new model.

    Rows of users and items are matched by raw id, and axes over features or modalities by the name of the modality,
    whose width has to be the same (see :func:`tf_metammf.trainer.weight_transfer.transfer_weights`); what is not
    matched keeps the values it was initialised with. The optimiser starts again, and the standardisation is that of the
    new data.

    Args:
        model: The model, freshly made.
        data: Its record set.
        source: The run to begin from.
        records: Where the record set of that run is now; None for where it was, or for ``data`` if that is it.
        allow_leakage: Whether the run may have been trained on interactions that are validation or test interactions
            in ``data``.
        freeze: ``"base"`` to leave everything as in that run, standardisation included, but for adapters; the model is
            frozen accordingly.

    Raises:
        InvalidInputError: The run has no weights, its record set is gone, or it was trained on interactions that are
            validation or test interactions in ``data``.
    """
    record_set, earlier, leakage = _checked(source, data.record_set, records=records, allow_leakage=allow_leakage)
    require_same_extraction(
        data.record_set.metadata.source,
        record_set.metadata.source,
        where=f"the data of {source.folder}",
        advice="Extract the data with the same encoder, or leave init_from out.",
    )
    before, before_data = load_model(source, record_set.folder)
    old, new = before_data.record_set, data.record_set
    users, items = matched_places(old.user_ids, new.user_ids), matched_places(old.item_ids, new.item_ids)
    transfer = transfer_weights(before, model, users=users, items=items)
    known = None
    if freeze == "base":
        known = take_base(
            before,
            model,
            users=users,
            items=items,
            trained_users=before_data.user_frequency > 0,
            new_weights=transfer.new,
        )
    return WarmStart(
        source=str(source.folder),
        users_matched=len(users[1]),
        users_new=model.users - len(users[1]),
        items_matched=len(items[1]),
        items_new=model.items - len(items[1]),
        modalities_matched=transfer.modalities,
        modalities_new=[name for name in model.item_features.widths if name not in transfer.modalities],
        weights_copied=transfer.copied,
        weights_matched=transfer.matched,
        weights_new=transfer.new,
        leakage=leakage,
        earlier=earlier,
        values_trained=_values(model.trainable_weights),
        values=_values(learned_weights(model)),
        known_items=known,
    )


def _values(weights: Sequence[tf.Variable]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def check_earlier_run(configuration: Configuration, record_set: RecordSet) -> None:
    """Refuses what :func:`warm_start` would, before anything is made.

    Args:
        configuration: The configuration.
        record_set: The record set to train on.

    Raises:
        InvalidInputError: The run that they begin from cannot be begun from.
    """
    settings, start = configuration.training, configuration.begins_from
    if start is not None:
        source = open_run_directory(start)
        _checked(source, record_set, records=settings.init_from_records, allow_leakage=settings.allow_leakage)


def _checked(
    source: RunDirectory, now: RecordSet, *, records: str | Path | None, allow_leakage: bool
) -> tuple[RecordSet, TrainedInteractions, Leakage]:
    """The record set of a run, what it was trained on beside the present training split, and what of it leaks."""
    if source.configuration.model.is_baseline:
        raise InvalidInputError(
            f"training.init_from is {source.folder}, a run of {source.configuration.model.encoder.name}, which has no "
            "weights to start from. Give a run of a model that is trained."
        )
    record_set = _records_of(source, records, now)
    earlier = trained_interactions(source, record_set).outside(now)
    leakage = find_leakage(earlier, now)
    if not allow_leakage:
        require_no_leakage(
            leakage,
            now,
            weights=f"training.init_from is {source.folder}, which",
            before=record_set,
            allow="set training.allow_leakage to true",
        )
    return record_set, earlier, leakage


def _records_of(source: RunDirectory, records: str | Path | None, now: RecordSet) -> RecordSet:
    """The record set of a run: where it is said to be, or where it was, or the present one."""
    if records is None and source.trained_on_checksum == now.metadata.checksum_without_preferences:
        return now
    return source.open_records(records, option="training.init_from_records")
