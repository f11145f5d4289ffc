"""Pairs of items out of what a run recommends, for somebody to choose from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.training_data import TrainingData

_SCORES_AT_ONCE = 2**24


@dataclass(frozen=True)
class DrawnPairs:
    """Pairs of items of users, dense ids, int64 ``[n]`` each.

    Attributes:
        user: The users.
        first: One item of each pair.
        second: The other one.
    """

    user: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)


def draw_pairs(model: Any, data: TrainingData, *, pairs: int, top_k: int = 100, seed: int = 0) -> DrawnPairs:
    """Draws pairs of items from the first ``top_k`` that a model recommends to a user.

    An item that is an interaction of the user, in any split, is not among them: no preference may reject it, and one
    for it would teach what is held out. Users are drawn evenly, among those with training interactions, and of each
    the same number of pairs, give or take one.

    Args:
        model: A model with ``embeddings()``.
        data: Its record set.
        pairs: Pairs to draw; where users have fewer distinct ones, all of these.
        top_k: Items of a user that pairs are drawn from, at least 2.
        seed: Seed of the draws.

    Raises:
        InvalidInputError: A number is out of its bounds, or no user has two items to draw.
    """
    if pairs < 1:
        raise InvalidInputError(f"pairs is {pairs}, expected at least 1.")
    if top_k < 2:
        raise InvalidInputError(f"top_k is {top_k}, expected at least 2, or there is nothing to choose from.")
    random = np.random.default_rng(seed)
    users, items = (np.asarray(table) for table in model.embeddings())
    warm = random.permutation(np.flatnonzero(data.user_frequency > 0))
    wanted = warm[: min(pairs, len(warm))]
    each = -(-pairs // max(len(wanted), 1))
    seen = _interactions(data, len(items))
    found: list[NDArray[np.int64]] = []
    at_once = max(1, _SCORES_AT_ONCE // len(items))
    for start in range(0, len(wanted), at_once):
        block = wanted[start : start + at_once]
        scores = users[block] @ items.T
        for row, user in enumerate(block.tolist()):
            scores[row, seen[user]] = -np.inf
            candidates = np.argsort(-scores[row], kind="stable")[:top_k]
            candidates = candidates[np.isfinite(scores[row, candidates])]
            drawn = distinct_pairs(candidates, each, random)
            found.append(np.insert(drawn, 0, user, axis=1))
    table = np.concatenate([np.zeros([0, 3], np.int64), *found])[:pairs]
    if not len(table):
        raise InvalidInputError(f"{data.record_set.folder}: no user has two items that are no interactions.")
    return DrawnPairs(*table.T)


def distinct_pairs(items: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draws pairs of different items, each pair at most once and all equally likely, in either order.

    The pairs have numbers, and numbers are drawn: with ``n`` items, the pair ``k`` is the items at ``k mod n`` and at
    ``(k mod n + k // n + 1) mod n``, for ``k`` from 0 to ``n (n - 1) / 2 - 1``. Memory follows what is drawn.

    Args:
        items: Distinct items, int64 ``[n]``.
        count: Pairs to draw; where there are fewer, all of them.
        random: The generator.

    Returns:
        int64 ``[drawn, 2]``.
    """
    there = len(items) * (len(items) - 1) // 2
    if not there:
        return np.zeros([0, 2], np.int64)
    numbers = random.choice(there, min(count, there), replace=False)
    distance, one = np.divmod(numbers, len(items))
    pairs = items[np.stack([one, (one + distance + 1) % len(items)], axis=1)]
    swapped = random.random(len(pairs)) < 0.5
    pairs[swapped] = pairs[swapped, ::-1]
    return pairs


def _interactions(data: TrainingData, items: int) -> list[NDArray[np.int64]]:
    """Of every user the items of all splits."""
    parts = [data.interactions_of(split) for split in data.record_set.metadata.splits]
    user, item = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    order = np.argsort(user, kind="stable")
    ends = np.cumsum(np.bincount(user, minlength=data.record_set.metadata.users))
    return np.split(item[order], ends[:-1])
