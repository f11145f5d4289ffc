r"""Arithmetic of the ranking metrics: from the hits of every user to averages at every cut-off.

With ``hit[u, r]`` one where the item at rank ``r`` (from 1) of user ``u`` is relevant, ``n[u]`` the number of
relevant items of the user, and averages over the users with ``n[u] > 0``:

===================  ================================================================================
``precision@k``      mean of ``sum_{r<=k} hit[u, r] / k``; ``k`` also where fewer items could be ranked
``recall@k``         mean of ``sum_{r<=k} hit[u, r] / n[u]``
``ndcg@k``           mean of ``sum_{r<=k} hit[u, r] / log2(r+1)``, divided by what a perfect ranking has:
                     ``sum_{r<=min(k, n[u])} 1 / log2(r+1)``
``hit_rate@k``       share of users with a hit up to rank ``k``
``mrr@k``            mean of ``1 / r`` of the first hit, zero where it is beyond ``k``
``map@k``            mean of ``sum_{r<=k} hit[u, r] precision@r[u] / n[u]``
``pooled_recall@k``  ``sum_u sum_{r<=k} hit[u, r] / sum_u n[u]``, called HR in the MetaMMF paper
``coverage@k``       share of the items that are in the first ``k`` of at least one user
===================  ================================================================================

Precision, recall, NDCG, hit rate (``success``), reciprocal rank and MAP (``map_cut``) are those of trec_eval for
relevance that is either 0 or 1.

All but the coverage are sums over ranks of something that a user only enters with a weight. So users are summed
first, rank by rank (:func:`rank_sums`, on the device, a few numbers a block of users), and the sums over ranks
are taken once at the end for every cut-off (:func:`averages`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# Rows of the sums. The last one is repeated for every cut-off, because what is ideal depends on it.
_FIRST_HITS, _PRECISION, _HITS, _RECALL, _NDCG = range(5)


def rank_sums(hits: Any, relevant: Any, *, cutoffs: Sequence[int]) -> Any:
    """Sums over users, rank by rank, from which :func:`averages` makes every metric.

    Args:
        hits: bool ``[users, ranks]``: whether the item at that rank is relevant.
        relevant: Integers ``[users]``: relevant items of each user, also those not ranked. A user
            without any adds nothing.
        cutoffs: The cut-offs. Beyond ``ranks`` there is nothing more to find.

    Returns:
        float64 ``[4 + len(cutoffs), ranks]``. Sums of blocks of users add up to those of all of them.
    """
    hits = tf.cast(hits, tf.float64)
    relevant = tf.cast(relevant, tf.float64)[:, tf.newaxis]
    hits_so_far = tf.cumsum(hits, axis=1)
    first_hits = hits * tf.cast(tf.equal(hits_so_far, 1.0), tf.float64)
    share = tf.math.reciprocal_no_nan(relevant)
    ranks = [min(k, hits.shape[1]) for k in cutoffs]
    ideal_hits = tf.cast(tf.minimum(relevant, tf.constant(ranks, tf.float64)), tf.int32)
    ideal_gains = tf.gather(np.append(0.0, np.cumsum(discounts(max(ranks)))), ideal_hits)
    weights = tf.concat([tf.ones_like(share), share, tf.math.reciprocal_no_nan(ideal_gains)], axis=1)
    return tf.concat(
        [
            tf.reduce_sum(first_hits, axis=0, keepdims=True),
            tf.matmul(share, hits * hits_so_far, transpose_a=True),
            tf.matmul(weights, hits, transpose_a=True),
        ],
        axis=0,
    )


def rank_sums_rows(cutoffs: Sequence[int]) -> int:
    """Rows of the sums for these cut-offs."""
    return _NDCG + len(cutoffs)


def averages(
    sums: NDArray[np.float64], *, cutoffs: Sequence[int], users: int, relevant: int
) -> dict[str, dict[int, float]]:
    """Metrics at every cut-off from the sums of :func:`rank_sums`.

    Args:
        sums: float64 ``[4 + len(cutoffs), ranks]``, summed over all users. There is nothing to find beyond ``ranks``.
        cutoffs: The cut-offs the sums were made for, in their order.
        users: Users with at least one relevant item, at least 1.
        relevant: Relevant items of all users together.

    Returns:
        By name of the metric and cut-off; everything but the coverage.
    """
    ranks = np.arange(1, sums.shape[1] + 1)
    last = {k: min(k, len(ranks)) - 1 for k in cutoffs}
    hits = np.cumsum(sums[_HITS])
    recall = np.cumsum(sums[_RECALL])
    hit_rate = np.cumsum(sums[_FIRST_HITS])
    reciprocal_rank = np.cumsum(sums[_FIRST_HITS] / ranks)
    precision_at_hits = np.cumsum(sums[_PRECISION] / ranks)
    ndcg = np.cumsum(sums[_NDCG:] * discounts(len(ranks)), axis=1)
    return {
        "precision": {k: float(hits[last[k]] / k / users) for k in cutoffs},
        "recall": {k: float(recall[last[k]] / users) for k in cutoffs},
        "ndcg": {k: float(ndcg[row, last[k]] / users) for row, k in enumerate(cutoffs)},
        "hit_rate": {k: float(hit_rate[last[k]] / users) for k in cutoffs},
        "mrr": {k: float(reciprocal_rank[last[k]] / users) for k in cutoffs},
        "map": {k: float(precision_at_hits[last[k]] / users) for k in cutoffs},
        "pooled_recall": {k: float(hits[last[k]] / relevant) for k in cutoffs},
    }


def sparse_rank_sums(
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    relevant: NDArray[np.int64],
    *,
    cutoffs: Sequence[int],
    ranks: int,
) -> NDArray[np.float64]:
    """The sums of :func:`rank_sums` from the places of the relevant items alone.

    Args:
        rows: The user of every relevant item, ascending.
        places: Its place in the user's ranking, from 0, ascending within a user.
        relevant: Relevant items of each user.
        cutoffs: The cut-offs.
        ranks: Ranks to sum up.

    Returns:
        float64 ``[4 + len(cutoffs), ranks]``.
    """
    hits_so_far = np.arange(1, len(rows) + 1) - np.searchsorted(rows, rows)
    shown = places < ranks
    rows, places, hits_so_far = rows[shown], places[shown], hits_so_far[shown]
    count = relevant[rows]
    ideal_gains = np.append(0.0, np.cumsum(discounts(int(min(max(cutoffs), relevant.max())))))
    weights: list[NDArray[Any]] = [hits_so_far == 1, hits_so_far / count, np.ones(len(rows)), 1 / count]
    weights += [1 / ideal_gains[np.minimum(count, k)] for k in cutoffs]
    return np.stack([np.bincount(places, weights=values, minlength=ranks) for values in weights])


def discounts(ranks: int) -> NDArray[np.float64]:
    """What a hit is worth in DCG at the ranks from 1, ``1 / log2(rank + 1)``, float64 ``[ranks]``."""
    return 1.0 / np.log2(np.arange(2, ranks + 2))
