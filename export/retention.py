"""Deletion of old versions, so that a server which polls their folder never sees half of one."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.rollback import SET_ASIDE
from tf_metammf.export.versions import finished_versions
from tf_metammf.records.staging import sync

_DELETED = ".deleted-"


def require_keep(keep: int | None) -> None:
    """Refuses a number of versions to keep that would leave none.

    Raises:
        InvalidInputError: It is below 1.
    """
    if keep is not None and keep < 1:
        raise InvalidInputError(f"--keep is {keep}, expected at least 1; leave it out to keep all versions.")


def delete_old_versions(output: Path, *, keep: int, written: Path | None = None) -> Sequence[Path]:
    """Deletes all but the newest versions.

    A version is renamed to ``.NUMBER.deleted-PID`` before anything inside it goes, so no folder with
    a number for its name is ever incomplete. What an interrupted deletion left is deleted too, and versions that a
    rollback set aside and whose number is below all that are kept. Folders that are no finished version are left alone.

    Args:
        output: The folder of all versions.
        keep: How many of the largest numbers to keep, from 1.
        written: A version to keep in any case: the one just written, if it does not have the largest number.

    Returns:
        The deleted versions, in ascending order.

    Raises:
        InvalidInputError: ``keep`` is below 1, or a version cannot be deleted.
    """
    require_keep(keep)
    versions = finished_versions(output)
    old = [versions[number] for number in sorted(versions)[:-keep]]
    deleted = [folder for folder in old if written is None or folder.name != written.name]
    try:
        for folder in deleted:
            folder.rename(output / f".{folder.name}{_DELETED}{os.getpid()}")
        # Only what no crash can give its number back may lose files.
        with suppress(OSError):
            sync(output)
    except OSError as error:
        raise InvalidInputError(f"{folder}: could not be deleted ({error.strerror or error}).") from error
    kept = min(set(versions) - {int(folder.name) for folder in deleted}, default=0)
    for aside in [*output.glob(f".*{_DELETED}*"), *_set_aside_before(output, kept)]:
        shutil.rmtree(aside, ignore_errors=True)
    return deleted


def _set_aside_before(output: Path, number: int) -> list[Path]:
    """Versions below a number that a rollback has set aside."""
    found = {path: path.name[1:].removesuffix(SET_ASIDE) for path in output.glob(f".*{SET_ASIDE}")}
    return [path for path, name in found.items() if name.isascii() and name.isdecimal() and int(name) < number]
