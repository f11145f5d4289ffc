"""Teachers of a training: finished runs of the same record set, as tables that are kept in the run directory."""

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

TEACHERS = "teachers"
"""Name of the JSON file of a run directory that describes them."""

_TABLES = ("users", "items", "taught")


@dataclass(frozen=True)
class Teachers:
    """The teachers of a training.

    Attributes:
        tables: Their tables, in the order of the configuration.
        sources: What is known of each: its run directory, its modality, and the checksum of its weights.
        records: The checksum of their record set.
    """

    tables: Sequence[Teacher] = ()
    sources: Sequence[dict[str, Any]] = field(default=())
    records: str = ""

    def write(self, run: RunDirectory) -> None:
        """Keeps the tables in a run directory, so that it resumes whatever becomes of the runs that they came from.

        The description is written last: without it there are no tables.
        """
        if not self.tables or run.has(TEACHERS):
            return
        run.teachers_folder.mkdir(exist_ok=True)
        described = []
        for number, (teacher, source) in enumerate(zip(self.tables, self.sources, strict=True)):
            for name in _TABLES:
                np.save(_file(run, number, name), getattr(teacher, name))
            sums = {name: _checksum(_file(run, number, name)) for name in _TABLES}
            described.append({**source, "width": teacher.width, "sha256": sums})
        run.write(TEACHERS, {"records": self.records, "teachers": described})


def training_teachers(run: RunDirectory, plan: TrainingPlan, record_set: RecordSet) -> Teachers:
    """The teachers that a configuration names: those that the run directory has, or else as they are now.

    Args:
        run: The run directory, which need not be there yet.
        plan: The training.
        record_set: Its record set.

    Raises:
        InvalidInputError: As :func:`check_teachers`, or a table in the run directory is damaged.
    """
    folders = _folders(plan.configuration)
    if not folders:
        return Teachers()
    if run.has(TEACHERS):
        return _read(run)
    found = [_checked(folder, plan.configuration, record_set) for folder in folders]
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
        logger.info("teacher %s: %s, %s wide", source.folder, modality or "all modalities", tables[-1].width)
    return Teachers(tables, sources, record_set.metadata.checksum)


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
    return [_checked(folder, configuration, record_set)[1] for folder in _folders(configuration)]


def _folders(configuration: Configuration) -> list[str]:
    auxiliary = configuration.model.auxiliary
    return list(getattr(auxiliary, "teachers", [])) if auxiliary.takes_teachers else []


def _checked(
    folder: str, configuration: Configuration, record_set: RecordSet
) -> tuple[RunDirectory, str | None, Leakage]:
    """The run of a teacher, its modality, and what it was trained on that it must not have seen."""
    source, field_name = open_run_directory(folder), "model.auxiliary.teachers"
    found, expected = source.read("records").get("checksum", ""), record_set.metadata.checksum
    if found != expected:
        raise InvalidInputError(
            f"{field_name}: {folder} was trained on another record set or split (checksum {found[:12]}, expected "
            f"{expected[:12]} of {record_set.folder}), so it may have seen what this one holds out. Train it on "
            f"{record_set.folder}."
        )
    if source.configuration.model.is_baseline:
        raise InvalidInputError(
            f"{field_name}: {folder} is a run of {source.configuration.model.encoder.name}, which has no embeddings to "
            "learn from. Give a run of a model that is trained."
        )
    leakage = find_leakage(trained_interactions(source, record_set).outside(record_set), record_set)
    if not configuration.training.allow_leakage:
        require_no_leakage(
            leakage,
            record_set,
            weights=f"{field_name}: {folder}",
            before=record_set,
            allow="set training.allow_leakage to true",
        )
    modalities = TrainingPlan.of(source.configuration, record_set).modalities
    return source, modalities[0] if len(modalities) == 1 else None, leakage


def _read(run: RunDirectory) -> Teachers:
    content = run.read(TEACHERS)
    tables = []
    for number, entry in enumerate(content["teachers"]):
        users, items, taught = (_load(run, number, name, expected=entry["sha256"][name]) for name in _TABLES)
        tables.append(Teacher(users, items, taught, entry["modality"]))
    return Teachers(tables, content["teachers"], content["records"])


def _load(run: RunDirectory, number: int, name: str, *, expected: str) -> NDArray[Any]:
    file = _file(run, number, name)
    try:
        found = _checksum(file)
    except OSError as error:
        raise InvalidInputError(f"{file}: cannot be read ({error.strerror}). Train the model again.") from error
    if found != expected:
        raise InvalidInputError(
            f"{file}: checksum mismatch ({found[:12]}, expected {expected[:12]} of {TEACHERS}.json), so it is not what "
            "the training began with. Train the model again."
        )
    table: NDArray[Any] = np.load(file)
    return table


def _file(run: RunDirectory, number: int, name: str) -> Path:
    return run.teachers_folder / f"{number}-{name}.npy"


def _checksum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
