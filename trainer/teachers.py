"""Runs that a training learns from, or is held to: of the same record set, as tables that the run directory keeps."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.planning.training_plan import TrainingPlan
from tf_metammf.trainer.runs.leakage import Leakage, find_leakage, leakage_warning, require_no_leakage
from tf_metammf.trainer.runs.run_directory import RunDirectory, open_run_directory
from tf_metammf.trainer.runs.trained_interactions import trained_interactions

logger = logging.getLogger(__name__)

TEACHERS, REFERENCE = "teachers", "reference"
"""Names of the JSON files of a run directory that describe them, and of the folders of their tables."""

_TABLES = ("users", "items", "taught")
_PLACES = {TEACHERS: "model.auxiliary.teachers", REFERENCE: "objective.reference"}


@dataclass(frozen=True)
class Teachers:
    """The teachers of a training.

    Attributes:
        tables: Their tables, in the order of the configuration.
        sources: What is known of each: its run directory, its modality, and the checksum of its weights.
        records: The checksum of their record set.
        name: What they are to the run, :data:`TEACHERS` or :data:`REFERENCE`.
    """

    tables: Sequence[Teacher] = ()
    sources: Sequence[dict[str, Any]] = field(default=())
    records: str = ""
    name: str = TEACHERS

    def write(self, run: RunDirectory) -> None:
        """Keeps the tables in a run directory, so that it resumes whatever becomes of the runs that they came from.

        The description is written last: without it there are no tables.
        """
        if not self.tables or run.has(self.name):
            return
        (run.folder / self.name).mkdir(exist_ok=True)
        described = []
        for number, (teacher, source) in enumerate(zip(self.tables, self.sources, strict=True)):
            for name in _TABLES:
                np.save(self._file(run, number, name), getattr(teacher, name))
            sums = {name: _checksum(self._file(run, number, name)) for name in _TABLES}
            described.append({**source, "width": teacher.width, "sha256": sums})
        run.write(self.name, {"records": self.records, "teachers": described})

    @classmethod
    def read(cls, run: RunDirectory, name: str) -> "Teachers":
        """Those that a run directory keeps.

        Raises:
            InvalidInputError: A table is damaged.
        """
        content, tables = run.read(name), []
        for number, entry in enumerate(content["teachers"]):
            users, items, taught = (
                _load(cls(name=name)._file(run, number, each), name, expected=entry["sha256"][each]) for each in _TABLES
            )
            tables.append(Teacher(users, items, taught, entry["modality"]))
        return cls(tables, content["teachers"], content["records"], name)

    def _file(self, run: RunDirectory, number: int, table: str) -> Path:
        return run.folder / self.name / f"{number}-{table}.npy"


def training_teachers(run: RunDirectory, plan: TrainingPlan, record_set: RecordSet) -> Teachers:
    """The teachers that a configuration names: those that the run directory has, or else as they are now.

    Args:
        run: The run directory, which need not be there yet.
        plan: The training.
        record_set: Its record set.

    Raises:
        InvalidInputError: As :func:`check_teachers`, or a table in the run directory is damaged.
    """
    return _kept_or_loaded(run, plan, record_set, name=TEACHERS, folders=_folders(plan.configuration))


def training_reference(run: RunDirectory, plan: TrainingPlan, record_set: RecordSet) -> Teachers:
    """The reference of a training on preferences, as :func:`training_teachers`; none where it takes no preferences."""
    return _kept_or_loaded(run, plan, record_set, name=REFERENCE, folders=_references(plan.configuration))


def _kept_or_loaded(
    run: RunDirectory, plan: TrainingPlan, record_set: RecordSet, *, name: str, folders: Sequence[str]
) -> Teachers:
    if not folders:
        return Teachers(name=name)
    if run.has(name):
        return Teachers.read(run, name)
    found = [_checked(folder, plan.configuration, record_set, place=_PLACES[name]) for folder in folders]
    tables, sources = [], []
    for source, modality, leakage in found:
        model, _ = load_model(source, record_set.folder)
        tables.append(Teacher.of(model, modality=modality))
        sources.append(
            {"run": str(source.folder), "modality": modality, "weights": _checksum(source.weights_file)}
            | {"leakage": leakage.to_json()}
        )
        if warning := leakage_warning(leakage, weights=str(source.folder)):
            logger.warning("%s", warning)
        logger.info("%s %s: %s, %s wide", name, source.folder, modality or "all modalities", tables[-1].width)
    return Teachers(tables, sources, record_set.metadata.checksum_without_preferences, name)


def check_teachers(configuration: Configuration, record_set: RecordSet) -> list[str | None]:
    """Refuses what :func:`training_teachers` would, before anything is made.

    Args:
        configuration: The training.
        record_set: Its record set.

    Returns:
        Of every teacher the modality that it looks at, or None where it looks at several or none.

    Raises:
        InvalidInputError: There is no such run, it is of another record set, it has no embeddings, or it was trained
            on interactions that are validation or test interactions of the record set.
    """
    place = _PLACES[TEACHERS]
    return [_checked(folder, configuration, record_set, place=place)[1] for folder in _folders(configuration)]


def check_reference(configuration: Configuration, record_set: RecordSet) -> None:
    """Refuses what :func:`training_reference` would, before anything is made.

    Raises:
        InvalidInputError: As :func:`check_teachers`.
    """
    for folder in _references(configuration):
        _checked(folder, configuration, record_set, place=_PLACES[REFERENCE])


def _folders(configuration: Configuration) -> list[str]:
    auxiliary = configuration.model.auxiliary
    return list(getattr(auxiliary, "teachers", [])) if auxiliary.takes_teachers else []


def _references(configuration: Configuration) -> list[str]:
    reference = getattr(configuration.objective, "reference", None)
    return [reference] if configuration.objective.takes_preferences and reference is not None else []


def _checked(
    folder: str, configuration: Configuration, record_set: RecordSet, *, place: str
) -> tuple[RunDirectory, str | None, Leakage]:
    """The run of a teacher, its modality, and what it was trained on that it must not have seen."""
    source = open_run_directory(folder)
    found, expected = source.trained_on_checksum, record_set.metadata.checksum_without_preferences
    if found != expected:
        raise InvalidInputError(
            f"{place}: {folder} was trained on another record set or split (checksum {found[:12]}, expected "
            f"{expected[:12]} of {record_set.folder}), so it may have seen what this one holds out. Train it on "
            f"{record_set.folder}."
        )
    if source.configuration.model.is_baseline:
        raise InvalidInputError(
            f"{place}: {folder} is a run of {source.configuration.model.encoder.name}, which has no embeddings to "
            "learn from. Give a run of a model that is trained."
        )
    leakage = find_leakage(trained_interactions(source, record_set).outside(record_set), record_set)
    if not configuration.training.allow_leakage:
        require_no_leakage(
            leakage,
            record_set,
            weights=f"{place}: {folder}",
            before=record_set,
            allow="set training.allow_leakage to true",
        )
    modalities = TrainingPlan.of(source.configuration, record_set).modalities
    return source, modalities[0] if len(modalities) == 1 else None, leakage


def _load(file: Path, name: str, *, expected: str) -> NDArray[Any]:
    try:
        found = _checksum(file)
    except OSError as error:
        raise InvalidInputError(f"{file}: cannot be read ({error.strerror}). Train the model again.") from error
    if found != expected:
        raise InvalidInputError(
            f"{file}: checksum mismatch ({found[:12]}, expected {expected[:12]} of {name}.json), so it is not what "
            "the training began with. Train the model again."
        )
    table: NDArray[Any] = np.load(file)
    return table


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
