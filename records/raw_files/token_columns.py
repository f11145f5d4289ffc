"""Token sequences of items in files: lists of lists in the columns of a table, or arrays end to end in an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.input_files import one_line
from tf_metammf.records.raw_files.tables import Table, listed
from tf_metammf.records.token_arrays import TokenArrays, in_order
from tf_metammf.records.value_ranges import ValueRanges

if TYPE_CHECKING:
    import pyarrow

LENGTHS = "lengths"
"""The array of an archive that has the number of tokens of each item."""

_TIMES = ("times", "time", "timestamps", "seconds")


def token_columns(table: Table, columns: Sequence[str]) -> tuple[str, str | None] | None:
    """The column of lists of lists among those of features, and that of the times; None where there are no such lists.

    Args:
        table: One row an item.
        columns: Columns of features: one of lists of lists alone, or with one of times.
    """
    nested = [name for name in columns if _is_nested(table.columns[name].type)]
    others = [name for name in columns if name not in nested]
    if len(nested) != 1 or len(others) > 1 or (others and others[0].lower() not in _TIMES):
        return None
    return nested[0], others[0] if others else None


def token_rows(
    table: Table, item_column: str, values: str, times: str | None
) -> tuple[NDArray[np.bool_], TokenArrays, ValueRanges]:
    """Which rows have tokens, the sequences of these, and the ranges of their values before they were float32.

    Raises:
        InvalidInputError: A token is of another width than the others, is no list of numbers, or lacks a time.
    """
    import pyarrow.compute

    chunks = table.columns[values].chunks
    lengths = np.concatenate([pyarrow.compute.list_value_length(chunk).fill_null(0).to_numpy() for chunk in chunks])
    present = lengths > 0
    parts, widths = [], []
    for chunk in chunks:
        tokens = pyarrow.compute.list_flatten(chunk)
        widths.append(pyarrow.compute.list_value_length(tokens).fill_null(0).to_numpy())
        parts.append(_numbers(table, values, pyarrow.compute.list_flatten(tokens)))
    of_token = np.concatenate(widths)
    width = int(of_token.max(initial=0))
    if (of_token != width).any():
        row = int(np.repeat(np.arange(len(lengths)), lengths)[np.argmax(of_token != width)])
        raise InvalidInputError(
            f'{table.path}: column "{values}" has a token of {of_token[of_token != width][0]} values for item '
            f'"{table.columns[item_column][row].as_py()}", others have {width}. Fix the record.'
        )
    exact = np.concatenate(parts).reshape(-1, max(width, 1))
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused when it is written
        numbers = exact.astype(np.float32, copy=False)
    moments = None if times is None else _times(table, item_column, times, lengths)
    return present, in_order(numbers, lengths[present].astype(np.int64), moments), ValueRanges.of(exact)


def tokens_of_archive(path: Path, arrays: Mapping[str, NDArray[Any]], item: str) -> TokenArrays:
    """Token sequences in the arrays of an archive: ``lengths [items]``, a matrix ``[tokens, width]``, maybe times.

    Args:
        path: The file, for messages.
        arrays: Its arrays by name.
        item: The array of the raw item ids.

    Raises:
        InvalidInputError: There are other arrays, or they do not fit each other.
    """
    others = [name for name in arrays if name not in (item, LENGTHS)]
    named = [name for name in others if name.lower() in _TIMES]
    matrices = [name for name in others if name not in named]
    if len(matrices) != 1 or len(named) > 1:
        raise InvalidInputError(
            f"{path}: has the arrays {listed(list(arrays))}; expected item ids, lengths, one matrix of tokens, and "
            "times at most. Write it again."
        )
    values, lengths = arrays[matrices[0]], arrays[LENGTHS]
    times = arrays[named[0]] if named else None
    fits = (
        lengths.ndim == 1
        and lengths.dtype.kind in "iu"
        and values.ndim == 2
        and values.shape[1] > 0
        and values.dtype.kind in "fiu"
        and (lengths >= 0).all()
        and int(lengths.sum()) == len(values)
        and (times is None or (times.shape == (len(values),) and times.dtype.kind in "fiu"))
        and (times is None or bool(np.isfinite(times).all()))
    )
    if not fits:
        shapes = ", ".join(f"{name} {arrays[name].dtype} {list(arrays[name].shape)}" for name in (LENGTHS, *others))
        raise InvalidInputError(
            f"{path}: has {shapes}; expected numbers [tokens, width], lengths [items], whole numbers that add up to "
            "the tokens, and finite times [tokens]. Write it again."
        )
    return in_order(values, lengths.astype(np.int64), times)


def _times(table: Table, item_column: str, name: str, lengths: NDArray[np.integer]) -> NDArray[np.float64]:
    import pyarrow.compute

    chunks = table.columns[name].chunks
    if not all(_is_list(chunk.type) for chunk in chunks):
        raise table.wrong_type(name, "lists of seconds")
    found = np.concatenate([pyarrow.compute.list_value_length(chunk).fill_null(0).to_numpy() for chunk in chunks])
    if (found != lengths).any():
        row = int(np.argmax(found != lengths))
        raise InvalidInputError(
            f'{table.path}: column "{name}" has {found[row]} times for the {lengths[row]} tokens of item '
            f'"{table.columns[item_column][row].as_py()}". Fix the record.'
        )
    times = np.concatenate([_numbers(table, name, pyarrow.compute.list_flatten(chunk)) for chunk in chunks])
    if not np.isfinite(times).all():
        row = int(np.repeat(np.arange(len(lengths)), lengths)[np.argmax(~np.isfinite(times))])
        raise InvalidInputError(
            f'{table.path}: column "{name}" has times that are not finite for item '
            f'"{table.columns[item_column][row].as_py()}". Fix the record.'
        )
    return times.astype(np.float64)


def _numbers(table: Table, name: str, flat: pyarrow.Array) -> NDArray[Any]:
    """Numbers in their own type of floats, other ones as float64; a null is NaN."""
    import pyarrow

    types = pyarrow.types
    try:
        if not (types.is_float16(flat.type) or types.is_float32(flat.type) or types.is_float64(flat.type)):
            flat = flat.cast(pyarrow.float64(), safe=False)
        return np.asarray(flat.to_numpy(zero_copy_only=False))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise InvalidInputError(
            f'{table.path}: column "{name}" does not hold numbers ({one_line(error)}). Fix the column.'
        ) from error


def _is_nested(column_type: pyarrow.DataType) -> bool:
    return _is_list(column_type) and _is_list(column_type.value_type)


def _is_list(column_type: pyarrow.DataType) -> bool:
    import pyarrow

    types = pyarrow.types
    return bool(types.is_list(column_type) or types.is_large_list(column_type) or types.is_fixed_size_list(column_type))
