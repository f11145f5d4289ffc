"""A table of raw data in memory, its columns taken as what they have to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow
from tf_metammf.records.raw_files.row_places import RowPlaces

if TYPE_CHECKING:
    import pyarrow

ColumnKind = Literal["id", "integer", "number", "text", "time"]
"""What a column of a text file holds; other files carry types of their own."""


@dataclass(frozen=True)
class Table:
    """Columns of one raw file.

    Attributes:
        path: The file, for messages.
        columns: The columns by name, of one length.
        records: Number of each row among those of the file, from 1, int64 ``[n]``; None where all rows are here.
        places: Where the rows stand in the file; None where that is not known, and in files without lines.
    """

    path: Path
    columns: pyarrow.Table
    records: NDArray[np.int64] | None = None
    places: RowPlaces | None = None

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns.column_names)

    def filtered(self, rows: NDArray[np.bool_]) -> Table:
        """The same table with some of its rows."""
        if rows.all():
            return self
        records = np.arange(1, len(self) + 1) if self.records is None else self.records
        return replace(self, columns=self.columns.filter(rows), records=records[rows])

    def bad_rows(self, rows: NDArray[np.int64], kind: str, reason: str, *, shown: str | None = None) -> list[BadRow]:
        """Describes rows that cannot be read.

        Args:
            rows: Which, ascending.
            kind: See :class:`BadRow`.
            reason: What is wrong with them; ``{}`` stands for the value of the column ``shown``.
            shown: A column.
        """
        records = rows + 1 if self.records is None else self.records[rows]
        columns = self.columns.take(rows)
        places = texts_of_rows(columns) if self.places is None else self.places.find(records)
        values = [""] * len(rows) if shown is None else _shown_values(columns[shown])
        return [
            BadRow(self.path, int(record), kind, reason.replace("{}", value), text, line)
            for record, value, (line, text) in zip(records, values, places, strict=True)
        ]

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Which rows have no value in a column, bool ``[n]``."""
        missing: NDArray[np.bool_] = self.columns[name].is_null(nan_is_null=True).to_numpy()
        return missing

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers, int64 ``[n]``.

        Raises:
            InvalidInputError: A value is missing or the column has another type.
        """
        import pyarrow

        column = self.complete(name)
        if not pyarrow.types.is_integer(column.type):
            raise self.wrong_type(name, "whole numbers")
        numbers = column.to_numpy()
        if pyarrow.types.is_uint64(column.type) and (numbers >= 2**63).any():
            row = np.flatnonzero(numbers >= 2**63)[:1]
            raise self.bad_rows(row, "unreadable number", f'column "{name}" has {{}}, expected 64 bits', shown=name)[
                0
            ].error()
        return numbers.astype(np.int64, copy=False)

    def numbers(self, name: str) -> NDArray[np.float32]:
        """A column of numbers, float32 ``[n]``; a missing value is NaN, one beyond float32 infinite.

        Raises:
            InvalidInputError: The column has another type.
        """
        with np.errstate(over="ignore"):
            return self._floats(name).astype(np.float32)

    def numbers_of_64_bits(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, float64 ``[n]``; a missing value is NaN.

        Raises:
            InvalidInputError: The column has another type.
        """
        return self._floats(name).astype(np.float64)

    def _floats(self, name: str) -> NDArray[Any]:
        import pyarrow

        column = self.columns[name]
        if not is_number(column.type):
            raise self.wrong_type(name, "numbers")
        if pyarrow.types.is_boolean(column.type) or pyarrow.types.is_decimal(column.type):
            column = column.cast(pyarrow.float64())
        values: NDArray[Any] = column.to_numpy()
        return values

    def complete(self, name: str) -> pyarrow.ChunkedArray:
        """A column as it is.

        Raises:
            InvalidInputError: A value is missing.
        """
        column = self.columns[name]
        missing = self.missing(name)
        if missing.any():
            raise self.bad_rows(np.flatnonzero(missing)[:1], "no value", f'column "{name}" has no value')[0].error()
        return column

    def wrong_type(self, name: str, expected: str) -> InvalidInputError:
        """The error for a column of another type than expected."""
        found = self.columns[name].type
        return InvalidInputError(f'{self.path}: column "{name}" holds {found}, expected {expected}. Fix the column.')


def texts_of_rows(columns: pyarrow.Table) -> list[tuple[int | None, str]]:
    """The rows of a file without lines as :meth:`RowPlaces.find` gives them: all columns with commas between."""
    values = zip(*(_shown_values(column) for column in columns.columns), strict=True)
    return [(None, ",".join(row)) for row in values]


def _shown_values(column: pyarrow.ChunkedArray) -> list[str]:
    """Values as messages show them, those that Python has no type for included; "" for a missing one."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_temporal(column.type):  # of which Python has neither nanoseconds nor all years
        column = column.cast(pyarrow.string())
    text_types = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if any(is_text(column.type) for is_text in text_types):
        texts = column.cast(pyarrow.large_binary()).to_pylist()
        return ["" if text is None else text.decode("utf-8", "backslashreplace") for text in texts]
    return ["" if value is None else str(value) for value in column.to_pylist()]


def is_number(column_type: pyarrow.DataType) -> bool:
    """Whether a column of a type holds numbers; True and False are 1 and 0."""
    import pyarrow

    types = pyarrow.types
    checks = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(check(column_type) for check in checks)


def joined(tables: Sequence[Table]) -> Table:
    """Lays tables of the same columns end to end; messages then name the first file.

    Raises:
        InvalidInputError: They have other columns, or columns of types that do not go together.
    """
    import pyarrow

    require_same_columns(tables)
    first = tables[0]
    if len(tables) == 1:
        return first
    try:
        columns = pyarrow.concat_tables([table.columns for table in tables], promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise InvalidInputError(
            f"{first.path}: its columns and those of the other parts differ in type ({error}). Use the same columns "
            f"in all parts."
        ) from error
    return Table(first.path, columns)


def require_same_columns(tables: Sequence[Table]) -> None:
    """Refuses parts of a table that have other columns than the first one.

    Raises:
        InvalidInputError: One has.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.names != first.names:
            raise InvalidInputError(
                f"{other.path}: has the columns {listed(other.names)} where {first.path.name} has "
                f"{listed(first.names)}. Use the same columns in all parts."
            )


def require_columns(path: Path, found: Iterable[str], expected: Iterable[str]) -> None:
    """Refuses a file that lacks a column or has two of one name.

    Raises:
        InvalidInputError: A column of ``expected`` is not in ``found``, or more than once.
    """
    found, expected = list(found), list(expected)
    times = Counter(found)
    if not set(expected) <= times.keys():
        raise InvalidInputError(
            f"{path}: has the columns {listed(found)}; expected {listed(expected)}. "
            "Name the columns with the source's options, or fix the header."
        )
    for name in expected:
        if times[name] > 1:
            raise InvalidInputError(f'{path}: has {times[name]} columns "{name}", expected one. Fix the header.')


def listed(names: Sequence[str], *, most: int = 20) -> str:
    """Names with commas between, the first ones of many."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return " ".join(", ".join(names[:most]).splitlines()) + more


def require_rows(table: Table) -> Table:
    """Refuses a table without rows.

    Raises:
        InvalidInputError: It has none.
    """
    if len(table) == 0:
        raise InvalidInputError(f"{table.path}: has columns and no rows. Fetch or write the file again.")
    return table
