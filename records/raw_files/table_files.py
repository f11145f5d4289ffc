"""Tables in files of several formats, told apart by the ending of the name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.compressed_text import table_suffix
from tf_metammf.records.raw_files.delimited_text import (
    COMMA_SEPARATED,
    TAB_SEPARATED,
    TextFormat,
    read_text,
    text_column_names,
)
from tf_metammf.records.raw_files.input_files import one_line, require_file
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns, require_rows

if TYPE_CHECKING:
    import pyarrow

TEXT_FORMATS = {".csv": COMMA_SEPARATED, ".tsv": TAB_SEPARATED}
SEPARATOR_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}
TABLE_SUFFIXES = (*TEXT_FORMATS, ".parquet", ".npz", ".npy")


def text_format(suffix: str, *, separator: str | None = None, quoted: bool | None = None) -> TextFormat:
    """How text files with an ending are delimited.

    Args:
        suffix: The ending.
        separator: The delimiter as the user gave it: one character, or one of the names comma, semicolon, tab, pipe.
        quoted: Whether quotes quote, as the user gave it.

    Raises:
        InvalidInputError: The delimiter is something else.
    """
    named = SEPARATOR_NAMES.get(separator or "", separator)
    if named is not None and (len(named) != 1 or not named.isascii() or named in '"\r\n\0'):
        raise InvalidInputError(
            f"separator is {separator!r}, expected one character, or one of {', '.join(SEPARATOR_NAMES)}."
        )
    return TextFormat(named, quoted, TEXT_FORMATS[suffix].usual)


def column_names(path: Path, text: TextFormat | None = None) -> list[str]:
    """Names of the columns in a file; text is delimited as ``text`` says, by default recognised.

    ``.npz`` holds one array a column. ``.npy`` holds a structured array, or whole numbers
    ``[n, 2]`` whose columns are then called "user" and "item".

    Raises:
        InvalidInputError: The file is missing, empty, damaged or of an unknown format.
    """
    if (suffix := table_suffix(path)) in TEXT_FORMATS:
        return text_column_names(path, text or TEXT_FORMATS[suffix])
    if path.suffix == ".parquet":
        return _parquet_names(path)
    return list(load_arrays(path))


def index_columns(path: Path) -> list[str]:
    """Columns of a Parquet file that are the index of a pandas frame, by its metadata; none of another file."""
    import pyarrow.parquet

    if path.suffix != ".parquet":
        return []
    try:
        return index_of_schema(pyarrow.parquet.read_schema(path))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _unreadable_parquet(path, error) from error


def index_of_schema(schema: pyarrow.Schema) -> list[str]:
    """Columns that are the index of a pandas frame, by the metadata of a schema."""
    columns = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in columns if isinstance(name, str)]


def read_columns(
    path: Path,
    kinds: Mapping[str, ColumnKind],
    *,
    text: TextFormat | None = None,
    bad_rows: BadRows | None = None,
) -> Table:
    """Reads some columns of a file.

    Args:
        path: The file.
        kinds: What the wanted columns hold, by name; only text files are converted to it.
        text: How it is delimited if it is text; by default recognised.
        bad_rows: What to do with rows of text that cannot be read; by default the first one is an error.

    Returns:
        These columns, at least one row long.

    Raises:
        InvalidInputError: The file is missing, empty, damaged or of an unknown format, or a
            column is missing.
    """
    if (suffix := table_suffix(path)) in TEXT_FORMATS:
        return read_text(path, kinds, text=text or TEXT_FORMATS[suffix], bad_rows=bad_rows)
    require_columns(path, column_names(path), kinds)
    if path.suffix == ".parquet":
        return require_rows(Table(path, _read_parquet(path, list(kinds))))
    return require_rows(Table(path, _array_table(path, list(kinds))))


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Loads the arrays of a ``.npz`` or ``.npy`` file; see :func:`column_names`.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, or holds Python objects.
    """
    require_file(path)
    if path.suffix not in (".npz", ".npy"):
        raise InvalidInputError(
            f'{path}: has the unknown extension "{table_suffix(path)}", expected one of '
            f"{', '.join(TABLE_SUFFIXES)}, .csv.gz or .tsv.gz. Rename it."
        )
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return _named_columns(path, content)
        with content:
            return {name: content[name] for name in content.files}
    except InvalidInputError:
        raise
    except Exception as error:  # a damaged archive raises whatever zipfile, zlib or NumPy think of it
        raise InvalidInputError(
            f"{path}: is not a readable {path.suffix} file of plain arrays ({one_line(error)}). Write it again."
        ) from error


def _named_columns(path: Path, array: NDArray[Any]) -> dict[str, NDArray[np.generic]]:
    if array.dtype.names and array.ndim == 1:
        return {name: np.ascontiguousarray(array[name]) for name in array.dtype.names}
    if array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iuUS":
        return {"user": np.ascontiguousarray(array[:, 0]), "item": np.ascontiguousarray(array[:, 1])}
    raise InvalidInputError(
        f"{path}: holds {array.dtype} {list(array.shape)}; expected ids [n, 2] (user, item) or a structured array with "
        "named columns. Write it so, or as .npz."
    )


def _array_table(path: Path, names: list[str]) -> pyarrow.Table:
    import pyarrow

    arrays = load_arrays(path)
    try:
        return pyarrow.table({name: pyarrow.array(_in_own_order(arrays[name])) for name in names})
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        shapes = ", ".join(f"{name} {arrays[name].dtype} {list(arrays[name].shape)}" for name in names)
        raise InvalidInputError(
            f"{path}: has {shapes}; expected arrays [n] of one length, of numbers or text. Write it again."
        ) from error


def _in_own_order(array: NDArray[Any]) -> NDArray[Any]:
    """The same array with the bytes of this machine's order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    require_file(path)
    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _unreadable_parquet(path, error) from error


def _read_parquet(path: Path, names: list[str]) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    try:
        return without_views(pyarrow.parquet.read_table(path, columns=names))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _unreadable_parquet(path, error) from error


def without_views(columns: pyarrow.Table) -> pyarrow.Table:
    """The same columns with views of text, for which Arrow lacks functions, as text."""
    import pyarrow

    plain = {pyarrow.string_view(): pyarrow.string(), pyarrow.binary_view(): pyarrow.binary()}
    fields = [field.with_type(plain.get(field.type, field.type)) for field in columns.schema]
    return columns.cast(pyarrow.schema(fields))


def _unreadable_parquet(path: Path, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"{path}: is not a readable Parquet file ({one_line(error)}). Fetch or write it again.")
