"""Folders and files that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tf_metammf.errors import InvalidInputError


def require_absent(target: Path, *, option: str = "--output") -> None:
    """Refuses a target that exists, so that nothing of the user's is overwritten.

    Args:
        target: The folder about to be written.
        option: The command-line option that named it, for the message.

    Raises:
        InvalidInputError: The target exists.
    """
    if target.exists() or target.is_symlink():
        raise InvalidInputError(f"{target}: already exists. Choose another {option} or remove it first.")


@contextmanager
def staged_directory(target: Path, *, option: str = "--output") -> Iterator[Path]:
    """Gives a new folder beside ``target`` and renames it to ``target`` when the block ends well.

    Every file and folder is synced to disk before the rename, and what the rename changes
    after it. A process that is killed half-way leaves only a folder named ``.NAME.partial-PID``,
    which nothing takes for a finished one; an error removes it.

    Args:
        target: The folder to create; must not exist.
        option: The command-line option that named it, for messages.

    Yields:
        The folder to write into.

    Raises:
        InvalidInputError: The target exists, or its parent cannot be written, or the disk
            is full or a file grows beyond what the system allows.
    """
    require_absent(target, option=option)
    staging = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        new_parents = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        yield staging
        for path in [*staging.rglob("*"), staging]:
            sync(path)
        staging.rename(target)
        # The target is whole from here on, also where a file system cannot sync folders.
        with suppress(OSError):
            for folder in [target.parent, *(parent.parent for parent in new_parents)]:
                sync(folder)
    except OSError as error:
        raise InvalidInputError(
            f"{target}: could not be written ({error.strerror or error}). "
            f"No partial output was left. Free some space or choose another {option}."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def replace_text(path: Path, text: str) -> None:
    """Writes a text file, UTF-8, as :func:`replaced_file` does.

    Args:
        path: The file, which may exist.
        text: What it will hold.
    """
    with replaced_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Gives the path of a new file beside ``path``, which replaces it when the block ends well.

    A process that is killed, or one that reads at the same time, leaves or finds the former file or the new one. Two
    processes may replace the same file.

    Args:
        path: The file, which may exist.

    Yields:
        The file to write.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield aside
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until a file, or what a folder lists, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
