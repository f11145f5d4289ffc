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
            found.extend(np.array([user, *pair]) for pair in _distinct_pairs(candidates, each, random))
    if not found:
        raise InvalidInputError(f"{data.record_set.folder}: no user has two items that are no interactions.")
    table = np.array(found, np.int64)[:pairs]
    return DrawnPairs(*table.T)


def _interactions(data: TrainingData, items: int) -> list[NDArray[np.int64]]:
    """Of every user the items of all splits."""
    parts = [data.interactions_of(split) for split in data.record_set.metadata.splits]
    user, item = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    order = np.argsort(user, kind="stable")
    ends = np.cumsum(np.bincount(user, minlength=data.record_set.metadata.users))
    return np.split(item[order], ends[:-1])


def _distinct_pairs(items: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Some pairs of different items, each once, in an order that says nothing of their scores."""
    if len(items) < 2:
        return np.zeros([0, 2], np.int64)
    one, two = np.triu_indices(len(items), k=1)
    drawn = random.permutation(len(one))[:count]
    pairs = np.stack([items[one[drawn]], items[two[drawn]]], axis=1)
    swapped = random.random(len(pairs)) < 0.5
    pairs[swapped] = pairs[swapped, ::-1]
    return pairs
