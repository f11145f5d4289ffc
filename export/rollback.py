"""Return to an earlier version: the later ones are set aside, where servers do not look."""

from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.versions import finished_versions, keep_number
from tf_metammf.records.staging import sync

SET_ASIDE = ".rolled-back"


@dataclass(frozen=True)
class Rollback:
    """What a rollback did.

    Attributes:
        live: The version with the largest number now.
        set_aside: Where the versions above it are now, ``.NUMBER.rolled-back``; empty where there was none.
    """

    live: Path
    set_aside: tuple[Path, ...]


def roll_back(folder: str | Path, *, version: int | None = None) -> Rollback:
    """Makes an earlier version the one with the largest number.

    A server that watches the folder loads that version and then lets the others go. They are renamed, the largest one
    last, so that the live version changes once. Their numbers are not given again. To undo a rollback, rename
    ``.NUMBER.rolled-back`` to ``NUMBER``.

    Args:
        folder: The folder of all versions.
        version: Number of the version to return to; None for the one before the largest. With a number, repeating a
            rollback changes nothing.

    Raises:
        InvalidInputError: There is no such version, or a version cannot be renamed.
    """
    folder = Path(folder)
    versions = finished_versions(folder)
    if not versions:
        raise InvalidInputError(f"{folder}: has no versions. Give the folder that a server watches.")
    listed = ", ".join(map(str, sorted(versions)))
    if version is None and len(versions) < 2:
        raise InvalidInputError(f"{folder}: has version {listed} alone, so there is no earlier one to return to.")
    if version is not None and version not in versions:
        raise InvalidInputError(f"{folder}: has no version {version}, it has {listed}.")
    target = sorted(versions)[-2] if version is None else version
    moved = []
    try:
        keep_number(folder, max(versions))
        for number in sorted(number for number in versions if number > target):
            aside = folder / f".{number}{SET_ASIDE}"
            versions[number].rename(aside)
            moved.append(aside)
        sync(folder)
    except OSError as error:
        raise InvalidInputError(f"{folder}: a version could not be set aside ({error.strerror or error}).") from error
    return Rollback(versions[target], tuple(moved))
