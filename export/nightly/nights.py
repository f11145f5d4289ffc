"""The folder of all nights: what each made, and what it decided.

```
NIGHTLY/
  0001/
    state.json     when it began, with which settings, against which live version, and how it ended
    records/       the record set of the night
    run/           its run directory
    export/        its export, until it is published or rejected
    judgement.json what was measured of the new and the live version, and the verdict
    report.json, report.html
```

Every entry appears whole or not at all, so that a night which was killed resumes after what is there.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reports import has_report, read_report
from tf_metammf.records.staging import replace_text, staged_directory
from tf_metammf.trainer.runs.run_lock import locked

REPORT = "nightly"
"""Report of an exported version that says which night made it."""

PUBLISHED, REJECTED, UNCHANGED = "published", "rejected", "unchanged"
"""How a night ends."""


@dataclass(frozen=True)
class Night:
    """One night.

    Attributes:
        folder: Where it is; its name is its number.
    """

    folder: Path

    @property
    def number(self) -> int:
        """From 1."""
        return int(self.folder.name)

    @property
    def records(self) -> Path:
        """The record set."""
        return self.folder / "records"

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.folder / "run"

    @property
    def export(self) -> Path:
        """A folder of one version, until it is published or rejected."""
        return self.folder / "export"

    @property
    def outcome(self) -> str | None:
        """How it ended; None while it is not over."""
        found = self.read("state").get("outcome")
        return None if found is None else str(found)

    @property
    def stamp(self) -> dict[str, Any]:
        """What its export says of it, and no other night's."""
        return {"night": self.number, "began": self.read("state")["began"]}

    def has(self, name: str) -> bool:
        """Whether one of its JSON files is there."""
        return (self.folder / f"{name}.json").is_file()

    def read(self, name: str) -> dict[str, Any]:
        """One of its JSON files.

        Raises:
            InvalidInputError: It is missing or damaged.
        """
        path = self.folder / f"{name}.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"{path}: cannot be read ({error}). Remove {self.folder} to begin the night again."
            ) from error
        return content

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Writes one of its JSON files, whole or not at all."""
        replace_text(self.folder / f"{name}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def note(self, **values: Any) -> None:
        """Adds to its state."""
        self.write("state", {**self.read("state"), **values})


@dataclass(frozen=True)
class Nights:
    """All nights of one folder.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    @property
    def all(self) -> list[Night]:
        """In their order."""
        if not self.folder.is_dir():
            return []
        names = [path for path in self.folder.iterdir() if path.name.isascii() and path.name.isdecimal()]
        return [Night(path) for path in sorted(names, key=lambda path: int(path.name))]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets one process at a time work here, and removes what a killed one left unfinished.

        Raises:
            InvalidInputError: Another process works here, or the folder is something else.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InvalidInputError(f"{self.folder}: is not a folder. Choose another one for the nights.")
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.folder))
            except InvalidInputError:
                raise InvalidInputError(f"{self.folder}: another process works on a night here. Wait for it.") from None
            for folder in [self.folder, *(night.folder for night in self.all)]:
                for unfinished in folder.glob(".*.partial-*"):
                    shutil.rmtree(unfinished, ignore_errors=True)
            yield

    def begin(self, **state: Any) -> Night:
        """Makes the folder of the next night, with its state."""
        number = max((night.number for night in self.all), default=0) + 1
        target = self.folder / f"{number:04}"
        began = datetime.now(UTC).isoformat(timespec="microseconds")
        with staged_directory(target) as staging:
            Night(staging).write("state", {"night": number, "began": began, **state})
        return Night(target)

    def of_version(self, version: Path) -> Night | None:
        """The night that made an exported version; None if none of these did."""
        if not has_report(version, REPORT):
            return None
        stamp = read_report(version, REPORT)
        return next((night for night in self.all if night.stamp == stamp), None)
