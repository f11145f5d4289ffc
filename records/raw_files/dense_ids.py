"""Raw ids of any text, numbered from 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRows
from tf_metammf.records.raw_files.tables import Table

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class IdColumn:
    """A column of raw ids.

    Attributes:
        distinct: The raw ids that occur, each once.
        codes: Of every row, the position of its id in ``distinct``, int64 ``[n]``.
    """

    distinct: list[str]
    codes: NDArray[np.int64]

    def dense(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Of every row, the position of its id in ``ids``, which holds all of them; int64 ``[n]``."""
        return positions(self.distinct, ids)[self.codes]

    def without_unused(self) -> IdColumn:
        """The same column without ids that do not occur, as categories of Parquet may."""
        used = np.bincount(self.codes, minlength=len(self.distinct)) > 0
        if used.all():
            return self
        kept = [raw for raw, is_used in zip(self.distinct, used, strict=True) if is_used]
        return IdColumn(kept, (np.cumsum(used) - 1)[self.codes])


def positions(wanted: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    """Of every wanted id, its position in ``ids``, each of which is there once; -1 where it is not there."""
    import pyarrow
    import pyarrow.compute

    text = pyarrow.large_string()
    found = pyarrow.compute.index_in(pyarrow.array(wanted, text), value_set=pyarrow.array(ids, text))
    return found.fill_null(-1).to_numpy().astype(np.int64)


def id_column(table: Table, name: str) -> IdColumn:
    """Takes a column as raw ids.

    Args:
        table: A table.
        name: A column of text or whole numbers.

    Returns:
        The raw ids; a whole number is written in decimal, be it of a type for whole numbers or for fractions.

    Raises:
        InvalidInputError: An id is missing or empty, or the column has another type.
    """
    lacking = lacks_id(table, name)
    if lacking.any():
        raise table.bad_rows(np.flatnonzero(lacking)[:1], "no id", f'column "{name}" has no id')[0].error()
    return _encoded(table, name).without_unused()


def with_utf8(table: Table, name: str, bad_rows: BadRows) -> Table:
    """The rows whose id in a column of text is UTF-8, which neither Parquet nor bytes promise.

    Args:
        table: A table.
        name: The column.
        bad_rows: Takes the other rows.

    Raises:
        InvalidInputError: There are others, and they are not to be left out.
    """
    import pyarrow

    column = table.columns[name]
    if pyarrow.types.is_integer(column.type) or not _can_be_ids(column.type):
        return table
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    raw = encoded.dictionary.cast(pyarrow.large_binary())
    try:
        raw.cast(pyarrow.large_string())
        return table
    except pyarrow.ArrowInvalid:
        broken = np.array([value is not None and not _is_utf8(value) for value in raw.to_pylist()], bool)
    rows = np.zeros(len(table), bool)
    rows[~table.missing(name)] = broken[encoded.indices.drop_null().to_numpy()]
    reason = f'column "{name}" holds text that is not UTF-8'
    bad_rows.add(table.bad_rows(np.flatnonzero(rows), "not UTF-8", reason))
    return table.filtered(~rows)


def with_ids_of_items(table: Table, name: str, bad_rows: BadRows) -> Table:
    """The rows of a table of items that have an id in a column; see :func:`with_utf8`."""
    table = with_utf8(table, name, bad_rows)
    lacking = lacks_id(table, name)
    bad_rows.add(table.bad_rows(np.flatnonzero(lacking), "no item", f'column "{name}" has no id'))
    return table.filtered(~lacking)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def lacks_id(table: Table, name: str) -> NDArray[np.bool_]:
    """Which rows have no id, or one of nothing but spaces, in a column; bool ``[n]``."""
    return table.missing(name) | rows_with_id(table, name, is_blank)[0]


def is_blank(raw: str) -> bool:
    """Whether an id is nothing but spaces."""
    return not raw or raw.isspace()


def rows_with_id(table: Table, name: str, *conditions: Callable[[str], bool]) -> list[NDArray[np.bool_]]:
    """Which rows have an id in a column for which a condition holds; bool ``[n]`` for each condition."""
    given = ~table.missing(name)
    found = [np.zeros(len(table), bool) for _ in conditions]
    if given.any():
        column = _encoded(table.filtered(given), name)
        for rows, condition in zip(found, conditions, strict=True):
            holds = np.fromiter(map(condition, column.distinct), bool, len(column.distinct))
            if holds.any():
                rows[given] = holds[column.codes]
    return found


def _encoded(table: Table, name: str) -> IdColumn:
    import pyarrow

    column = table.columns[name]
    if pyarrow.types.is_floating(column.type):
        column = _whole_numbers(table, name)
    if not _can_be_ids(column.type):
        raise table.wrong_type(name, "text or whole numbers")
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    try:
        distinct = encoded.dictionary.cast(pyarrow.string()).to_pylist()
    except (pyarrow.ArrowInvalid, UnicodeDecodeError) as error:
        raise InvalidInputError(f'{table.path}: column "{name}" holds text that is not UTF-8. Fix it.') from error
    return IdColumn(["" if raw is None else raw for raw in distinct], encoded.indices.to_numpy().astype(np.int64))


def _whole_numbers(table: Table, name: str) -> pyarrow.ChunkedArray:
    """A column of fractions as whole numbers, which pandas writes as fractions where some are missing."""
    import pyarrow

    values = table.columns[name].to_numpy().astype(np.float64)
    if not (np.abs(values) <= 2**53).all() or (values != np.floor(values)).any():
        raise table.wrong_type(name, "text or whole numbers")
    return pyarrow.chunked_array([values.astype(np.int64)])


def in_order(ids: Iterable[str]) -> list[str]:
    """Distinct raw ids in an order that depends on nothing but the ids.

    Numerically if all of them are decimal numbers without sign ("9" before "10", and "07"
    before "7"), else by code point.
    """
    import pyarrow
    import pyarrow.compute

    distinct = pyarrow.array(set(ids), pyarrow.large_string())
    if pyarrow.compute.all(pyarrow.compute.ascii_is_decimal(distinct)).as_py():
        digits = pyarrow.compute.ascii_ltrim(distinct, "0")
        keys = {"length": pyarrow.compute.binary_length(digits), "digits": digits, "raw": distinct}
    else:
        keys = {"raw": distinct}  # bytes of UTF-8 are in the order of their code points
    order = pyarrow.compute.sort_indices(pyarrow.table(keys), [(key, "ascending") for key in keys])
    return list(distinct.take(order).to_pylist())


def _can_be_ids(column_type: pyarrow.DataType) -> bool:
    import pyarrow

    types = pyarrow.types
    value_type = column_type.value_type if types.is_dictionary(column_type) else column_type
    checks = (
        types.is_integer,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
    )
    return any(check(value_type) for check in checks)
