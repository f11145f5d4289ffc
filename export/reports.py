"""What an export tells about itself, beside the graph: JSON in ``assets.extra``, which servers leave alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError

FOLDER = "assets.extra"


def write_reports(version: Path, reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes reports into a version directory, ``assets.extra/NAME.json`` each."""
    folder = version / FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in reports.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def has_report(version: Path, name: str) -> bool:
    """Whether a version directory has a report."""
    return (version / FOLDER / f"{name}.json").is_file()


def read_report(version: Path, name: str) -> dict[str, Any]:
    """Reads a report of a version directory.

    Raises:
        InvalidInputError: The version has no such report, or it cannot be read.
    """
    path = version / FOLDER / f"{name}.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{path}: cannot be read ({error}). Export the model again.") from error
    return content
