"""Delimited text (CSV, TSV) read column by column through pyarrow, its quotes and rows checked before."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.compressed_text import opened_text, text_bytes
from tf_metammf.records.raw_files.input_files import require_file
from tf_metammf.records.raw_files.line_blocks import blocks_of
from tf_metammf.records.raw_files.row_places import RowPlaces, TextRows
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns
from tf_metammf.records.raw_files.text_rows import read_row_by_row, unreadable_text
from tf_metammf.records.raw_files.text_scan import TextLayout, scan_text

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.csv

HEAD_BYTES = 2**20
"""How much of a file is looked at for its header and delimiter."""

_DELIMITERS = (",", "\t", ";", "|")
_ROWS_COMPARED = 20
_BLOCK_BYTES = 2**20
_LARGEST_BLOCK = 2**31 - 1


@dataclass(frozen=True)
class TextFormat:
    """How a text file is delimited.

    Attributes:
        delimiter: The character between two columns; None recognises it.
        quoted: Whether ``"`` at the start of a value quotes it; None recognises it.
        usual: The delimiter that is expected if it is not given.
    """

    delimiter: str | None = None
    quoted: bool | None = None
    usual: str = ","


COMMA_SEPARATED = TextFormat()
TAB_SEPARATED = TextFormat(usual="\t")
UNQUOTED_TAB_SEPARATED = TextFormat("\t", quoted=False)


@dataclass(frozen=True)
class TextHead:
    """The first row of a text file: names of the columns, and the delimiter between them."""

    names: list[str]
    delimiter: str


def text_column_names(path: Path, text: TextFormat) -> list[str]:
    """Names in the header of a text file.

    Raises:
        InvalidInputError: The file is missing, empty or no delimited text.
    """
    return _head_of_file(path, text).names


def text_head(path: Path, head: bytes, text: TextFormat) -> TextHead:
    """Names in the first line that is not empty, and the delimiter.

    The delimiter is the usual one if it divides the header; else the only one of ``,``, ``;``, tab and ``|`` that
    divides it, and the next rows into the same number of columns.

    Args:
        path: The file, for messages.
        head: Its first bytes, the header included.
        text: How the file is delimited.

    Raises:
        InvalidInputError: It is no delimited text.
    """
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")):
        raise InvalidInputError(
            f"{path}: is compressed, expected text. Unpack it, or name it {path.name}.gz if gzip packed it."
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInputError(f"{path}: is UTF-16 text, expected UTF-8. Save it as UTF-8.")
    if b"\0" in head:
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise InvalidInputError(
            f"{path}: line {line} holds a NUL byte, which text must not contain. Fetch or write the file again."
        )
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    header = first.split(b"\n", 1)[0]
    try:
        header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: its header is not UTF-8 ({error.reason}). Save the file as UTF-8.") from error
    lines = first.decode("utf-8", "replace")
    delimiter = text.delimiter or _delimiter(path, lines, text)
    return TextHead(next(_rows(path, lines, delimiter, text.quoted), []), delimiter)


def read_text(
    path: Path, kinds: Mapping[str, ColumnKind], *, text: TextFormat, bad_rows: BadRows | None = None
) -> Table:
    """Reads some columns of a text file.

    Args:
        path: The file; its first line is the header.
        kinds: What the wanted columns hold, by name.
        text: How the file is delimited.
        bad_rows: What to do with rows that cannot be read; by default the first one is an error.

    Returns:
        These columns; without rows only if all were left out.

    Raises:
        InvalidInputError: The file is missing or empty, a column is missing, a row has too many
            or too few values, a value is not of its kind, or the quotes do not fit together.
    """
    import pyarrow

    head = _head_of_file(path, text)
    require_columns(path, head.names, kinds)
    layout = scan_text(
        path, lambda: blocks_of(path), delimiter=head.delimiter, quoted=text.quoted, columns=len(head.names)
    )
    if layout.rows < 2:
        raise InvalidInputError(f"{path}: has columns and no rows. Fetch or write the file again.")
    options, places = read_options(layout), TextRows(path, layout)
    bad_rows = bad_rows or BadRows()
    rejected = len(bad_rows.rejected)
    try:
        table = Table(path, _read_with(path, kinds, layout, options), places=places)
    except pyarrow.ArrowException as error:
        content = text_bytes(path)
        table = read_row_by_row(path, content, kinds, layout=layout, options=options, places=places, bad_rows=bad_rows)
        if len(table) == layout.rows - 1:  # nothing is wrong with any row
            raise unreadable_text(path, error) from error
    if len(table) + len(bad_rows.rejected) - rejected != layout.rows - 1:
        raise InvalidInputError(
            f"{path}: has {layout.rows - 1} rows, and {len(table)} of them were read. Check its quotes and line breaks."
        )
    return table


def parse_part(
    path: Path,
    part: bytes,
    names: Sequence[str] | None,
    kinds: Mapping[str, ColumnKind],
    *,
    layout: TextLayout,
    places: RowPlaces,
    bad_rows: BadRows,
) -> Table:
    """Reads some columns of a part of a text file.

    Args:
        path: The file, for messages.
        part: Whole rows.
        names: Names of the columns; None if the part begins with the header.
        kinds: What the wanted columns hold, by name.
        layout: The layout of the file.
        places: Where the rows of the part stand in the file.
        bad_rows: What to do with rows that cannot be read.

    Returns:
        These columns, maybe without rows.

    Raises:
        InvalidInputError: A row cannot be read and is not to be left out.
    """
    import pyarrow

    options = read_options(layout, names)
    try:
        columns = _read_with(pyarrow.BufferReader(part), kinds, layout, options)
        return Table(path, columns, places.records_before + np.arange(1, columns.num_rows + 1), places)
    except pyarrow.ArrowException as error:
        rejected = len(bad_rows.rejected)
        table = read_row_by_row(path, part, kinds, layout=layout, options=options, places=places, bad_rows=bad_rows)
        if len(bad_rows.rejected) == rejected:  # nothing is wrong with any row
            raise unreadable_text(path, error) from error
        return table


def read_options(layout: TextLayout, names: Sequence[str] | None = None) -> pyarrow.csv.ReadOptions:
    """Options of pyarrow's reader: blocks that hold the longest row, and the names of the columns."""
    import pyarrow.csv

    block = min(max(_BLOCK_BYTES, 2 * layout.longest_row), _LARGEST_BLOCK)
    return pyarrow.csv.ReadOptions(use_threads=names is None, block_size=block, column_names=names)


def _head_of_file(path: Path, text: TextFormat) -> TextHead:
    require_file(path)
    with opened_text(path) as file:
        head = file.read(HEAD_BYTES)
        while b"\n" not in head.lstrip(b"\r\n") and (more := file.read(HEAD_BYTES)):
            head += more
    return text_head(path, head, text)


def _delimiter(path: Path, lines: str, text: TextFormat) -> str:
    columns = {
        delimiter: [len(row) for row in _first_rows(path, lines, delimiter, text.quoted)] for delimiter in _DELIMITERS
    }
    dividing = [delimiter for delimiter in _DELIMITERS if columns[delimiter] and columns[delimiter][0] > 1]
    if len(dividing) > 1:
        dividing = [delimiter for delimiter in dividing if len(set(columns[delimiter])) == 1] or dividing
    if len(dividing) == 1:
        return dividing[0]
    if not dividing or text.usual in dividing:
        return text.usual
    raise InvalidInputError(
        f"{path}: its columns may be divided by {' or '.join(map(repr, dividing))}. Say which with --tabular.separator."
    )


def _first_rows(path: Path, lines: str, delimiter: str, quoted: bool | None) -> list[list[str]]:
    """The header and some rows, without one that may be cut off."""
    found: list[list[str]] = []
    rows = _rows(path, lines, delimiter, quoted)
    while len(found) <= _ROWS_COMPARED and (row := next(rows, None)) is not None:
        found.append(row)
    return found[:-1] if len(found) > 1 and len(found) <= _ROWS_COMPARED and len(lines) >= HEAD_BYTES else found


def _rows(path: Path, lines: str, delimiter: str, quoted: bool | None) -> Iterator[list[str]]:
    quoting: Literal[0, 3] = csv.QUOTE_NONE if quoted is False else csv.QUOTE_MINIMAL
    try:
        yield from filter(None, csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, quoting=quoting))
    except csv.Error as error:
        if "field larger" not in str(error):
            raise unreadable_text(path, error) from error


def _read_with(
    source: Path | pyarrow.BufferReader,
    kinds: Mapping[str, ColumnKind],
    layout: TextLayout,
    options: pyarrow.csv.ReadOptions,
) -> pyarrow.Table:
    import pyarrow
    import pyarrow.csv

    types = {
        "id": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "text": pyarrow.string(),
        "time": pyarrow.string(),
    }
    return pyarrow.csv.read_csv(
        source,
        read_options=options,
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if layout.quoted else False,
            newlines_in_values=layout.multiline,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: types[kind] for name, kind in kinds.items()},
            include_columns=list(kinds),
        ),
    )
