"""Methods of splitting: the split of every interaction, at random, by time, or by item."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, RawData

if TYPE_CHECKING:
    from tf_metammf.records.splitting import Splitting

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))


def _random(data: RawData, splitting: Splitting, generator: np.random.Generator) -> NDArray[np.int8]:
    """Split of every interaction, at random per user."""
    return _random_per_user(data.interactions.user, splitting, generator)


def _random_per_user(user: NDArray[np.int64], splitting: Splitting, generator: np.random.Generator) -> NDArray[np.int8]:
    place, count = places_of_users(user, generator.permutation(len(user)))
    offset = generator.random(int(user.max(initial=-1)) + 1)[user]
    return random_labels(place, count, offset, splitting)


def random_labels(
    place: NDArray[np.int64], count: NDArray[np.int64], offset: NDArray[np.float64], splitting: Splitting
) -> NDArray[np.int8]:
    """Split of every interaction by its place, at random, among the ``count`` of its user; see :class:`Splitting`.

    One offset a user for both bounds (systematic rounding): of n interactions, validation gets ``validation * n``
    rounded up or down and test likewise, each right on average, and together they never take more than
    ``(validation + test) * n`` rounded up.

    Args:
        place: int64 ``[n]``, from 0.
        count: int64 ``[n]``.
        offset: float64 ``[n]``, at least 0 and below 1, the same for all interactions of a user.
        splitting: The shares.

    Returns:
        Positions in ``SPLITS``, int8 ``[n]``.
    """
    held_out = np.minimum(np.floor((splitting.validation + splitting.test) * count + offset), count - 1)
    validation = np.floor(splitting.validation * count + offset)
    split_of = np.full(len(place), _TRAIN, np.int8)
    split_of[place < held_out] = _TEST
    split_of[place < np.minimum(validation, held_out)] = _VALIDATION
    return split_of


def _leave_last_out(data: RawData, splitting: Splitting, generator: np.random.Generator) -> NDArray[np.int8]:
    """Split of every interaction: each user's last ones are held out."""
    del generator
    order = np.argsort(_timestamps(data, "leave_last_out"), kind="stable")
    return last_labels(*places_of_users(data.interactions.user, order), splitting)


def last_labels(place: NDArray[np.int64], count: NDArray[np.int64], splitting: Splitting) -> NDArray[np.int8]:
    """Split of every interaction by its place in time among the ``count`` of its user; see :class:`Splitting`.

    Args:
        place: int64 ``[n]``, from 0.
        count: int64 ``[n]``.
        splitting: The shares.

    Returns:
        Positions in ``SPLITS``, int8 ``[n]``.
    """
    from_last = count - 1 - place
    test = int(splitting.test > 0)
    validation = int(splitting.validation > 0)
    split_of = np.full(len(place), _TRAIN, np.int8)
    split_of[(from_last < test + validation) & (place > 0)] = _VALIDATION
    split_of[(from_last < test) & (place > 0)] = _TEST
    return split_of


def _time(data: RawData, splitting: Splitting, generator: np.random.Generator) -> NDArray[np.int8]:
    """Split of every interaction, by its place in time among all."""
    del generator
    order = np.argsort(_timestamps(data, "time"), kind="stable")
    validation, test = first_held_out(len(order), splitting)
    split_of = np.full(len(order), _TRAIN, np.int8)
    split_of[order[validation:]] = _VALIDATION
    split_of[order[test:]] = _TEST
    return split_of


def first_held_out(count: int, splitting: Splitting) -> tuple[int, int]:
    """Places in time at which validation and test begin among all ``count`` interactions."""
    held_out = round((splitting.validation + splitting.test) * count)
    return count - held_out, count - round(splitting.test * count)


def _cold_start(data: RawData, splitting: Splitting, generator: np.random.Generator) -> NDArray[np.int8]:
    """Split of every interaction: those of cold items are held out, the others random per user."""
    split_of_item = cold_labels(_possible_cold_items(data), len(data.item_ids), splitting, generator)
    split_of = split_of_item[data.interactions.item]
    warm = np.flatnonzero(split_of == _TRAIN)
    split_of[warm] = _random_per_user(data.interactions.user[warm], splitting, generator)
    return split_of


def cold_labels(
    candidates: NDArray[np.int64], items: int, splitting: Splitting, generator: np.random.Generator
) -> NDArray[np.int8]:
    """Split of every item, position in ``SPLITS``, int8 ``[items]``: of cold items validation or test, else train.

    Args:
        candidates: Items that may be cold, ascending.
        items: Number of all items.
        splitting: The shares.
        generator: Draws the cold items.

    Raises:
        InvalidInputError: Neither validation nor test has a share.
    """
    share_held_out = splitting.validation + splitting.test
    if share_held_out == 0:
        raise InvalidInputError(
            'splitting method "cold_start": validation and test are both 0, so cold items have nowhere to go. '
            "Give at least one of them a share."
        )
    cold = generator.permutation(candidates)[: round(splitting.cold_items * len(candidates))]
    split_of_item = np.full(items, _TRAIN, np.int8)
    split_of_item[cold] = _TEST
    split_of_item[cold[: round(splitting.validation / share_held_out * len(cold))]] = _VALIDATION
    return split_of_item


def _possible_cold_items(data: RawData) -> NDArray[np.int64]:
    """Items with interactions and, where there are modalities, with features to know them by."""
    possible = np.zeros(len(data.item_ids), bool)
    possible[data.interactions.item] = True
    if data.modalities:
        possible &= np.any([modality.present for modality in data.modalities.values()], axis=0)
    return np.flatnonzero(possible)


def places_of_users(user: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every interaction, its place among those of its user, in a given order, and their number.

    Args:
        user: int64 ``[n]``.
        order: All rows in the order of the places, int64 ``[n]``.

    Returns:
        Places from 0, int64 ``[n]``, and numbers of interactions, int64 ``[n]``.
    """
    # User and position in one number, because numbers are sorted several times faster than rows.
    bits = len(user).bit_length()
    keys = np.sort((user[order] << bits) | np.arange(len(user)))
    by_user = order[keys & ((1 << bits) - 1)]
    count = np.bincount(user)
    first = np.cumsum(count) - count
    place = np.empty(len(user), np.int64)
    place[by_user] = np.arange(len(user)) - first[keys >> bits]
    return place, count[user]


def _timestamps(data: RawData, method: str) -> NDArray[np.int64]:
    if data.interactions.timestamp is None:
        raise InvalidInputError(
            f'splitting method "{method}" needs timestamps, and {data.name} has none. Name their column with the '
            'source\'s options, or choose "random" or "cold_start".'
        )
    return data.interactions.timestamp


METHODS: dict[str, Callable[[RawData, Splitting, np.random.Generator], NDArray[np.int8]]] = {
    "random": _random,
    "leave_last_out": _leave_last_out,
    "time": _time,
    "cold_start": _cold_start,
}
