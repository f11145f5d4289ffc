"""How much of what the exact search finds a partitioned index finds, and how many parts it has to look into."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.export.partitioned_index import PartitionedIndex

QUERIES_AT_MOST = 2000
"""Queries of a sample; one half is for choosing, the other for measuring."""


@dataclass(frozen=True)
class QuerySample:
    """Queries to choose and measure with.

    Attributes:
        queries: float32 ``[n, d]``.
        excluded: int64 ``[m, 2]``: query and item that is not to be found, by query.
    """

    queries: NDArray[np.float32]
    excluded: NDArray[np.int64]

    def take(self, first: int, last: int) -> "QuerySample":
        """The queries from ``first`` to before ``last``."""
        row = self.excluded[:, 0]
        excluded = self.excluded[(row >= first) & (row < last)] - np.array([first, 0])
        return QuerySample(self.queries[first:last], excluded)


def sample_users(
    users: NDArray[np.float32], seen: tuple[NDArray[np.integer], NDArray[np.integer]], *, seed: int = 0
) -> QuerySample:
    """Users with interactions; what they have seen is excluded, as in serving.

    Args:
        users: Embeddings, float32 ``[users, d]``.
        seen: Dense user ids and item ids of the training interactions.
        seed: Of the draw.
    """
    chosen = np.random.default_rng(seed).permutation(np.unique(seen[0]))[:QUERIES_AT_MOST]
    row = np.full(len(users), -1, np.int64)
    row[chosen] = np.arange(len(chosen))
    pairs = np.stack([row[seen[0]], seen[1]], axis=1).astype(np.int64)
    return QuerySample(users[chosen], np.unique(pairs[pairs[:, 0] >= 0], axis=0))


def sample_items(items: NDArray[np.float32], *, seed: int = 0) -> QuerySample:
    """Directions of items, each without itself.

    Args:
        items: Embeddings, float32 ``[items, d]``.
        seed: Of the draw.
    """
    chosen = np.random.default_rng(seed).permutation(len(items))[:QUERIES_AT_MOST]
    norms = np.maximum(np.linalg.norm(items[chosen], axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return QuerySample(items[chosen] / norms, np.stack([np.arange(len(chosen)), chosen], axis=1).astype(np.int64))


def choose_probes(index: PartitionedIndex, sample: QuerySample, k: int, *, recall: float) -> int:
    """The smallest number of parts in which the given share of the ``k`` best items lies.

    The mean over the queries has to be above it by two standard errors, so that other queries do not miss it by
    chance; all parts reach any recall.

    Args:
        index: The index; its own number of probes does not matter.
        sample: Queries.
        k: Places.
        recall: The share, above 0 and at most 1.
    """
    _, best = index.search_exactly(tf.constant(sample.queries), k, excluded=tf.constant(sample.excluded))
    is_item = best.numpy() >= 0
    ranks = index.ranks_of_parts(tf.constant(sample.queries), best).numpy()[is_item.any(axis=1)]
    is_item = is_item[is_item.any(axis=1)]

    def is_reached(probes: int) -> bool:
        shares = (is_item & (ranks < probes)).sum(axis=1) / is_item.sum(axis=1)
        return bool(shares.mean() - 2 * shares.std() / np.sqrt(len(shares)) >= recall)

    if not len(ranks):
        return 1
    parts = range(1, index.parts + 1)
    return parts[bisect_left(parts, True, hi=index.parts - 1, key=is_reached)]


def recall_of(index: PartitionedIndex, sample: QuerySample, k: int) -> float:
    """Share of the ``k`` best items of all queries that a search finds; 1 where there are none."""
    queries, excluded = tf.constant(sample.queries), tf.constant(sample.excluded)
    best, found = (
        tf.function(lambda queries, excluded, search=search: search(queries, k, excluded=excluded)[1])(
            queries, excluded
        )
        for search in (index.search_exactly, index.search)
    )
    best, found = best.numpy(), found.numpy()
    hits = sum(len(np.intersect1d(row[row >= 0], true[true >= 0])) for row, true in zip(found, best, strict=True))
    return hits / max(1, int((best >= 0).sum())) if (best >= 0).any() else 1.0
