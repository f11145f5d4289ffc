"""One process at a time in a run directory."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tf_metammf.errors import InvalidInputError

LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Path, *, option: str = "--run", wait: bool = False) -> Iterator[None]:
    """Holds the run directory; the operating system lets go of it however the process ends.

    Args:
        folder: The run directory, or another one that a process works in alone.
        option: The command-line option that named it, for the message.
        wait: Whether to wait until no other process holds it, for what takes a moment.

    Raises:
        InvalidInputError: Another process holds it.
    """
    with (folder / LOCK_FILE).open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise InvalidInputError(
                f"{folder}: another process is training in this run directory. Wait for it, or choose another {option}."
            ) from error
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run directory at this moment."""
    try:
        with (folder / LOCK_FILE).open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
