"""Delimited text with rows that cannot be read: found one by one, and left out or named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_files.input_files import one_line
from tf_metammf.records.raw_files.row_places import RowPlaces
from tf_metammf.records.raw_files.tables import ColumnKind, Table
from tf_metammf.records.raw_files.text_scan import TextLayout

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.csv

_NOT_UTF8 = "\ufffd"
_KINDS = {
    "id": ("not UTF-8", "text in UTF-8"),
    "text": ("not UTF-8", "text in UTF-8"),
    "time": ("not UTF-8", "text in UTF-8"),
    "integer": ("unreadable number", "a whole number"),
    "number": ("unreadable number", "a number"),
}


def read_row_by_row(
    path: Path,
    content: bytes,
    kinds: Mapping[str, ColumnKind],
    *,
    layout: TextLayout,
    options: pyarrow.csv.ReadOptions,
    places: RowPlaces,
    bad_rows: BadRows,
) -> Table:
    """Reads some columns of a text of which some row cannot be read; slower than reading it at once.

    Args:
        path: The file, for messages.
        content: The file, or some rows of it.
        kinds: What the wanted columns hold, by name.
        layout: The layout of the file.
        options: Options of the reader, with the names of the columns where there is no header.
        places: Where these rows stand in the file.
        bad_rows: Takes the rows that cannot be read.

    Returns:
        The other rows.

    Raises:
        InvalidInputError: A row cannot be read and is not to be left out.
    """
    import pyarrow
    import pyarrow.csv

    content, is_text = _in_utf8(content)
    lacking: dict[int, int] = {}
    header_rows = 0 if options.column_names else 1

    def left_out(row: pyarrow.csv.InvalidRow) -> str:
        lacking[row.number - header_rows + places.records_before] = row.actual_columns
        expected[0] = row.expected_columns
        return "skip"

    expected = [0]
    options.use_threads = False  # else rows have no numbers
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(content),
            read_options=options,
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.quoted else False,
                newlines_in_values=layout.multiline,
                invalid_row_handler=left_out,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(kinds, pyarrow.binary()), include_columns=list(kinds)
            ),
        )
    except (pyarrow.ArrowException, UnicodeError) as error:
        raise unreadable_text(path, error) from error
    records = places.records_before + np.arange(1, table.num_rows + len(lacking) + 1)
    numbers = np.setdiff1d(records, list(lacking))
    found = {
        record: ("wrong number of values", f"has {count} values, expected {expected[0]}")
        for record, count in lacking.items()
    }
    columns = {}
    for name, kind in kinds.items():
        columns[name], wrong = _converted(table[name].combine_chunks(), kind, is_text=is_text)
        what, wanted = _KINDS[kind]
        for row in wrong:
            value = table[name][int(row)].as_py().decode("utf-8").replace(_NOT_UTF8, "")
            found.setdefault(int(numbers[row]), (what, f'column "{name}" has "{value}", expected {wanted}'))
    wrong_records = np.array(sorted(found), np.int64)
    bad_rows.add(
        BadRow(path, record, *found[record], text, line)
        for record, (line, text) in zip(wrong_records.tolist(), places.find(wrong_records), strict=True)
    )
    sound = ~np.isin(numbers, list(found))
    kept = pyarrow.table(columns).filter(sound)
    return Table(path, kept, records=numbers[sound], places=places)


def unreadable_text(path: Path, error: Exception) -> InvalidInputError:
    """The error for a text that pyarrow does not read, whatever its rows hold."""
    return InvalidInputError(f"{path}: {one_line(error)}. Fix the file.")


def _in_utf8(content: bytes) -> tuple[bytes, bool]:
    r"""The same text with every byte that is not UTF-8 as a mark and ``\xff``; and whether there is none.

    pyarrow cannot hand over a row that it leaves out if it is not UTF-8.
    """
    text = content.decode("utf-8", "surrogateescape")
    marked, count = re.subn("[\udc80-\udcff]", lambda byte: f"{_NOT_UTF8}\\x{ord(byte[0]) - 0xDC00:02x}", text)
    return (marked.encode() if count else content), not count


def _converted(values: pyarrow.Array, kind: ColumnKind, *, is_text: bool) -> tuple[pyarrow.Array, NDArray[np.int64]]:
    """A column as its kind, null where it is not, and the rows where it is not."""
    import pyarrow
    import pyarrow.compute
    import pyarrow.csv

    text = values.cast(pyarrow.string())
    wrong = np.empty(0, np.int64)
    if not is_text:
        marked = pyarrow.compute.match_substring(text, _NOT_UTF8)
        wrong = np.flatnonzero(pyarrow.compute.fill_null(marked, False).to_numpy(zero_copy_only=False))
    if kind == "id":
        return text.dictionary_encode(), wrong
    if kind not in ("integer", "number"):
        return text, wrong
    target = pyarrow.int64() if kind == "integer" else pyarrow.float64()
    trimmed = pyarrow.compute.utf8_trim_whitespace(text)
    missing = pyarrow.compute.is_in(trimmed, pyarrow.array(pyarrow.csv.ConvertOptions().null_values))
    numbers, unreadable = _cast(pyarrow.compute.if_else(missing, None, trimmed), lambda some: some.cast(target), target)
    return numbers, np.union1d(wrong, unreadable)


def _cast(
    values: pyarrow.Array, cast: Callable[[Any], Any], target: pyarrow.DataType
) -> tuple[pyarrow.Array, NDArray[np.int64]]:
    """Casts what can be cast; finds the other rows by halves."""
    import pyarrow

    done: list[pyarrow.Array] = []
    wrong: list[int] = []
    pending = [(0, len(values))]
    while pending:
        start, stop = pending.pop()
        try:
            done.append(cast(values.slice(start, stop - start)))
        except pyarrow.ArrowInvalid:
            if stop - start == 1:
                wrong.append(start)
                done.append(pyarrow.nulls(1, target))
            else:
                middle = (start + stop) // 2
                pending += [(middle, stop), (start, middle)]
    return pyarrow.concat_arrays(done), np.array(wrong, np.int64)
