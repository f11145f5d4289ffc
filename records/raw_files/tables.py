"""A table of raw data in memory, its columns taken as what they have to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow

ColumnKind = Literal["id", "integer", "number", "text", "inferred"]
"""What a column of a text file holds; other files carry types of their own."""


@dataclass(frozen=True)
class Table:
    """Columns of one raw file.

    Attributes:
        path: The file, for messages.
        columns: The columns by name, of one length.
    """

    path: Path
    columns: pyarrow.Table

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns.column_names)

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers, int64 ``[n]``.

        Raises:
            InvalidInputError: A value is missing or the column has another type.
        """
        import pyarrow

        column = self.complete(name)
        if not pyarrow.types.is_integer(column.type):
            raise self.wrong_type(name, "whole numbers")
        return column.to_numpy().astype(np.int64, copy=False)

    def numbers(self, name: str) -> NDArray[np.float32]:
        """A column of numbers, float32 ``[n]``; a missing value is NaN.

        Raises:
            InvalidInputError: The column has another type.
        """
        import pyarrow

        column = self.columns[name]
        if not (pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type)):
            raise self.wrong_type(name, "numbers")
        return column.to_numpy().astype(np.float32)

    def timestamps(self, name: str) -> NDArray[np.int64]:
        """A column of times, int64 ``[n]``: numbers rounded down, dates as seconds since 1970.

        Raises:
            InvalidInputError: A value is missing or the column holds no times.
        """
        import pyarrow

        column = self.complete(name)
        if pyarrow.types.is_integer(column.type):
            return self.integers(name)
        if pyarrow.types.is_floating(column.type):
            times = column.to_numpy()
            if not np.isfinite(times).all():
                raise InvalidInputError(f'{self.path}: column "{name}" has NaN or infinite times. Mend the rows.')
            if len(times) and not np.abs(times).max() < 2.0**63:
                raise InvalidInputError(f'{self.path}: column "{name}" has times beyond 64 bits. Mend the rows.')
            return np.floor(times).astype(np.int64)
        if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type):
            seconds = column.cast(pyarrow.timestamp("s"), safe=False)
            return seconds.cast(pyarrow.int64()).to_numpy()
        raise self.wrong_type(name, "numbers or dates")

    def complete(self, name: str) -> pyarrow.ChunkedArray:
        """A column as it is.

        Raises:
            InvalidInputError: A value is missing.
        """
        column = self.columns[name]
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy()))
            raise InvalidInputError(f'{self.path}: column "{name}" has no value in record {row + 1}. Mend the record.')
        return column

    def wrong_type(self, name: str, expected: str) -> InvalidInputError:
        """The error for a column of another type than expected."""
        found = self.columns[name].type
        return InvalidInputError(f'{self.path}: column "{name}" holds {found}, expected {expected}. Mend the column.')


def joined(tables: Sequence[Table]) -> Table:
    """Lays tables of the same columns end to end; messages then name the first file.

    Raises:
        InvalidInputError: They have other columns, or columns of types that do not go together.
    """
    import pyarrow

    first, *others = tables
    for other in others:
        if other.names != first.names:
            raise InvalidInputError(
                f"{other.path}: has the columns {', '.join(other.names)} where {first.path.name} has "
                f"{', '.join(first.names)}. Write all parts alike."
            )
    if not others:
        return first
    try:
        columns = pyarrow.concat_tables([table.columns for table in tables], promote_options="permissive")
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
        raise InvalidInputError(
            f"{first.path}: its columns and those of the other parts differ in type ({error}). Write all parts alike."
        ) from error
    return Table(first.path, columns)


def require_columns(path: Path, found: Iterable[str], expected: Iterable[str]) -> None:
    """Refuses a file that lacks a column or has two of one name.

    Raises:
        InvalidInputError: A column of ``expected`` is not in ``found``, or more than once.
    """
    found, expected = list(found), list(expected)
    if not set(expected) <= set(found):
        raise InvalidInputError(
            f"{path}: has the columns {', '.join(found)}; expected {', '.join(expected)}. "
            "Name the columns with the source's options, or mend the header."
        )
    for name in expected:
        if found.count(name) > 1:
            raise InvalidInputError(f'{path}: has {found.count(name)} columns "{name}", expected one. Mend the header.')


def require_rows(table: Table) -> Table:
    """Refuses a table without rows.

    Raises:
        InvalidInputError: It has none.
    """
    if len(table) == 0:
        raise InvalidInputError(f"{table.path}: has columns and no rows. Fetch or write the file again.")
    return table
