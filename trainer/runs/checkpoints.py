"""Checkpoints of a run: whole or absent, checked when they are read, the last few kept."""

import hashlib
import json
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.records.tensorflow_paths import taken_literally
from tf_metammf.trainer.runs.training_state import TrainingState

WEIGHTS = "weights"
STATE = "state.json"
CHECKSUMS = "checksums.json"


class Checkpoints:
    """Numbered checkpoints, ``FOLDER/ROLLBACKS-STEP``, each a folder of its own.

    ==================  ==================================================================
    ``weights.*``       model, optimiser and random state, of ``tf.train.Checkpoint``
    ``state.json``      a :class:`TrainingState`
    ``checksums.json``  SHA-256 of every file
    ==================  ==================================================================

    and copies of files of the run that belong to that moment. A checkpoint is written aside, synced to disk and
    renamed, so that whoever is killed meanwhile leaves the one before; older ones are removed only then.

    Args:
        folder: Where the checkpoints are.
        keep: How many to keep, at least 1.

    Raises:
        InvalidInputError: ``keep`` is below 1.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        if keep < 1:
            raise InvalidInputError(f"training.checkpoints is {keep}, expected at least 1.")
        self.folder = folder
        self.keep = keep

    def save(self, trackable: tf.train.Checkpoint, state: TrainingState, *, files: list[Path]) -> None:
        """Writes a checkpoint, then removes the oldest ones.

        Args:
            trackable: What has weights.
            state: How far training is.
            files: Files of the run to keep with it, where they exist. They must only ever be replaced, not
                changed, because the checkpoint shares them where the file system can.

        Raises:
            InvalidInputError: The disk is full or the folder cannot be written. The checkpoints before are whole.
        """
        target = self.folder / f"{len(state.rollbacks):03d}-{state.step:010d}"
        self._remove_leftovers(target)
        try:
            with staged_directory(target, option="--run") as folder, tensorflow_errors_as_os_errors():
                trackable.write(str(folder / WEIGHTS))
                (folder / STATE).write_text(json.dumps(state.to_json(), indent=2) + "\n", encoding="utf-8")
                for file in files:
                    if file.is_file():
                        _share(file, folder / file.name)
                sums = {file.name: _checksum(file) for file in sorted(folder.iterdir())}
                (folder / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
        except InvalidInputError as error:
            raise InvalidInputError(
                f"{error} Earlier checkpoints are complete: run the same command again when there is space."
            ) from error
        for old in self._steps()[: -self.keep]:
            _remove(old)

    def restore(self, trackable: tf.train.Checkpoint, *, into: Path) -> TrainingState | None:
        """Restores the newest sound checkpoint; a damaged one is passed over with a warning.

        Args:
            trackable: What :meth:`save` was given. Variables that are not made yet are restored when they are.
            into: The folder that gets the files of the run back as they were.

        Returns:
            The state, or None where there is no sound checkpoint.

        Raises:
            InvalidInputError: The checkpoint has weights of other shapes, such as those of a layer that has changed.
        """
        for folder in reversed(self._steps()):
            damage = _damage(folder)
            if damage:
                warnings.warn(f"{folder}: {damage}; skipping this checkpoint.", stacklevel=2)
                continue
            _read(folder, trackable)
            for file in folder.iterdir():
                if not file.name.startswith(WEIGHTS) and file.name not in (STATE, CHECKSUMS):
                    aside = into / f".{file.name}.partial"
                    _share(file, aside)
                    aside.replace(into / file.name)
                    aside.unlink(missing_ok=True)  # renaming a file to itself by another link leaves both
            return TrainingState.from_json(json.loads((folder / STATE).read_text(encoding="utf-8")))
        return None

    def has_sound(self) -> bool:
        """Whether :meth:`restore` has anything to restore."""
        return any(not _damage(folder) for folder in reversed(self._steps()))

    def _steps(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if re.fullmatch(r"\d+-\d+", path.name))

    def _remove_leftovers(self, target: Path) -> None:
        """Of processes that were killed, and of a damaged checkpoint of the same step."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name.startswith(".") or path == target:
                    _remove(path)


def _read(folder: Path, trackable: tf.train.Checkpoint) -> None:
    try:
        with taken_literally(folder) as literal:
            trackable.read(str(literal / WEIGHTS))
    except ValueError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InvalidInputError(
            f"{folder}: does not fit the model ({reason}). It may be of another version: train with another --run."
        ) from error


def _share(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remove(folder: Path) -> None:
    """Removes a folder so that at no moment a part of it passes for a checkpoint."""
    if not folder.name.startswith("."):
        folder = folder.rename(folder.with_name(f".{folder.name}.removed"))
    shutil.rmtree(folder, ignore_errors=True)


def _damage(folder: Path) -> str:
    """What is wrong with a checkpoint, or nothing."""
    try:
        sums: dict[str, Any] = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        for name, expected in sums.items():
            if _checksum(folder / name) != expected:
                return f"{name} is damaged (checksum mismatch)"
    except (OSError, ValueError, AttributeError) as error:
        return f"it cannot be read ({' '.join(str(error).split())})"
    return ""


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
