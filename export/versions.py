"""Version directories: ``OUTPUT/1``, ``OUTPUT/2``, …, of which a server takes the largest number."""

import time
from pathlib import Path
from typing import Literal

from tf_metammf.errors import InvalidInputError

GRAPH_FILE = "saved_model.pb"


def version_directory(output: Path, version: int | Literal["timestamp"] | None = None) -> Path:
    """The directory of a version to write.

    Args:
        output: The folder of all versions.
        version: Its number; None for the next one after those that are there, from 1; ``"timestamp"``
            for the seconds since 1970, or the next one if that is not larger than all that are there.

    Raises:
        InvalidInputError: The number is below 1, or that version is already there.
    """
    existing = _versions(output)
    following = max(existing, default=0) + 1
    if version is None:
        version = following
    elif version == "timestamp":
        version = max(int(time.time()), following)
    if not 1 <= version < 2**63:
        raise InvalidInputError(
            f"--version is {version}, expected a number from 1 to 2^63 - 1, which is what servers count with, or none "
            "for the next one."
        )
    if version in existing:
        raise InvalidInputError(f"{existing[version]}: already exists. Choose another --version, or none for the next.")
    return output / str(version)


def newest_version(folder: Path) -> Path:
    """The directory with the largest version number, or the given one if it is a version itself.

    Raises:
        InvalidInputError: The folder does not exist or has no finished version.
    """
    if (folder / GRAPH_FILE).is_file():
        return folder
    if not folder.is_dir():
        raise InvalidInputError(f'{folder}: is no folder. Make an export with "tf-metammf export".')
    finished = finished_versions(folder)
    if not finished:
        raise InvalidInputError(
            f"{folder}: is no export; expected a folder with a number for its name and {GRAPH_FILE} inside. "
            'Make one with "tf-metammf export".'
        )
    return finished[max(finished)]


def finished_versions(folder: Path) -> dict[int, Path]:
    """Directories of the versions in a folder that are whole, by number."""
    return {version: path for version, path in _versions(folder).items() if (path / GRAPH_FILE).is_file()}


def _versions(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    return {int(path.name): path for path in folder.iterdir() if path.name.isascii() and path.name.isdecimal()}
