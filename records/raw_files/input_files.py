"""The raw files of a source: found, required and fingerprinted."""

from collections.abc import Iterable
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.metadata import sha256


def require_folder(path: Path) -> None:
    """Refuses an input that is not a folder.

    Raises:
        InvalidInputError: It does not exist or is something else.
    """
    if not path.is_dir():
        found = "is a file" if path.exists() else "does not exist"
        raise InvalidInputError(f"{path}: {found}, expected a folder of raw files. Give another --input.")


def require_file(path: Path) -> None:
    """Refuses a raw file that is missing or empty.

    Raises:
        InvalidInputError: It does not exist, is not a file or is empty.
    """
    if path.is_dir():
        inside = f"with {_listed(path)}" if any(path.iterdir()) else "empty"
        raise InvalidInputError(
            f"{path}: is a folder ({inside}), expected a file. Name a file. The features of an item are one row of "
            "numbers in a table or matrix; compute them from videos, images or sounds first."
        )
    if not path.is_file():
        beside = f" It is not among {_listed(path.parent)}." if path.parent.is_dir() else ""
        raise InvalidInputError(f"{path}: file not found.{beside} Check the input and its options.")
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path}: is empty, expected raw data. Fetch or write the file again.")


def only_file(folder: Path, pattern: str) -> Path:
    """The one file of a folder that matches a pattern.

    Args:
        folder: Where to look.
        pattern: A glob pattern.

    Returns:
        Its path; the file is there and not empty.

    Raises:
        InvalidInputError: None or several match, or it is empty.
    """
    require_folder(folder)
    matches = sorted(folder.glob(pattern))
    if not matches:
        raise InvalidInputError(f"{folder}: has no file {pattern}; it holds {_listed(folder)}. Give another --input.")
    if len(matches) > 1:
        names = ", ".join(match.name for match in matches)
        raise InvalidInputError(
            f"{folder}: several files match {pattern}: {names}; expected one. Move the others away."
        )
    require_file(matches[0])
    return matches[0]


def fingerprints(root: Path, paths: Iterable[Path]) -> dict[str, object]:
    """Size and SHA-256 of every file, by its path below ``root`` (by its name, if it is elsewhere)."""
    return {
        (path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name): {
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        for path in sorted(paths)
    }


def one_line(error: Exception) -> str:
    """The message of a library's error in one line, to be quoted in one of ours."""
    return " ".join(str(error).split())


def _listed(folder: Path, *, most: int = 8) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    shown = ", ".join(names[:most]) or "nothing"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
