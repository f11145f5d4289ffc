"""Interactions in ``.npy`` files: pairs, lists of a user and items, or a dictionary from user to items."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_files.restricted_pickle import load_object_array

_NO_ITEMS = np.zeros(0, np.int64)
_LARGEST_NUMBER = 10**9
_LARGEST_USER = 10**6
"""A larger number is taken for a mistake unless there are users enough for it."""


@dataclass(frozen=True)
class UserItemPairs:
    """Interactions of one file.

    Attributes:
        path: The file, for messages.
        users: Number of users: all numbers up to the largest one, those without items included.
        user: int64 ``[n]``.
        item: int64 ``[n]``, as the file numbers them.
    """

    path: Path
    users: int
    user: NDArray[np.int64]
    item: NDArray[np.int64]


def read_dictionary(path: Path) -> UserItemPairs:
    """Reads a pickled dictionary from user to items.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, asks for code, or holds something else.
    """
    array = load_object_array(path)
    content = array.item() if array.shape == () else array
    if not isinstance(content, dict) or not all(_is_collection(items) for items in content.values()):
        raise InvalidInputError(f"{path}: expected a dictionary from user to a list of items. Write it again.")
    return _of_dictionary(content, path)


def read_pairs(path: Path) -> UserItemPairs:
    """Reads numbers ``[n, 2]`` of user and item, lists of a user and items, or a dictionary from user to items.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, asks for code, or holds something else.
    """
    array = load_object_array(path)
    content = array.item() if array.shape == () else array
    if isinstance(content, dict) and all(_is_collection(items) for items in content.values()):
        return _of_dictionary(content, path)
    rows = list(array) if array.ndim in (1, 2) else []
    if len(array.shape) == 0 or not all(_is_collection(row) and len(row) for row in rows):
        raise InvalidInputError(
            f"{path}: expected rows of a user and items, numbers [n, 2] or a list for every user. Write it again."
        )
    if array.ndim == 2 and array.dtype.kind in "iu":  # all at once, as there may be millions
        user, item = np.repeat(array[:, 0], array.shape[1] - 1), array[:, 1:].reshape(-1)
    else:
        user = np.repeat(np.array([row[0] for row in rows], object), [len(row) - 1 for row in rows])
        item = np.array([number for row in rows for number in list(row)[1:]], object)
    if not len(item):
        raise InvalidInputError(f"{path}: has no items. Fetch or write the file again.")
    of_users = _numbers(user, "user", path)
    return UserItemPairs(path, _count_users(np.unique(of_users), path), of_users, _numbers(item, "item", path))


def _of_dictionary(content: dict[Any, Any], path: Path) -> UserItemPairs:
    # A set has no order of its own, and the order decides the splits.
    item_of = [_numbers(list(items), "item", path) if len(items) else _NO_ITEMS for items in content.values()]
    lists = [
        np.sort(items) if isinstance(given, set | frozenset) else items
        for items, given in zip(item_of, content.values(), strict=True)
    ]
    if not any(len(items) for items in lists):
        raise InvalidInputError(f"{path}: has no items. Fetch or write the file again.")
    user = _numbers(list(content), "user", path)
    pairs = np.repeat(user, [len(items) for items in lists])
    return UserItemPairs(path, _count_users(user, path), pairs, np.concatenate(lists))


def _count_users(distinct: NDArray[np.int64], path: Path) -> int:
    if distinct.max() > max(_LARGEST_USER, 10 * len(distinct)):
        raise InvalidInputError(
            f"{path}: has the user {distinct.max()}; every number up to the largest is a user, and it lists "
            f"{len(distinct)}. Number the users from 0 without gaps."
        )
    return int(distinct.max()) + 1


def _is_collection(items: object) -> bool:
    if isinstance(items, np.ndarray):
        return items.ndim == 1
    return isinstance(items, Collection) and not isinstance(items, str | bytes | dict)


def _numbers(values: list[Any] | NDArray[Any], kind: str, path: Path) -> NDArray[np.int64]:
    """The same numbers, int64 ``[n]``."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        for value in values:
            if not isinstance(value, int | np.integer) or isinstance(value, bool):
                shown = value.item() if isinstance(value, np.generic) else value
                raise InvalidInputError(f"{path}: has the {kind} {shown!r}, expected whole numbers. Write it again.")
    smallest, largest = (values.min(), values.max()) if isinstance(values, np.ndarray) else (min(values), max(values))
    for value in (smallest, largest):
        if not 0 <= value <= _LARGEST_NUMBER:
            raise InvalidInputError(
                f"{path}: has the {kind} {value}, expected 0 to {_LARGEST_NUMBER}. Number the {kind}s from 0."
            )
    return np.array(values, np.int64)
