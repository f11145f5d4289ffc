"""Version directories: ``OUTPUT/1``, ``OUTPUT/2``, …, of which a server takes the largest number."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tf_metammf.errors import InvalidInputError

GRAPH_FILE = "saved_model.pb"

_EXPORTED = ".exported"


def version_directory(output: Path, version: int | Literal["timestamp"] | None = None) -> Path:
    """The directory of a version to write.

    Args:
        output: The folder of all versions.
        version: Its number; None for the next one after those that are or were there, from 1; ``"timestamp"``
            for the seconds since 1970, or the next one if that is not larger than all of them.

    Raises:
        InvalidInputError: The number is below 1, or that version is already there.
    """
    existing = _versions(output)
    following = max([*existing, *_marked(output)], default=0) + 1
    if version is None:
        version = following
    elif version == "timestamp":
        version = max(int(time.time()), following)
    if not 1 <= version < 2**63:
        raise InvalidInputError(
            f"version is {version}, expected a number from 1 to 2^63 - 1, the range of servers, or none for the "
            "next one."
        )
    if version in existing:
        raise InvalidInputError(f"{existing[version]}: already exists. Choose another version, or none for the next.")
    return output / str(version)


@contextmanager
def reserved_version(output: Path, version: int | Literal["timestamp"] | None = None) -> Iterator[Path]:
    """Gives a version directory to write that no other export gets, now or after it has been deleted.

    The number is taken by an empty file ``.NUMBER.exported``, which servers ignore. The largest one stays, so that the
    number of a version that is deleted is not the next one again; an export that fails gives its number back.

    Args:
        output: The folder of all versions; created where it does not exist.
        version: As :func:`version_directory` has it.

    Raises:
        InvalidInputError: As :func:`version_directory`, or the folder cannot be written.
    """
    target, marker = _reserve(output, version)
    try:
        yield target
    except BaseException:
        if marker is not None:
            marker.unlink(missing_ok=True)
        raise
    highest = max(_marked(output), default=0)
    for number, older in _marked(output).items():
        if number < highest:
            older.unlink(missing_ok=True)


def keep_number(output: Path, number: int) -> None:
    """Keeps a number from being given again, though its version leaves the folder."""
    (output / f".{number}{_EXPORTED}").touch()


def _reserve(output: Path, version: int | Literal["timestamp"] | None) -> tuple[Path, Path | None]:
    """The version directory, and the marker that was written for it; None where its number was given before."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        while True:
            target = version_directory(output, version)
            marker = output / f".{target.name}{_EXPORTED}"
            try:
                marker.touch(exist_ok=False)
            except FileExistsError:
                if isinstance(version, int):
                    return target, None
                continue  # another export has just taken it
            return target, marker
    except OSError as error:
        raise InvalidInputError(
            f"{output}: could not be written ({error.strerror or error}). Choose another --output."
        ) from error


def newest_version(folder: Path) -> Path:
    """The directory with the largest version number, or the given one if it is a version itself.

    Raises:
        InvalidInputError: The folder does not exist or has no finished version.
    """
    return exported_version(folder, None)


def exported_version(folder: Path, number: int | None) -> Path:
    """The directory of a version.

    Args:
        folder: A folder of versions, or one version.
        number: Number of the version; None for the largest one, or the given folder if it is a version itself.

    Raises:
        InvalidInputError: The folder does not exist or has no such version that is finished.
    """
    if number is None and (folder / GRAPH_FILE).is_file():
        return folder
    if not folder.is_dir():
        raise InvalidInputError(f'{folder}: is not a folder. Make an export with "tf-metammf export".')
    finished = finished_versions(folder)
    if not finished:
        raise InvalidInputError(
            f"{folder}: is not an export; expected a folder named by a number with {GRAPH_FILE} inside. "
            'Make one with "tf-metammf export".'
        )
    if number is not None and number not in finished:
        raise InvalidInputError(f"{folder}: has no version {number}, it has {', '.join(map(str, sorted(finished)))}.")
    return finished[max(finished) if number is None else number]


def finished_versions(folder: Path) -> dict[int, Path]:
    """Directories of the versions in a folder that are whole, by number."""
    return {version: path for version, path in _versions(folder).items() if (path / GRAPH_FILE).is_file()}


def _marked(folder: Path) -> dict[int, Path]:
    """Markers of numbers that have been given, also to versions that are deleted."""
    found = folder.glob(f".*{_EXPORTED}") if folder.is_dir() else ()
    numbers = ((path.name[1:].removesuffix(_EXPORTED), path) for path in found)
    return {int(number): path for number, path in numbers if number.isascii() and number.isdecimal()}


def _versions(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    return {int(path.name): path for path in folder.iterdir() if path.name.isascii() and path.name.isdecimal()}
