"""Raw ids of any text, numbered from 0."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.tables import Table


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
        The raw ids; a whole number is written in decimal.

    Raises:
        InvalidInputError: An id is missing or empty, or the column has another type.
    """
    import pyarrow

    column = table.complete(name)
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if not _can_be_ids(column.type.value_type):
        raise table.wrong_type(name, "text or whole numbers")
    encoded = column.unify_dictionaries().combine_chunks()
    try:
        distinct = encoded.dictionary.cast(pyarrow.string()).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise InvalidInputError(f'{table.path}: column "{name}" holds text that is not UTF-8. Mend it.') from error
    codes = encoded.indices.to_numpy().astype(np.int64)
    for position in (position for position, raw in enumerate(distinct) if not raw):
        if (codes == position).any():
            row = int(np.argmax(codes == position))
            raise InvalidInputError(f'{table.path}: column "{name}" has no id in record {row + 1}. Mend the record.')
    return _without_unused(IdColumn(distinct, codes))


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
