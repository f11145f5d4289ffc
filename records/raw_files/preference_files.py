"""Files of preferences: tables with the columns user, chosen, rejected, and maybe weight and source."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.raw_files.dense_ids import id_column, lacks_id, with_utf8
from tf_metammf.records.raw_files.table_files import column_names, load_arrays, read_columns
from tf_metammf.records.raw_files.tables import ColumnKind, Table, require_columns, require_rows
from tf_metammf.records.staging import replaced_file

if TYPE_CHECKING:
    import pyarrow

NEEDED: dict[str, ColumnKind] = {"user": "id", "chosen": "id", "rejected": "id"}
OPTIONAL: dict[str, ColumnKind] = {"weight": "number", "source": "id"}
SEPARATORS = ("|", ";")
"""What may stand between the rejected items of a row of text: the first one that occurs in the column does."""


def read_preferences_file(path: Path, *, bad_rows: BadRows | None = None) -> NamedPreferences:
    """Reads a file of preferences: CSV, TSV, maybe compressed, Parquet, or ``.npz``.

    A row is a user, the chosen item and the rejected one; or several rejected ones: a list in Parquet, a row of a
    matrix in ``.npz``, ids with ``|`` between (or ``;``, where no row has ``|``) in text. Other columns are ignored.

    Args:
        path: The file.
        bad_rows: What to do with rows that cannot be read; by default the first one is an error.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, lacks a column, or a row cannot be read.
    """
    bad_rows = BadRows(may_skip=False) if bad_rows is None else bad_rows
    found = column_names(path)
    require_columns(path, found, NEEDED)
    kinds = NEEDED | {name: kind for name, kind in OPTIONAL.items() if name in found}
    table = _matrix_table(path, list(kinds)) or read_columns(path, kinds, bad_rows=bad_rows)
    for name in ("user", "chosen", *(("source",) if "source" in kinds else ())):
        table = with_utf8(table, name, bad_rows)
        lacking = lacks_id(table, name)
        bad_rows.add(table.bad_rows(np.flatnonzero(lacking), f"no {name}", f'column "{name}" has no value'))
        table = table.filtered(~lacking)
    if "weight" in kinds and len(table):
        table = _with_sound_weights(table, bad_rows)
    rejected = _rejected(table) if len(table) else []
    lacking = np.array([not each for each in rejected], bool)
    bad_rows.add(table.bad_rows(np.flatnonzero(lacking), "nothing rejected", 'column "rejected" has no item'))
    table = table.filtered(~lacking)
    if not len(table):
        raise bad_rows.none_left(path)
    return NamedPreferences(
        user=_texts(table, "user"),
        chosen=_texts(table, "chosen"),
        rejected=[each for each in rejected if each],
        weight=table.numbers("weight") if "weight" in kinds else None,
        source=_texts(table, "source") if "source" in kinds else None,
    )


def write_preferences_file(path: Path, preferences: NamedPreferences) -> None:
    """Writes a file that :func:`read_preferences_file` reads: Parquet by its ending, else CSV.

    Raises:
        InvalidInputError: The file cannot be written, or a rejected item has a ``|`` in its id, which CSV cannot hold
            beside others.
    """
    columns: dict[str, Any] = {"user": list(preferences.user), "chosen": list(preferences.chosen)}
    columns["rejected"] = [list(each) for each in preferences.rejected]
    if preferences.weight is not None:
        columns["weight"] = preferences.weight.tolist()
    if preferences.source is not None:
        columns["source"] = list(preferences.source)
    try:
        with replaced_file(path) as aside:
            if path.suffix == ".parquet":
                _write_parquet(aside, columns)
            else:
                columns["rejected"] = [_joined(path, each) for each in columns["rejected"]]
                with aside.open("w", encoding="utf-8", newline="") as lines:
                    writer = csv.writer(lines, lineterminator="\n")
                    writer.writerow(columns)
                    writer.writerows(zip(*columns.values(), strict=True))
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be written ({error.strerror}). Choose another --output.") from error


def require_writable(path: Path, items: Sequence[str]) -> None:
    """Refuses a file that could not hold these items, before anybody is asked about them.

    Raises:
        InvalidInputError: The file is text, and an item has a mark in its id that divides rejected items.
    """
    if path.suffix != ".parquet":
        _joined(path, items)


def _joined(path: Path, rejected: Sequence[str]) -> str:
    broken = [raw for raw in rejected if any(mark in raw for mark in SEPARATORS)]
    if broken:
        raise InvalidInputError(
            f'{path}: the item "{broken[0]}" has a mark in its id that divides rejected items in text. Name the output '
            "with .parquet."
        )
    return SEPARATORS[0].join(rejected)


def _write_parquet(path: Path, columns: dict[str, Any]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def _matrix_table(path: Path, names: list[str]) -> Table | None:
    """The table of an archive whose rejected items are a matrix; None for every other file."""
    import pyarrow

    if path.suffix != ".npz":
        return None
    arrays = load_arrays(path)
    if arrays["rejected"].ndim != 2:
        return None
    count, width = arrays["rejected"].shape
    shapes = {name: arrays[name].shape for name in names}
    if any(shape != (count,) for name, shape in shapes.items() if name != "rejected") or not width:
        shown = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise InvalidInputError(f"{path}: has {shown}; expected [n], and [n] or [n, rejected] for rejected.")
    columns = {name: pyarrow.array(arrays[name]) for name in names if name != "rejected"}
    flat = pyarrow.array(np.ascontiguousarray(arrays["rejected"]).reshape(-1))
    columns["rejected"] = pyarrow.FixedSizeListArray.from_arrays(flat, width)
    return require_rows(Table(path, pyarrow.table(columns)))


def _with_sound_weights(table: Table, bad_rows: BadRows) -> Table:
    missing = table.missing("weight")
    bad_rows.add(table.bad_rows(np.flatnonzero(missing), "no weight", 'column "weight" has no number'))
    table = table.filtered(~missing)
    weight = table.numbers("weight")
    unusable = ~((weight >= 0) & (weight < np.inf))
    reason = 'column "weight" has {}, expected a finite number of at least 0'
    bad_rows.add(table.bad_rows(np.flatnonzero(unusable), "unusable weight", reason, shown="weight"))
    return table.filtered(~unusable)


def _rejected(table: Table) -> list[list[str]]:
    """The raw ids of the rejected items of every row; none where there is nothing."""
    import pyarrow

    column = table.columns["rejected"]
    types = pyarrow.types
    if types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type):
        return _of_lists(table, column)
    present = ~lacks_id(table, "rejected")
    texts: list[list[str]] = [[] for _ in range(len(table))]
    if present.any():
        given = _texts(table.filtered(present), "rejected")
        is_text = not types.is_integer(column.type) and not types.is_floating(column.type)
        mark = next((mark for mark in SEPARATORS if is_text and any(mark in text for text in given)), None)
        for row, text in zip(np.flatnonzero(present), given, strict=True):
            words = [text] if mark is None else [word.strip() for word in text.split(mark)]
            texts[row] = [word for word in words if word]
    return texts


def _of_lists(table: Table, column: pyarrow.ChunkedArray) -> list[list[str]]:
    import pyarrow
    import pyarrow.compute

    lengths: NDArray[np.int64] = np.concatenate(
        [pyarrow.compute.list_value_length(chunk).fill_null(0).to_numpy() for chunk in column.chunks]
    ).astype(np.int64)
    flat = pyarrow.table({"rejected": pyarrow.compute.list_flatten(column)})
    if not len(flat):
        return [[] for _ in lengths]
    inside = replace(table, columns=flat, records=np.repeat(np.arange(1, len(table) + 1), lengths), places=None)
    ids = _texts(inside, "rejected")
    ends = np.cumsum(lengths)
    return [ids[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _texts(table: Table, name: str) -> list[str]:
    ids = id_column(table, name)
    return [ids.distinct[code] for code in ids.codes]
