"""Features of items in the columns of a table: one list a row, or many numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.dense_ids import id_column
from tf_metammf.records.raw_files.input_files import one_line
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.tables import Table, is_number, listed
from tf_metammf.records.raw_files.token_columns import token_columns, token_rows
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.value_ranges import ValueRanges

if TYPE_CHECKING:
    import pyarrow

TOKEN_SEPARATORS = ("|", ";", ",")
MOST_TOKENS = 2**14


def features_from_table(table: Table, item_column: str, feature_columns: Sequence[str]) -> NamedFeatures:
    """Takes features from a table of items.

    Args:
        table: One row an item.
        item_column: The column of the raw item ids.
        feature_columns: One column of lists (in a text file, numbers with spaces, commas or
            semicolons between, in brackets or not), or one column of numbers for every value; or a column of lists of
            lists, which are token sequences, maybe with one of the times of tokens.

    Returns:
        The features of all items that have a list, or at least one number.

    Raises:
        InvalidInputError: A column holds something else, lists differ in length, an item occurs
            twice, or no item has features.
    """
    if not len(table):
        raise no_features(table.path, feature_columns)
    ids, features, ranges = feature_rows(table, item_column, feature_columns)
    if not ids:
        raise no_features(table.path, feature_columns)
    ranges.require_distinct(str(table.path), () if isinstance(features, TokenArrays) else feature_columns)
    return NamedFeatures(ids, features, str(table.path))


def feature_rows(
    table: Table, item_column: str, feature_columns: Sequence[str]
) -> tuple[list[str], NDArray[np.float32] | TokenArrays, ValueRanges]:
    """Takes features from some rows of a table of items, at least one; see :func:`features_from_table`.

    Returns:
        The raw ids of all items that have features here, float32 ``[rows, width]`` or token sequences, and the ranges
        of the values before they were float32.

    Raises:
        InvalidInputError: A column holds something else, or lists differ in length.
    """
    features: NDArray[np.float32] | TokenArrays
    if (sequences := token_columns(table, feature_columns)) is not None:
        present, features, ranges = token_rows(table, item_column, *sequences)
    elif len(feature_columns) == 1 and not is_number(table.columns[feature_columns[0]].type):
        present, features, ranges = _lists(table, feature_columns[0], item_column)
    else:
        present, features, ranges = _numbers(table, feature_columns)
    ids = id_column(table, item_column)
    return [ids.distinct[code] for code in ids.codes[present]], features, ranges


def multi_hot_from_table(
    table: Table, item_column: str, name: str, *, separators: Sequence[str] = ()
) -> tuple[NamedFeatures, list[str]]:
    """Takes words as features: value j is 1 where the item has the j-th word.

    Args:
        table: One row an item.
        item_column: The column of the raw item ids.
        name: A column of text, or of lists of text.
        separators: What may stand between words: the first one that occurs does; by default white space.

    Returns:
        The features of all items that have a word, and all words in alphabetical order.

    Raises:
        InvalidInputError: No item has a word, an item occurs twice, the column holds something else, or there are more
            than :data:`MOST_TOKENS` words.
    """
    words_of_row = _words(table, name, separators)
    vocabulary = sorted({word for row in words_of_row for word in row})
    if not vocabulary:
        raise no_features(table.path, [name])
    if len(vocabulary) > MOST_TOKENS:
        raise InvalidInputError(
            f'{table.path}: column "{name}" holds {len(vocabulary):,} different words, such as "{vocabulary[0]}"; '
            f"at most {MOST_TOKENS:,} become features, a value each. Choose a column of categories."
        )
    position = {word: place for place, word in enumerate(vocabulary)}
    features = np.zeros((len(table), len(vocabulary)), np.float32)
    for row, row_words in enumerate(words_of_row):
        features[row, [position[word] for word in row_words]] = 1
    present = features.any(axis=1)
    ids = id_column(table, item_column)
    named = NamedFeatures([ids.distinct[code] for code in ids.codes[present]], features[present], str(table.path))
    return named, vocabulary


def _words(table: Table, name: str, separators: Sequence[str]) -> list[list[str]]:
    import pyarrow

    column = table.columns[name]
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type) and not (_is_list(column.type) and _is_text(column.type.value_type)):
        raise table.wrong_type(name, "text")
    rows = column.to_pylist()
    if _is_text(column.type):
        separator = next((mark for mark in separators if any(mark in text for text in rows if text)), None)
        rows = [[text] if separators and separator is None else (text or "").split(separator) for text in rows]
    return [[word.strip() for word in row or () if word and word.strip()] for row in rows]


def _numbers(table: Table, names: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.float32], ValueRanges]:
    """Which rows have any value, the values of these as ``[rows, width]``, and their ranges."""
    absent = np.all([table.columns[name].is_null().to_numpy() for name in names], axis=0)
    features = np.stack([table.numbers(name) for name in names], axis=1)
    ranges = [ValueRanges.of(_exact(table.columns[name])[:, np.newaxis]) for name in names]
    least, most = (np.concatenate([getattr(of_name, side) for of_name in ranges]) for side in ("least", "most"))
    return ~absent, features[~absent], ValueRanges(least, most)


def _exact(numbers: pyarrow.Array) -> NDArray[np.generic]:
    """Numbers in a type that holds them as exactly as float64 does."""
    import pyarrow

    if not (pyarrow.types.is_float16(numbers.type) or pyarrow.types.is_float32(numbers.type)):
        numbers = numbers.cast(pyarrow.float64(), safe=False)
    return numbers.to_numpy(zero_copy_only=False)


def _lists(table: Table, name: str, item_column: str) -> tuple[NDArray[np.bool_], NDArray[np.float32], ValueRanges]:
    """Which rows have a list, the lists of these as ``[rows, width]``, and the ranges of their values."""
    import pyarrow.compute

    # Chunk by chunk, as all features together may be more than one Arrow array can hold.
    _require_one_reading(table, name)
    chunks = [_split_text(chunk) if _is_text(chunk.type) else chunk for chunk in table.columns[name].chunks]
    if not all(_is_list(chunk.type) for chunk in chunks):
        raise table.wrong_type(name, "numbers or lists of numbers")
    lengths = np.concatenate([pyarrow.compute.list_value_length(chunk).fill_null(0).to_numpy() for chunk in chunks])
    present = lengths > 0
    width = int(lengths.max(initial=0))
    if (lengths[present] != width).any():
        row = int(np.argmax(present & (lengths != width)))
        raise InvalidInputError(
            f'{table.path}: column "{name}" has {lengths[row]} values for item '
            f'"{table.columns[item_column][row].as_py()}", others have {width}. Fix the record.'
        )
    parts = [_flattened(chunk, width, table=table, name=name) for chunk in chunks]
    values = np.concatenate([values for values, _ in parts])
    ranges = ValueRanges.of(np.empty((0, width)))
    for _, of_part in parts:
        ranges = ranges.joined(of_part)
    return present, values, ranges


def _flattened(lists: pyarrow.Array, width: int, *, table: Table, name: str) -> tuple[NDArray[np.float32], ValueRanges]:
    """The values of lists of one width as ``[rows, width]``, and their ranges."""
    import pyarrow
    import pyarrow.compute

    flat = pyarrow.compute.list_flatten(lists)
    try:
        numbers, exact = flat.cast(pyarrow.float32(), safe=False), _exact(flat)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise InvalidInputError(
            f'{table.path}: column "{name}" does not hold numbers ({one_line(error)}). Fix the column.'
        ) from error
    ranges = ValueRanges.of(exact.reshape(-1, width or 1)[:, :width])
    return numbers.to_numpy(zero_copy_only=False).reshape(-1, width or 1)[:, :width], ranges


def _require_one_reading(table: Table, name: str) -> None:
    """Refuses lists in text whose commas may be decimal points: "1,5 2,5", or "1,5" in every row."""
    import pyarrow.compute

    column = table.columns[name]
    if not _is_text(column.type):
        return
    filled = column.filter(pyarrow.compute.fill_null(pyarrow.compute.match_substring_regex(column, r"\S"), False))
    commas = pyarrow.compute.match_substring_regex(filled, r"[0-9]\s*,")
    others = pyarrow.compute.match_substring_regex(filled, r"[^\s,;]\s*;|[^\s,;\[(]\s+[^\s,;\])]")
    both = pyarrow.compute.and_(commas, others).to_numpy()
    pair = pyarrow.compute.match_substring_regex(filled, r"^\s*[+-]?[0-9]+,[0-9]+\s*$").to_numpy()
    if both.any() or (len(pair) and pair.all()):
        value = filled[int(np.argmax(both))].as_py()
        raise InvalidInputError(
            f'{table.path}: column "{name}" has "{" ".join(value.split())}", whose commas may divide values or be '
            'decimal points. Write decimal points as ".", and lists as "[1, 5]".'
        )


def _split_text(text: pyarrow.Array) -> pyarrow.Array:
    """Splits "[1, 2]", "1;2" and "1 2" alike; an empty text becomes an empty list."""
    import pyarrow.compute

    spaced = pyarrow.compute.replace_substring_regex(text, pattern=r"[\[\](),;\s]+", replacement=" ")
    trimmed = pyarrow.compute.utf8_trim_whitespace(spaced)
    empty = pyarrow.compute.equal(trimmed, "")
    return pyarrow.compute.if_else(empty, None, pyarrow.compute.split_pattern(trimmed, " "))


def _is_list(column_type: pyarrow.DataType) -> bool:
    import pyarrow

    types = pyarrow.types
    return bool(types.is_list(column_type) or types.is_large_list(column_type) or types.is_fixed_size_list(column_type))


def _is_text(column_type: pyarrow.DataType) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_string(column_type) or pyarrow.types.is_large_string(column_type))


def no_features(path: Path, names: Sequence[str], *, most: int = 3) -> InvalidInputError:
    """The error for a table in which no item has features."""
    return InvalidInputError(
        f"{path}: no item has a value in {listed(names, most=most)}. Fill the column or leave it out."
    )
