"""Tables in files of several formats, told apart by the ending of the name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.delimited_text import COMMA_SEPARATED, TAB_SEPARATED, read_text, text_column_names
from tf_metammf.records.raw_files.input_files import one_line, require_file
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns, require_rows

if TYPE_CHECKING:
    import pyarrow

TEXT_FORMATS = {".csv": COMMA_SEPARATED, ".tsv": TAB_SEPARATED}
TABLE_SUFFIXES = (*TEXT_FORMATS, ".parquet", ".npz", ".npy")


def column_names(path: Path) -> list[str]:
    """Names of the columns in a file.

    ``.npz`` holds one array a column. ``.npy`` holds a structured array, or whole numbers
    ``[n, 2]`` whose columns are then called "user" and "item".

    Raises:
        InvalidInputError: The file is missing, empty, damaged or of an unknown format.
    """
    if path.suffix in TEXT_FORMATS:
        return text_column_names(path, TEXT_FORMATS[path.suffix])
    if path.suffix == ".parquet":
        return _parquet_names(path)
    return list(load_arrays(path))


def read_columns(path: Path, kinds: Mapping[str, ColumnKind]) -> Table:
    """Reads some columns of a file.

    Args:
        path: The file.
        kinds: What the wanted columns hold, by name; only text files are converted to it.

    Returns:
        These columns, at least one row long.

    Raises:
        InvalidInputError: The file is missing, empty, damaged or of an unknown format, or a
            column is missing.
    """
    if path.suffix in TEXT_FORMATS:
        return read_text(path, kinds, text=TEXT_FORMATS[path.suffix])
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
            f'{path}: has the unknown ending "{path.suffix}", expected one of {", ".join(TABLE_SUFFIXES)}. Rename it.'
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
            f"{path}: is no readable {path.suffix} file of plain arrays ({one_line(error)}). Write it again."
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
        return pyarrow.table({name: pyarrow.array(arrays[name]) for name in names})
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        shapes = ", ".join(f"{name} {arrays[name].dtype} {list(arrays[name].shape)}" for name in names)
        raise InvalidInputError(
            f"{path}: has {shapes}; expected arrays [n] of one length, of numbers or text. Write it again."
        ) from error


def _parquet_names(path: Path) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    require_file(path)
    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise _unreadable_parquet(path, error) from error


def _read_parquet(path: Path, names: list[str]) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(path, columns=names)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise _unreadable_parquet(path, error) from error


def _unreadable_parquet(path: Path, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"{path}: is no readable Parquet file ({one_line(error)}). Fetch or write it again.")
