"""Delimited text (CSV, TSV) read column by column through pyarrow."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.input_files import one_line, require_file
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns, require_rows

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.csv


@dataclass(frozen=True)
class TextFormat:
    """How a text file is delimited.

    Attributes:
        delimiter: The character between two columns.
        quoted: Whether ``"`` at the start of a value quotes it.
    """

    delimiter: str
    quoted: bool = True


COMMA_SEPARATED = TextFormat(",")
TAB_SEPARATED = TextFormat("\t")
UNQUOTED_TAB_SEPARATED = TextFormat("\t", quoted=False)


def text_column_names(path: Path, text: TextFormat) -> list[str]:
    """Names in the header of a text file.

    Raises:
        InvalidInputError: The file is missing, empty or no delimited text.
    """
    require_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return header_names(path, file, text)
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error


def header_names(path: Path, lines: Iterable[str], text: TextFormat) -> list[str]:
    """Names in the first line that is not empty.

    Args:
        path: The file, for messages.
        lines: Its lines.
        text: How the file is delimited.

    Raises:
        InvalidInputError: It is no delimited text.
    """
    try:
        rows = csv.reader(lines, delimiter=text.delimiter, quoting=csv.QUOTE_MINIMAL if text.quoted else csv.QUOTE_NONE)
        return next(filter(None, rows), [])
    except csv.Error as error:
        raise _unreadable(path, error) from error


def read_text(path: Path, kinds: Mapping[str, ColumnKind], *, text: TextFormat) -> Table:
    """Reads some columns of a text file.

    Args:
        path: The file; its first line is the header.
        kinds: What the wanted columns hold, by name.
        text: How the file is delimited.

    Returns:
        These columns, at least one row long.

    Raises:
        InvalidInputError: The file is missing or empty, a column is missing, a row has too many
            or too few values, or a value is not of its kind.
    """
    require_columns(path, text_column_names(path, text), kinds)
    return require_rows(Table(path, _read(path, kinds, text=text)))


def parse_lines(
    path: Path, lines: bytes, names: Sequence[str], kinds: Mapping[str, ColumnKind], *, text: TextFormat
) -> Table:
    """Reads some columns of lines out of the middle of a text file.

    Args:
        path: The file, for messages.
        lines: Whole lines, none of them the header.
        names: Names in the header.
        kinds: What the wanted columns hold, by name.
        text: How the file is delimited.

    Returns:
        These columns; rows are counted from the first of these lines.

    Raises:
        InvalidInputError: A row has too many or too few values, or a value is not of its kind.
    """
    import pyarrow

    try:
        source = pyarrow.BufferReader(lines)
        return Table(path, _read_with(source, kinds, text=text, threads=False, names=names))
    except pyarrow.ArrowInvalid as error:
        raise _unreadable(path, error) from error


def _read(path: Path, kinds: Mapping[str, ColumnKind], *, text: TextFormat) -> pyarrow.Table:
    import pyarrow

    try:
        return _read_with(path, kinds, text=text, threads=True)
    except pyarrow.ArrowInvalid:
        # Only a reader of one thread knows the row of what it stumbles over: read again for the message.
        try:
            return _read_with(path, kinds, text=text, threads=False)
        except pyarrow.ArrowInvalid as error:
            raise _unreadable(path, error) from error


def _read_with(
    source: Path | pyarrow.BufferReader,
    kinds: Mapping[str, ColumnKind],
    *,
    text: TextFormat,
    threads: bool,
    names: Sequence[str] | None = None,
) -> pyarrow.Table:
    import pyarrow
    import pyarrow.csv

    types = {
        "id": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "integer": pyarrow.int64(),
        "number": pyarrow.float32(),
        "text": pyarrow.string(),
    }
    return pyarrow.csv.read_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(use_threads=threads, column_names=names),
        parse_options=_parse_options(text),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: types[kind] for name, kind in kinds.items() if kind != "inferred"},
            include_columns=list(kinds),
        ),
    )


def _parse_options(text: TextFormat) -> pyarrow.csv.ParseOptions:
    import pyarrow.csv

    return pyarrow.csv.ParseOptions(delimiter=text.delimiter, quote_char='"' if text.quoted else False)


def _unreadable(path: Path, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"{path}: {one_line(error)}. Mend the file.")
