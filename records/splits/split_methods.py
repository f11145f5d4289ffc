"""Methods of splitting: the split of every interaction, at random, by time, or by item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, RawData

if TYPE_CHECKING:
    from tf_metammf.records.splits.splitting import Splitting

TRAIN, VALIDATION, TEST = range(len(SPLITS))


@dataclass(frozen=True)
class Unsplit:
    """Interactions to split, maybe beside others whose splits are known.

    Attributes:
        data: All interactions, those with known splits included.
        rows: Which of them are to be split, ascending, int64 ``[n]``.
        trained: bool ``[users]``: users who have training interactions already, so that all of the others may be
            held out.
        known: bool ``[items]``: items that are known to be warm or cold already.
    """

    data: RawData
    rows: NDArray[np.int64]
    trained: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def all_of(cls, data: RawData) -> Unsplit:
        """All interactions, none of them with a known split."""
        users, items = np.zeros(len(data.user_ids), bool), np.zeros(len(data.item_ids), bool)
        return cls(data, np.arange(len(data.interactions)), users, items)

    @property
    def user(self) -> NDArray[np.int64]:
        """Users of the interactions to split, int64 ``[n]``."""
        return self.data.interactions.user[self.rows]

    @property
    def item(self) -> NDArray[np.int64]:
        """Items of the interactions to split, int64 ``[n]``."""
        return self.data.interactions.item[self.rows]

    def times(self, method: str) -> NDArray[np.int64]:
        """Times of the interactions to split, int64 ``[n]``.

        Raises:
            InvalidInputError: There are no timestamps.
        """
        if self.data.interactions.timestamp is None:
            raise InvalidInputError(
                f'splitting method "{method}" needs timestamps, and {self.data.name} has none. Name their column with '
                'the source\'s options, or choose "random" or "cold_start".'
            )
        return self.data.interactions.timestamp[self.rows]


def _random(unsplit: Unsplit, splitting: Splitting, seed: int) -> NDArray[np.int8]:
    """Split of every interaction, at random per user."""
    return _random_per_user(unsplit.user, unsplit.trained, splitting, np.random.default_rng(seed))


def _random_per_user(
    user: NDArray[np.int64], trained: NDArray[np.bool_], splitting: Splitting, generator: np.random.Generator
) -> NDArray[np.int8]:
    place, count = places_of_users(user, generator.permutation(len(user)))
    offset = generator.random(int(user.max(initial=-1)) + 1)[user]
    return random_labels(place, count, offset, splitting, least=(~trained[user]).astype(np.int64))


def random_labels(
    place: NDArray[np.int64],
    count: NDArray[np.int64],
    offset: NDArray[np.float64],
    splitting: Splitting,
    *,
    least: NDArray[np.int64] | int = 1,
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
        least: Interactions of the user that stay in training whatever the shares are, int64 ``[n]`` or one number.

    Returns:
        Positions in ``SPLITS``, int8 ``[n]``.
    """
    held_out = np.minimum(np.floor((splitting.validation + splitting.test) * count + offset), count - least)
    validation = np.floor(splitting.validation * count + offset)
    split_of = np.full(len(place), TRAIN, np.int8)
    split_of[place < held_out] = TEST
    split_of[place < np.minimum(validation, held_out)] = VALIDATION
    return split_of


def _leave_last_out(unsplit: Unsplit, splitting: Splitting, seed: int) -> NDArray[np.int8]:
    """Split of every interaction: each user's last ones are held out."""
    user, times = unsplit.user, unsplit.times("leave_last_out")
    order = order_in_time(times, user, unsplit.item, seed=seed)
    return last_labels(*places_of_users(user, order), splitting, least=(~unsplit.trained[user]).astype(np.int64))


def order_in_time(
    times: NDArray[np.int64], user: NDArray[np.int64], item: NDArray[np.int64], *, seed: int
) -> NDArray[np.int64]:
    """All rows in the order of time; those of one moment in an order drawn from the seed, user and item.

    So the order of the rows has no say in what the last interaction of a user is, and neither has the number of an
    item. Rows of the same user, item and time stay in their order.

    Args:
        times: int64 ``[n]``.
        user: int64 ``[n]``.
        item: int64 ``[n]``.
        seed: The seed.

    Returns:
        Rows, int64 ``[n]``.
    """
    # The finalizer of SplitMix64 (Steele, Lea and Flood 2014) over a combination of the three numbers.
    mixed = user.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + item.astype(np.uint64)
    mixed = mixed * np.uint64(0xD1B54A32D192ED03) + np.uint64(seed % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.lexsort((mixed ^ (mixed >> np.uint64(31)), times))


def last_labels(
    place: NDArray[np.int64],
    count: NDArray[np.int64],
    splitting: Splitting,
    *,
    least: NDArray[np.int64] | int = 1,
) -> NDArray[np.int8]:
    """Split of every interaction by its place in time among the ``count`` of its user; see :class:`Splitting`.

    Args:
        place: int64 ``[n]``, from 0.
        count: int64 ``[n]``.
        splitting: The shares.
        least: First interactions of the user that stay in training, int64 ``[n]`` or one number.

    Returns:
        Positions in ``SPLITS``, int8 ``[n]``.
    """
    from_last = count - 1 - place
    test = int(splitting.test > 0)
    validation = int(splitting.validation > 0)
    split_of = np.full(len(place), TRAIN, np.int8)
    split_of[(from_last < test + validation) & (place >= least)] = VALIDATION
    split_of[(from_last < test) & (place >= least)] = TEST
    return split_of


def _time(unsplit: Unsplit, splitting: Splitting, seed: int) -> NDArray[np.int8]:
    """Split of every interaction, by its place in time among all."""
    del seed
    times = unsplit.times("time")
    return labels_in_time(times, first_moments(*np.unique(times, return_counts=True), splitting))


def first_moments(times: NDArray[Any], counts: NDArray[np.int64], splitting: Splitting) -> list[Any]:
    """The moments at which validation and test begin, so that no moment is cut apart.

    Each is the moment before which the number of interactions is nearest to the one that the shares ask for; of two
    equally near ones, the later.

    Args:
        times: Distinct times, ascending, ``[m]``.
        counts: Interactions of each, int64 ``[m]``.
        splitting: The shares.

    Returns:
        Two times; None for a split that gets no moment.
    """
    before = np.concatenate([[0], np.cumsum(counts)])
    total = int(before[-1])
    held_out = round((splitting.validation + splitting.test) * total)
    moments = []
    for wanted in (total - held_out, total - round(splitting.test * total)):
        moment = len(times) - int(np.argmin(np.abs(before - wanted)[::-1]))
        moments.append(None if moment == len(times) else times[moment].item())
    return moments


def labels_in_time(times: NDArray[Any], moments: list[Any]) -> NDArray[np.int8]:
    """Split of every interaction by what :func:`first_moments` returns; int8 ``[n]``."""
    split_of = np.full(len(times), TRAIN, np.int8)
    for label, moment in zip((VALIDATION, TEST), moments, strict=True):
        if moment is not None:
            split_of[times >= moment] = label
    return split_of


def _cold_start(unsplit: Unsplit, splitting: Splitting, seed: int) -> NDArray[np.int8]:
    """Split of every interaction: those of cold items are held out, the others random per user."""
    generator = np.random.default_rng(seed)
    candidates = _possible_cold_items(unsplit.data)
    candidates = candidates[~unsplit.known[candidates]]
    split_of_item = cold_labels(candidates, len(unsplit.data.item_ids), splitting, generator)
    split_of, user = split_of_item[unsplit.item], unsplit.user
    warm = np.flatnonzero(split_of == TRAIN)
    split_of[warm] = _random_per_user(user[warm], unsplit.trained, splitting, generator)
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
    split_of_item = np.full(items, TRAIN, np.int8)
    split_of_item[cold] = TEST
    split_of_item[cold[: round(splitting.validation / share_held_out * len(cold))]] = VALIDATION
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


METHODS: dict[str, Callable[[Unsplit, Splitting, int], NDArray[np.int8]]] = {
    "random": _random,
    "leave_last_out": _leave_last_out,
    "time": _time,
    "cold_start": _cold_start,
}
