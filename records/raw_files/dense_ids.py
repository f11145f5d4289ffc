"""Raw ids of any text, numbered from 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
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
    return _without_unused(_encoded(table, name))


def lacks_id(table: Table, name: str) -> NDArray[np.bool_]:
    """Which rows have no id, or an empty one, in a column; bool ``[n]``."""
    missing = table.missing(name)
    if missing.all():
        return missing
    column = _encoded(table.filtered(~missing), name)
    empty = np.array([not raw for raw in column.distinct], bool)
    lacking = missing.copy()
    if empty.any():
        lacking[~missing] = empty[column.codes]
    return lacking


def _encoded(table: Table, name: str) -> IdColumn:
    import pyarrow

    column = table.columns[name]
    if pyarrow.types.is_floating(column.type):
        column = _whole_numbers(table, name)
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if not _can_be_ids(column.type.value_type):
        raise table.wrong_type(name, "text or whole numbers")
    encoded = column.unify_dictionaries().combine_chunks()
    try:
        distinct = encoded.dictionary.cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise InvalidInputError(f'{table.path}: column "{name}" holds text that is not UTF-8. Fix it.') from error
    return IdColumn(["" if raw is None else raw for raw in distinct], encoded.indices.to_numpy().astype(np.int64))


def _whole_numbers(table: Table, name: str) -> pyarrow.ChunkedArray:
    """A column of fractions as whole numbers, which pandas writes as fractions where some are missing."""
    import pyarrow

    values = table.columns[name].to_numpy().astype(np.float64)
    if not (np.abs(values) <= 2**53).all() or (values != np.floor(values)).any():
        raise table.wrong_type(name, "text or whole numbers")
    return pyarrow.chunked_array([values.astype(np.int64)])


def near_miss(interacted: Set[str], described: Set[str]) -> tuple[str, str] | None:
    """An id of interactions without features and one of features without interactions that look like the same.

    They do if they differ in spaces around them, zeros before a number, or the ``.0`` that pandas gives to whole
    numbers where some are missing.

    Returns:
        The id of the interactions and that of the features, or None.
    """
    lonely = {alike(raw): raw for raw in sorted(interacted - described)}
    pairs = ((lonely[alike(raw)], raw) for raw in sorted(described - interacted) if alike(raw) in lonely)
    return next(pairs, None) if lonely else None


def alike(raw: str) -> str:
    """What ids have in common that look like the same one; see :func:`near_miss`."""
    raw = raw.strip()
    number = raw.removesuffix(".0")
    return number.lstrip("0") or "0" if number.isdecimal() else raw


def differently_written(modality: str, interacted: str, described: str) -> InvalidInputError:
    """The error for two ids that :func:`near_miss` found."""
    return InvalidInputError(
        f'modality "{modality}": the interactions have item "{interacted}" where the features have "{described}"; '
        "neither id is in the other file. Write the same ids in both."
    )


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


def _without_unused(column: IdColumn) -> IdColumn:
    """The same column without ids that do not occur, as categories of Parquet may."""
    used = np.bincount(column.codes, minlength=len(column.distinct)) > 0
    if used.all():
        return column
    kept = [raw for raw, is_used in zip(column.distinct, used, strict=True) if is_used]
    return IdColumn(kept, (np.cumsum(used) - 1)[column.codes])


def _can_be_ids(value_type: object) -> bool:
    import pyarrow

    types = pyarrow.types
    checks = (
        types.is_integer,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
    )
    return any(check(value_type) for check in checks)
