"""``assets.extra/manifest.json``: the size and SHA-256 of every file of a version, which servers ignore.

It is the last file that is written before a version gets its number.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reports import FOLDER, write_reports
from tf_metammf.records.metadata import sha256

FORMAT = 1
"""The form of the file. A later one is refused, because it cannot be checked."""

_NAME = "manifest"
MANIFEST_FILE = Path(FOLDER) / f"{_NAME}.json"


def write_manifest(version: Path) -> None:
    """Writes sizes and hashes of all files that a version directory has now."""
    files = {
        path.relative_to(version).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in _files(version)
    }
    write_reports(version, {_NAME: {"format": FORMAT, "files": files}})


def require_whole(version: Path) -> None:
    """Checks that every file is there in its size, which costs nothing; a version without manifest passes.

    Raises:
        InvalidInputError: A file is missing, or larger or smaller than it was.
    """
    files = _read(version)
    for finding in _findings(version, files or {}, hashed=False):
        raise InvalidInputError(
            f'{finding}. Copy the version again, or export again; "tf-metammf verify" finds all damage.'
        )


def verify(version: Path) -> list[str]:
    """What is wrong with the files of a version: missing, changed or added ones, each with its name.

    Args:
        version: A version directory.

    Returns:
        One line a file; none where the version is as it was written.

    Raises:
        InvalidInputError: The version has no manifest, because an earlier release of this package wrote it, or the
            manifest is damaged.
    """
    files = _read(version)
    if files is None:
        raise InvalidInputError(
            f"{version}: has no {MANIFEST_FILE}, so it cannot be verified. Version 0.1 wrote none; export again."
        )
    added = [path for path in _files(version) if path.relative_to(version).as_posix() not in files]
    return [*_findings(version, files, hashed=True), *(f"{path}: is not a part of the export" for path in added)]


def _findings(version: Path, files: dict[str, Any], *, hashed: bool) -> Iterator[str]:
    for name, expected in files.items():
        path = version / name
        if not path.is_file():
            yield f"{path}: is missing"
        elif (size := path.stat().st_size) != expected["bytes"]:
            yield f"{path}: has {size} bytes, expected {expected['bytes']}"
        elif hashed and sha256(path) != expected["sha256"]:
            yield f"{path}: checksum mismatch"


def _files(version: Path) -> list[Path]:
    """All files but the manifest."""
    return sorted(path for path in version.rglob("*") if path.is_file() and path != version / MANIFEST_FILE)


def _read(version: Path) -> dict[str, Any] | None:
    path = version / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files: dict[str, Any] = content["files"]
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, expected {FORMAT}")
        for entry in files.values():
            int(entry["bytes"]), str(entry["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"{path}: cannot be read ({error}). Copy the version again, or export again.") from None
    return files
