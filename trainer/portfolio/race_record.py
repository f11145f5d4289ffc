"""The record of a race: what was measured and decided, which a race that was stopped is resumed from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.staging import replace_text

RACE_FILE = "race.json"


@dataclass
class Entry:
    """How far one candidate got.

    Attributes:
        name: Of the preset.
        epochs: Epochs that it was trained for, 0 where nothing is trained.
        value: The monitored metric on validation, calibrated; None before it was measured.
        cold_recall: Recall of cold items on validation, None where there are none to find.
        seconds: How long that took.
        result: ``winner``, ``behind``, or why it was left out; None as long as it is in the race.
    """

    name: str
    epochs: int = 0
    value: float | None = None
    cold_recall: float | None = None
    seconds: float = 0.0
    result: str | None = None


@dataclass
class RaceRecord:
    """A race.

    Attributes:
        monitor: The metric, on validation.
        records: Checksum of the record set.
        entries: All candidates.
        reason: Why the winner was taken; None as long as there is none.
        finalists: Who is trained to the end; None before that is decided.
        overrides: Values of the sections that were given for all candidates; None in a race of an earlier version.
    """

    monitor: str
    records: str
    entries: list[Entry] = field(default_factory=list)
    reason: str | None = None
    finalists: list[str] | None = None
    overrides: dict[str, Any] | None = None

    @property
    def winner(self) -> str | None:
        """Name of the winner; None as long as there is none."""
        return next((entry.name for entry in self.entries if entry.result == "winner"), None)

    def entry(self, name: str) -> Entry:
        """The entry of a candidate."""
        return next(entry for entry in self.entries if entry.name == name)

    def write(self, folder: Path) -> None:
        """Writes the record, aside first."""
        replace_text(folder / RACE_FILE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "RaceRecord":
        """The record of a race.

        Raises:
            InvalidInputError: It is damaged.
        """
        path = folder / RACE_FILE
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            entries = [Entry(**entry) for entry in content.pop("entries")]
            return cls(**content, entries=entries)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(f"{path}: cannot be read ({error}). Remove the folder and train again.") from error
