"""The record of a race: what was measured and decided, which a race that was stopped is resumed from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replace_text, require_absent
from tf_metammf.trainer.portfolio.candidates import Candidate
from tf_metammf.trainer.runs.resumption import flat_values

RACE_FILE = "race.json"


@dataclass
class Entry:
    """How far one candidate got.

    Attributes:
        name: Of the preset.
        epochs: Epochs that it could have, 0 where nothing is trained.
        value: The monitored metric on validation, calibrated; None before it was measured.
        cold_recall: Recall of cold items on validation, None where there are none to find.
        seconds: How long that took.
        result: ``winner``, ``behind``, or why it was left out; None as long as it is in the race.
        trained: Epochs that it had, fewer where it stopped early; 0 in a race of an earlier version.
    """

    name: str
    epochs: int = 0
    value: float | None = None
    cold_recall: float | None = None
    seconds: float = 0.0
    result: str | None = None
    trained: int = 0


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


def open_record(
    folder: Path,
    record_set: RecordSet,
    entrants: Sequence[Candidate],
    *,
    overrides: Mapping[str, Any],
    resume: str,
) -> RaceRecord:
    """The record of a race that is begun, or of one that is resumed.

    Args:
        folder: Of the race.
        record_set: The data.
        entrants: What is raced.
        overrides: Settings that were given for all of them.
        resume: ``"never"`` to refuse an existing folder.

    Raises:
        InvalidInputError: The folder is something else, or data or overrides are not those of the race.
    """
    checksum = record_set.metadata.checksum
    if not (folder / RACE_FILE).is_file() or resume == "never":
        require_absent(folder, option="--run")
        folder.mkdir(parents=True)
        monitor = entrants[0].configuration.evaluation.monitor
        given = {section: dict(values) for section, values in overrides.items()}
        record = RaceRecord(monitor, checksum, [Entry(each.name) for each in entrants], overrides=given)
        record.write(folder)
        return record
    record = RaceRecord.read(folder)
    if record.records != checksum:
        raise InvalidInputError(
            f"{record_set.folder}: is not the record set that the race in {folder} was begun with. Give that one, "
            "or choose another --run."
        )
    if record.overrides is not None and flat_values(record.overrides) != flat_values(overrides):
        before, now = (_listed(flat_values(each)) for each in (record.overrides, overrides))
        raise InvalidInputError(
            f"{folder}: the race was begun with other settings ({before} in the folder, {now} now). Give the same, "
            "or choose another --run."
        )
    return record


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"
