"""How good and how fast an exported version is, measured by what it answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.export.client import Client
from tf_metammf.ranking.metrics import discounts
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet

USERS_AT_ONCE = 256
TIMED_REQUESTS = 50
QUANTILES = (5, 50, 95)

_MASKED = {"validation": ("train",), "test": ("train", "validation")}


@dataclass(frozen=True)
class HeldOut:
    """Users of a split, what is to be found for them, and what they must not get.

    Attributes:
        record_set: The record set.
        users: Dense user ids, ascending.
        relevant: Dense item ids to be found, one array a user.
        masked: Dense item ids of earlier splits, one array a user.
    """

    record_set: RecordSet
    users: NDArray[np.int64]
    relevant: Sequence[NDArray[np.int64]]
    masked: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, record_set: RecordSet, split: str, *, users: int, seed: int = 0) -> "HeldOut":
        """Users of a split that have something to find.

        Args:
            record_set: The record set.
            split: ``"validation"`` or ``"test"``.
            users: How many at most; of more, as many are drawn.
            seed: Of the draw.
        """
        found = read_interactions(record_set, split)
        drawn = np.unique(found.user)
        if len(drawn) > users:
            drawn = np.sort(np.random.default_rng(seed).choice(drawn, users, replace=False))
        earlier = [read_interactions(record_set, name) for name in _MASKED[split]]
        return cls(
            record_set,
            drawn,
            _items_of(drawn, found.user, found.item),
            _items_of(
                drawn, np.concatenate([each.user for each in earlier]), np.concatenate([each.item for each in earlier])
            ),
        )


@dataclass(frozen=True)
class ServedRanking:
    """What a version answered for the users of a split.

    Attributes:
        held_out: The users.
        item_ids: Raw ids of the recommended items, one list a user.
        scores: Their scores, one array a user.
        known: Share of the users that the version knows.
        milliseconds: Times of requests for one user each.
    """

    held_out: HeldOut
    item_ids: Sequence[Sequence[str]]
    scores: Sequence[NDArray[np.float32]]
    known: float
    milliseconds: Sequence[float]
    k: int

    @cached_property
    def _hits(self) -> NDArray[np.bool_]:
        names = self.held_out.record_set.item_ids
        hits = np.zeros((len(self.item_ids), self.k), bool)
        for row, (items, relevant) in enumerate(zip(self.item_ids, self.held_out.relevant, strict=True)):
            wanted = {names[item] for item in relevant}
            hits[row, : len(items)] = [item in wanted for item in items]
        return hits

    def of_users(self, metric: str) -> NDArray[np.float64]:
        """Recall or NDCG at ``k``, one number a user, as :mod:`tf_metammf.ranking.metrics` defines them."""
        relevant = np.array([len(items) for items in self.held_out.relevant])
        if metric == "recall":
            return self._hits.sum(axis=1) / relevant
        gains = np.cumsum(discounts(self.k))
        return (self._hits * discounts(self.k)).sum(axis=1) / gains[np.minimum(relevant, self.k) - 1]

    @cached_property
    def recommended(self) -> set[str]:
        """All items that are recommended to any user."""
        return {item for items in self.item_ids for item in items}

    def as_json(self) -> dict[str, Any]:
        """Numbers about it, as plain JSON values."""
        scores = np.concatenate([*self.scores, np.zeros(0, np.float32)])
        return {
            f"ndcg@{self.k}": float(self.of_users("ndcg").mean()),
            f"recall@{self.k}": float(self.of_users("recall").mean()),
            "coverage": len(self.recommended) / len(self.held_out.record_set.item_ids),
            "known_users": self.known,
            "median_ms": median(self.milliseconds),
            "p95_ms": float(np.percentile(self.milliseconds, 95)),
            "scores": {f"p{part}": float(np.percentile(scores, part)) for part in QUANTILES} if len(scores) else {},
        }


def served_rankings(clients: Sequence[Client], held_out: HeldOut, *, k: int) -> list[ServedRanking]:
    """Queries versions for the same users, one after the other, so that their times can be compared.

    Items of earlier splits are excluded for all versions alike, also those that a version does not know as seen.

    Args:
        clients: Clients of the versions.
        held_out: The users.
        k: Items for each.
    """
    users, items = held_out.record_set.user_ids, held_out.record_set.item_ids
    names = [users[user] for user in held_out.users]
    answers: list[list[Any]] = [[] for _ in clients]
    for first in range(0, len(names), USERS_AT_ONCE):
        part = slice(first, first + USERS_AT_ONCE)
        exclude = [[items[item] for item in masked] for masked in held_out.masked[part]]
        for client, answered in zip(clients, answers, strict=True):
            answered += client.recommend(names[part], k, exclude=exclude)
    times: list[list[float]] = [[] for _ in clients]
    for number in range(TIMED_REQUESTS + 1):
        for client, taken in zip(clients, times, strict=True):
            started = time.perf_counter()
            client.recommend([names[number % len(names)]], k)
            taken.append(1e3 * (time.perf_counter() - started))
    return [
        ServedRanking(
            held_out,
            [each.item_ids for each in answered],
            [each.scores for each in answered],
            float(np.mean([each.known for each in answered])),
            taken[1:],  # the first request makes the graph of its shape
            k,
        )
        for answered, taken in zip(answers, times, strict=True)
    ]


def overlap(one: ServedRanking, other: ServedRanking) -> float:
    """Mean share of a user's items that two versions have in common, of the longer of the two lists."""
    shares = [
        len(set(first) & set(second)) / max(len(first), len(second), 1)
        for first, second in zip(one.item_ids, other.item_ids, strict=True)
    ]
    return float(np.mean(shares))


def _items_of(users: NDArray[np.int64], user: NDArray[np.int64], item: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Distinct items of each of the users, which are in ascending order."""
    order = np.argsort(user, kind="stable")
    user, item = user[order], item[order]
    first, last = np.searchsorted(user, users), np.searchsorted(user, users, side="right")
    return [np.unique(item[begin:end]) for begin, end in zip(first, last, strict=True)]
