"""Features of one modality in a file that names its items, or numbers them."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.column_roles import item_column_of_features
from tf_metammf.records.raw_files.compressed_text import table_suffix
from tf_metammf.records.raw_files.delimited_text import TextFormat
from tf_metammf.records.raw_files.dense_ids import with_ids_of_items
from tf_metammf.records.raw_files.feature_columns import TOKEN_SEPARATORS, features_from_table, multi_hot_from_table
from tf_metammf.records.raw_files.feature_files import load_matrix, require_matrix
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.table_files import (
    TEXT_FORMATS,
    column_names,
    index_columns,
    load_arrays,
    read_columns,
)
from tf_metammf.records.raw_files.tables import ColumnKind, listed, require_columns
from tf_metammf.records.raw_files.text_lines import read_lines
from tf_metammf.records.raw_files.token_columns import LENGTHS, tokens_of_archive

EXTRACTED_COLUMNS = {"vector", "tokens", "times"}
"""Columns of extracted features: the vector of an item, and the vectors it is the mean of, with their times."""

_IDS_ENDING = "_ids.txt"
_NUMBERS_ROWS = re.compile(r"\s*|Unnamed: \d+(_level_\d+)?|__index_level_\d+__")


def read_features(
    path: Path,
    item_column: str | None,
    *,
    interacted: Collection[str],
    text: TextFormat | None = None,
    bad_rows: BadRows | None = None,
    tokens: bool = False,
) -> NamedFeatures:
    """Reads the features of one modality.

    Args:
        path: The file: ``.csv``, ``.tsv``, ``.parquet``, ``.npz`` or ``.npy``.
        item_column: The column (array, in ``.npz``) of the item ids; if None, or not there, it is
            recognised by its spelling.
        interacted: Raw item ids that occur in interactions. Rows of a ``.npy`` file without a file
            of ids are taken for the items "0", "1", … only if all of these are among them.
        text: How the file is delimited if it is text; by default recognised.
        bad_rows: What to do with rows of tables that cannot be read; by default the first one is an error.
        tokens: Whether the sequences of extracted features are read, instead of the vectors beside them.

    Returns:
        The features by raw item id.

    Raises:
        InvalidInputError: The file is missing, empty, damaged, malformed or ambiguous.
    """
    if path.suffix == ".npy":
        return _matrix(path, interacted)
    if path.suffix == ".npz":
        return _archive(path, item_column)
    item, kinds = feature_columns(path, column_names(path, text), item_column, index=index_columns(path), tokens=tokens)
    table = read_columns(path, kinds, text=text, bad_rows=bad_rows)
    table = with_ids_of_items(table, item, bad_rows or BadRows())
    return features_from_table(table, item, [name for name in kinds if name != item])


def read_tokens(
    path: Path,
    column: str,
    item_column: str | None,
    *,
    text: TextFormat | None = None,
    bad_rows: BadRows | None = None,
) -> tuple[NamedFeatures, list[str]]:
    """Reads a column of words as the features of one modality.

    Args:
        path: The file: ``.csv``, ``.tsv`` or ``.parquet``.
        column: The column: text with ``|`` between the words (or ``;`` or commas, where no row has ``|``), or lists.
        item_column: See :func:`read_features`.
        text: See :func:`read_features`.
        bad_rows: See :func:`read_features`.

    Returns:
        The features by raw item id, and all words in alphabetical order: value j is 1 where the item has the j-th.

    Raises:
        InvalidInputError: The file is missing, empty, damaged or malformed, is no table, or the words are too many.
    """
    if table_suffix(path) not in (*TEXT_FORMATS, ".parquet"):
        raise InvalidInputError(
            f"{path}: is not a table, and --tabular.token_columns names a column of it. Remove the modality from "
            f"that option."
        )
    names = column_names(path, text)
    item = _item_column(path, names, item_column)
    require_columns(path, names, [item, column])
    table = read_columns(path, {item: "id", column: "text"}, text=text, bad_rows=bad_rows)
    table = with_ids_of_items(table, item, bad_rows or BadRows())
    return multi_hot_from_table(table, item, column, separators=TOKEN_SEPARATORS)


def feature_file_parts(path: Path) -> list[Path]:
    """The file of a modality and, where there is one, the file of ids beside it."""
    ids = _ids_file(path)
    return [path, ids] if path.suffix == ".npy" and ids.is_file() else [path]


def feature_columns(
    path: Path,
    names: Sequence[str],
    item_column: str | None,
    *,
    index: Collection[str] = (),
    tokens: bool = False,
) -> tuple[str, dict[str, ColumnKind]]:
    """The column of the items in a table of features, and what this and the columns of features hold.

    Columns that only number the rows are left out, as pandas writes them: without a name (a comma at the end of every
    line makes one, too), called ``Unnamed: 0`` or ``__index_level_0__``, or an index by the metadata of Parquet.

    Args:
        path: The file, for messages and by its ending.
        names: Its columns.
        item_column: See :func:`read_features`.
        index: Columns that are an index.
        tokens: Whether the sequences of extracted features are wanted, instead of the vectors beside them.

    Raises:
        InvalidInputError: There is no column of items, or nothing beside it.
    """
    item = _item_column(path, names, item_column)
    values = [name for name in names if name != item and name not in index and not _NUMBERS_ROWS.fullmatch(name)]
    if not values:
        raise InvalidInputError(
            f'{path}: has the columns {listed(names)}, expected features beside "{item}". Write it again.'
        )
    if "vector" in values and set(values) <= EXTRACTED_COLUMNS:
        values = [name for name in values if name != "vector"] if tokens and "tokens" in values else ["vector"]
    # One column may hold a list as text; several are a number each.
    kind: ColumnKind = "text" if len(values) == 1 and table_suffix(path) in TEXT_FORMATS else "number"
    return item, {item: "id", **dict.fromkeys(values, kind)}


def _archive(path: Path, item_column: str | None) -> NamedFeatures:
    arrays = load_arrays(path)
    item = _item_column(path, list(arrays), item_column)
    values = [name for name in arrays if name != item]
    if LENGTHS in values and len(values) > 1:
        ids, sequences = _archive_ids(path, item, arrays[item]), tokens_of_archive(path, arrays, item)
        NamedFeatures(ids, sequences, str(path))  # refuses other numbers of ids
        filled = np.flatnonzero(sequences.lengths).tolist()
        return NamedFeatures([ids[row] for row in filled], sequences[filled], str(path))
    if len(values) != 1:
        raise InvalidInputError(
            f"{path}: has the arrays {listed(list(arrays))}; expected item ids and one matrix of features. "
            "Write it again."
        )
    require_matrix(arrays[values[0]], f"{path}: {values[0]}")
    return NamedFeatures(_archive_ids(path, item, arrays[item]), arrays[values[0]], str(path))  # type: ignore[arg-type]


def _archive_ids(path: Path, item: str, ids: NDArray[Any]) -> list[str]:
    """Raw item ids in an array of an archive."""
    if ids.ndim == 1 and ids.dtype.kind == "f":
        numbers = ids.astype(np.float64)
        if (np.abs(numbers) <= 2**53).all() and (numbers == np.floor(numbers)).all():
            ids = numbers.astype(np.int64)
    if ids.ndim == 1 and ids.dtype.kind == "S":
        ids = _decoded(path, ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iuU":
        raise InvalidInputError(
            f"{path}: {item} holds {ids.dtype} {list(ids.shape)}, expected raw item ids [items]. Write it again."
        )
    return [str(raw) for raw in ids.tolist()]


def _matrix(path: Path, interacted: Collection[str]) -> NamedFeatures:
    matrix = load_matrix(path)
    ids_file = _ids_file(path)
    if ids_file.is_file():
        return NamedFeatures(read_lines(ids_file), matrix, str(path))
    numbers = [str(row) for row in range(len(matrix))]
    strangers = set(interacted).difference(numbers)
    if strangers:
        raise no_such_row(path, len(matrix), min(strangers))
    return NamedFeatures(numbers, matrix, str(path))


def no_such_row(path: Path, rows: int, item: str) -> InvalidInputError:
    """The error for an item that is no row of a matrix without a file of ids."""
    return InvalidInputError(
        f'{path}: has rows 0 to {rows - 1}, and item "{item}" is none of them. Write the raw item '
        f"ids, one a line in the order of the rows, to {ids_name(path.name)} beside it."
    )


def ids_name(name: str) -> str:
    """Name of the file with the raw ids of the rows of a matrix: ``NAME_ids.txt`` for ``NAME.npy``."""
    return name.removesuffix(".npy") + _IDS_ENDING


def _ids_file(path: Path) -> Path:
    return path.with_name(ids_name(path.name))


def _decoded(path: Path, ids: NDArray[Any]) -> NDArray[Any]:
    try:
        return np.array([raw.decode("utf-8") for raw in ids.tolist()])
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: its item ids are not UTF-8 ({error.reason}). Write it again.") from error


def _item_column(path: Path, names: Sequence[str], item_column: str | None) -> str:
    item = item_column_of_features(path, names, item_column)
    if item is None:
        raise InvalidInputError(
            f"{path}: has the columns {listed(names)}; none of them is recognised as the item. Call it "
            f'"{item_column or "item_id"}", or name it with --tabular.feature_item_columns.'
        )
    return item
