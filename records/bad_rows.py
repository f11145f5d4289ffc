"""Rows of raw tables that cannot be read: an error, or left out, counted and listed."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tf_metammf.errors import InvalidInputError

ON_ERROR = ("stop", "skip")
_LONGEST_TEXT = 80


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        file: The file, for messages.
        record: Its number among the rows of the file, from 1, the header and empty lines not counted; 0 if unknown.
        kind: What is wrong, in words that hold for many rows, such as "unreadable time".
        reason: What is wrong with this row: 'column "time" has "noon", expected a time'.
        text: The row as it stands in the file; of files that are not text, its columns with commas between.
        line: Number of the line in which it begins, from 1; None in files without lines.
    """

    file: Path
    record: int
    kind: str
    reason: str
    text: str
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if self.line is not None:
            return f"line {self.line}"
        return f"record {self.record}" if self.record else "a row"

    def error(self, *, can_be_left_out: bool = False) -> InvalidInputError:
        """The error that stops at this row, and says how to leave it out if that can be."""
        shown = self.text if len(self.text) <= _LONGEST_TEXT else f"{self.text[:_LONGEST_TEXT]}..."
        quoted = f" ({' '.join(shown.split())})" if shown.strip() else ""
        advice = ", or leave such rows out with --on_error skip" if can_be_left_out else ""
        reason = " ".join(self.reason.split())
        return InvalidInputError(f"{self.file}: {self.place}: {reason}{quoted}. Fix the row{advice}.")


@dataclass
class BadRows:
    """What to do with rows that cannot be read, and those that were left out.

    Attributes:
        skip: Whether they are left out; else the first one is an error.
        rejected: Those left out so far.
        may_skip: Whether the user could have them left out, which the error then says.
    """

    skip: bool = False
    rejected: list[BadRow] = field(default_factory=list)
    may_skip: bool = True

    def add(self, rows: Iterable[BadRow]) -> None:
        """Takes rows that cannot be read.

        Raises:
            InvalidInputError: The first of them, unless they are to be left out.
        """
        found = sorted(rows, key=lambda row: row.record)
        if found and not self.skip:
            raise found[0].error(can_be_left_out=self.may_skip)
        self.rejected.extend(found)

    def none_left(self, path: Path | None = None) -> InvalidInputError:
        """The error where every row, or every one of a file, was left out; it says what is wrong with the first."""
        rows = [row for row in self.rejected if path in (None, row.file)]
        return InvalidInputError(
            f"{rows[0].file}: all {len(rows):,} rows were left out, as none can be read; {rows[0].place}: "
            f"{' '.join(rows[0].reason.split())}. Fix the file, or check the options of the source."
        )

    def counts(self) -> dict[str, int]:
        """How many were left out, by kind."""
        return counts_by_kind(self.rejected)


def counts_by_kind(rows: Iterable[BadRow]) -> dict[str, int]:
    """How many rows there are of each kind."""
    return dict(sorted(Counter(row.kind for row in rows).items()))


def require_on_error(on_error: str) -> None:
    """Refuses anything but one of :data:`ON_ERROR`.

    Raises:
        InvalidInputError: It is something else.
    """
    if on_error not in ON_ERROR:
        raise InvalidInputError(f'on_error is "{on_error}", expected {" or ".join(ON_ERROR)}.')


def rejected_file(output: str | Path) -> str:
    """Where the rows that were left out of a record set, a path or URL, are listed: ``OUTPUT.rejected.csv``."""
    return f"{str(output).rstrip('/')}.rejected.csv"


def write_rejected(output: Path, rows: Sequence[BadRow], *, folder: Path) -> Path:
    """Lists rows that were left out, beside the record set; see :func:`rejected_text`.

    Args:
        output: The record set.
        rows: The rows.
        folder: The raw data; files are listed by their names in it.

    Returns:
        The file; see :func:`rejected_file`.

    Raises:
        InvalidInputError: It cannot be written.
    """
    path = Path(rejected_file(output))
    try:
        path.write_bytes(rejected_text(rows, folder).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be written ({error.strerror}). Choose another --output.") from error
    return path


def rejected_text(rows: Sequence[BadRow], folder: Path) -> str:
    """A CSV of rows: file, record (from 1), line (from 1; empty in files without lines), reason, text.

    Args:
        rows: The rows, in any order.
        folder: The raw data; files are listed by their names in it.
    """
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(["file", "record", "line", "reason", "text"])
    listed = sorted(((_name_in(folder, row.file), row) for row in rows), key=lambda entry: (entry[0], entry[1].record))
    for name, row in listed:
        writer.writerow([name, row.record, "" if row.line is None else row.line, f"{row.kind}: {row.reason}", row.text])
    return content.getvalue()


def _name_in(folder: Path, file: Path) -> str:
    """The name of a file in a folder, or beside a file."""
    root = folder if file.is_relative_to(folder) and file != folder else folder.parent
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()
