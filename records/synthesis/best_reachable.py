"""The metrics that a ranking by the true preferences reaches: no model can be expected to do better."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import Interactions, RawData

_PREFERENCES_AT_ONCE = 2**22


class KnownPreferences(Protocol):
    """Data whose true preferences are known: synthetic videos or sequences."""

    @property
    def raw(self) -> RawData:
        """Ids, interactions and features."""

    @property
    def splits(self) -> Mapping[str, Interactions]:
        """Interactions by split."""

    @property
    def true_user_embeddings(self) -> NDArray[np.float32]:
        """``[users, d]``."""

    @property
    def true_item_embeddings(self) -> NDArray[np.float32]:
        """``[items, d]``; products with those of users are the true preferences."""


def best_reachable(data: KnownPreferences, *, k: int = 20) -> dict[str, float]:
    """Recall and NDCG of the full ranking of the test split by the true preferences.

    Names and definitions are those of :class:`tf_metammf.FullRanking`: training and validation items are
    masked, users without test items are left out, and so are metrics that no user has.

    Args:
        data: Synthetic micro-videos or sequences.
        k: The cut-off.

    Returns:
        ``recall@k`` and ``ndcg@k`` of all items, and with the prefixes ``warm/`` and ``cold/`` of the same
        ranking where only such items are relevant, with ``cold_only/`` of the ranking of the cold items alone.
    """
    users, items = len(data.raw.user_ids), len(data.raw.item_ids)
    warm = np.bincount(data.splits["train"].item, minlength=items) > 0
    splits = {name: split.take(np.argsort(split.user, kind="stable")) for name, split in data.splits.items()}
    at_once = max(1, _PREFERENCES_AT_ONCE // items)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for first in range(0, users, at_once):
        block = range(first, min(first + at_once, users))
        scores = data.true_user_embeddings[block.start : block.stop] @ data.true_item_embeddings.T
        scores[_cells(splits["train"], block)] = -np.inf
        scores[_cells(splits["validation"], block)] = -np.inf
        relevant = np.zeros(scores.shape, bool)
        relevant[_cells(splits["test"], block)] = True
        ranked = _ranked(scores, k)
        parts = {
            "": (relevant, ranked),
            "warm/": (relevant & warm, ranked),
            "cold/": (relevant & ~warm, ranked),
            "cold_only/": (relevant[:, ~warm], _ranked(scores[:, ~warm], k)),
        }
        for part, lists in parts.items():
            recall, ndcg = _recall_and_ndcg(*lists, k=k)
            found.setdefault(f"{part}recall@{k}", []).append(recall)
            found.setdefault(f"{part}ndcg@{k}", []).append(ndcg)
    of_users = {name: np.concatenate(values) for name, values in found.items()}
    return {name: float(values.mean()) for name, values in of_users.items() if len(values)}


def _cells(sorted_by_user: Interactions, block: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows in the block and items of the interactions of a block of users."""
    start, stop = np.searchsorted(sorted_by_user.user, [block.start, block.stop])
    return sorted_by_user.user[start:stop] - block.start, sorted_by_user.item[start:stop]


def _ranked(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k items of the highest scores (all, where there are fewer), best first, ``[users, k]``."""
    if scores.shape[1] <= k:
        return np.argsort(-scores, axis=1)
    best = np.argpartition(-scores, k, axis=1)[:, :k]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)


def _recall_and_ndcg(
    relevant: NDArray[np.bool_], ranked: NDArray[np.int64], *, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and NDCG of every user with relevant items."""
    users = relevant.any(axis=1)
    count = relevant[users].sum(axis=1)
    hits = np.take_along_axis(relevant[users], ranked[users], axis=1)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(count, k) - 1]
    return hits.sum(axis=1) / count, hits @ discounts[: hits.shape[1]] / ideal
