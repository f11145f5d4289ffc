"""Interactions in ``.npy`` files: pairs, lists of a user and items, or a dictionary from user to items."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import BadRow, BadRows
from tf_metammf.records.raw_files.restricted_pickle import load_object_array

_LARGEST_NUMBER = 10**9
_LARGEST_USER = 10**6
"""A larger number is taken for a mistake unless there are users enough for it."""


_Wrong = dict[int, tuple[str, str]]
"""By row, the kind of what is wrong and what it is; see :class:`BadRow`."""


@dataclass(frozen=True)
class UserItemPairs:
    """Interactions of one file.

    Attributes:
        path: The file, for messages.
        users: Number of users: all numbers up to the largest one, those without items included.
        user: int64 ``[n]``.
        item: int64 ``[n]``, as the file numbers them.
        record: Place of each among the pairs of the file, from 1, int64 ``[n]``.
    """

    path: Path
    users: int
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    record: NDArray[np.int64]

    def without(self, rows: NDArray[np.bool_], bad_rows: BadRows, *, kind: str, reason: str) -> "UserItemPairs":
        """The other pairs.

        Args:
            rows: Which to leave out, bool ``[n]``.
            bad_rows: Takes these.
            kind: See :class:`BadRow`.
            reason: What is wrong with them; ``{}`` stands for the item.

        Raises:
            InvalidInputError: They are not to be left out, or no pair remains.
        """
        left_out = zip(self.record[rows].tolist(), self.user[rows].tolist(), self.item[rows].tolist(), strict=True)
        bad_rows.add(
            BadRow(self.path, record, kind, reason.replace("{}", str(item)), f"{user},{item}")
            for record, user, item in left_out
        )
        if rows.all():
            raise bad_rows.none_left(self.path)
        kept = ~rows
        return replace(self, user=self.user[kept], item=self.item[kept], record=self.record[kept])


def read_dictionary(path: Path, bad_rows: BadRows) -> UserItemPairs:
    """Reads a pickled dictionary from user to items.

    Args:
        path: The file.
        bad_rows: What to do with pairs that are not two possible numbers.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, asks for code, or holds something else.
    """
    array = load_object_array(path)
    content = array.item() if array.shape == () else array
    if not isinstance(content, dict) or not all(_is_collection(items) for items in content.values()):
        raise InvalidInputError(f"{path}: expected a dictionary from user to a list of items. Write it again.")
    return _of_dictionary(content, path, bad_rows)


def read_pairs(path: Path, bad_rows: BadRows) -> UserItemPairs:
    """Reads numbers ``[n, 2]`` of user and item, lists of a user and items, or a dictionary from user to items.

    Args:
        path: The file.
        bad_rows: What to do with pairs that are not two possible numbers.

    Raises:
        InvalidInputError: The file is missing, empty or damaged, asks for code, or holds something else.
    """
    array = load_object_array(path)
    content = array.item() if array.shape == () else array
    if isinstance(content, dict) and all(_is_collection(items) for items in content.values()):
        return _of_dictionary(content, path, bad_rows)
    rows = list(array) if array.ndim in (1, 2) else []
    if len(array.shape) == 0 or not all(_is_collection(row) and len(row) for row in rows):
        raise InvalidInputError(
            f"{path}: expected rows of a user and items, numbers [n, 2] or a list for every user. Write it again."
        )
    if array.ndim == 2 and array.dtype.kind in "iu":  # all at once, as there may be millions
        user, item = np.repeat(array[:, 0], array.shape[1] - 1), array[:, 1:].reshape(-1)
        return _pairs(user, item, path, bad_rows)
    listed = [list(row) for row in rows]
    users = [row[0] for row in listed for _ in row[1:]]
    return _pairs(users, [number for row in listed for number in row[1:]], path, bad_rows)


def _of_dictionary(content: dict[Any, Any], path: Path, bad_rows: BadRows) -> UserItemPairs:
    # A set has no order, and the order decides the splits.
    lists = [sorted(items, key=_order) if isinstance(items, set | frozenset) else items for items in content.values()]
    users = [user for user, items in zip(content, lists, strict=True) for _ in items]
    without_items = [user for user, items in zip(content, lists, strict=True) if not len(items)]
    return _pairs(users, [item for items in lists for item in items], path, bad_rows, alone=without_items)


def _pairs(
    user: Sequence[Any] | NDArray[Any],
    item: Sequence[Any] | NDArray[Any],
    path: Path,
    bad_rows: BadRows,
    *,
    alone: Sequence[Any] = (),
) -> UserItemPairs:
    """Pairs of two possible numbers; ``alone`` are users without items."""
    if not len(item):
        raise InvalidInputError(f"{path}: has no items. Fetch or write the file again.")
    every_user = [*user, *alone] if len(alone) else user
    users, wrong_users = _numbers(every_user, "user")
    items, wrong_items = _numbers(item, "item")
    wrong = {**_beyond_all_users(users), **wrong_items, **wrong_users}
    bad_rows.add(
        BadRow(
            path,
            row + 1,
            *wrong[row],
            ",".join(_shown(values[row]) for values in (every_user, item)[: 1 + (row < len(item))]),
        )
        for row in sorted(wrong)
    )
    sound = np.ones(len(users), bool)
    sound[list(wrong)] = False
    kept = np.flatnonzero(sound[: len(items)])
    if not len(kept):
        raise bad_rows.none_left(path)
    return UserItemPairs(path, int(users[sound].max()) + 1, users[kept], items[kept], kept + 1)


def _beyond_all_users(users: NDArray[np.int64]) -> _Wrong:
    """Users whose numbers are too large to be numbers of users, as every number up to the largest is one."""
    distinct = len(np.unique(users))
    reason = (
        "has the user {}; every number up to the largest is a user, and it lists "
        f"{distinct}. Number the users from 0 without gaps"
    )
    rows = np.flatnonzero(users > max(_LARGEST_USER, 10 * distinct)).tolist()
    return {row: ("user out of range", reason.replace("{}", str(users[row]))) for row in rows}


def _is_collection(items: object) -> bool:
    if isinstance(items, np.ndarray):
        return items.ndim == 1
    return isinstance(items, Collection) and not isinstance(items, str | bytes | dict)


def _numbers(values: Sequence[Any] | NDArray[Any], role: str) -> tuple[NDArray[np.int64], _Wrong]:
    """The same numbers, int64 ``[n]``, and those that are none or out of range, which are 0 there."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        wrong = (values < 0) | (values > _LARGEST_NUMBER)
    else:
        wrong = np.array([not (_is_whole(value) and 0 <= value <= _LARGEST_NUMBER) for value in values], bool)
    if not wrong.any():
        return np.array(values, np.int64), {}
    numbers = np.array([0 if bad else value for value, bad in zip(values, wrong, strict=True)], np.int64)
    return numbers, {row: _reason(role, values[row]) for row in np.flatnonzero(wrong).tolist()}


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _reason(role: str, value: object) -> tuple[str, str]:
    """Kind of a bad row, and what is wrong."""
    if not _is_whole(value):
        return f"{role} is not a number", f"has the {role} {_shown(value)}, expected whole numbers"
    return f"{role} out of range", f"has the {role} {value}, expected 0 to {_LARGEST_NUMBER}. Number the {role}s from 0"


def _shown(value: object) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _order(value: object) -> tuple[bool, Any]:
    """Numbers in their order, then everything else."""
    return (False, value) if _is_whole(value) else (True, repr(value))
