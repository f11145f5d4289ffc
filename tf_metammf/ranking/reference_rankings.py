"""What any model has to be ahead of: the metrics of ranking by popularity, and those of a random ranking.

Both are computed from the pairs alone, without a score for every user and item: time and memory grow with users, items
and interactions, not with users times items.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import COLD_ONLY
from tf_metammf.ranking.metrics import averages, discounts, sparse_rank_sums
from tf_metammf.ranking.pairs import RankingPairs
from tf_metammf.ranking.parts import RankingPart

TABLE_CELLS = 2**20
"""Cells of the tables in which expected values are added up; more users and ranks take several tables."""


def popularity_metrics(ranking: FullRanking, item_frequency: NDArray[np.number]) -> dict[str, float]:
    """Metrics of ranking the items of every user by how often they occur in training, or how much they count there.

    Masked items are left out and ties are broken as for any other score: see
    :class:`tf_metammf.ranking.full_ranking.FullRanking`.

    Args:
        ranking: The full ranking of a split.
        item_frequency: Training interactions of every item, or the sum of their weights, ``[items]``.

    Returns:
        By the keys of ``ranking.names``.

    Raises:
        InvalidInputError: ``item_frequency`` does not have one number an item.
    """
    frequency = np.asarray(item_frequency)
    if frequency.shape != (ranking.items,):
        raise InvalidInputError(
            f"item frequency: found shape {frequency.shape}, expected ({ranking.items},). Give one number per item."
        )
    if frequency.dtype.kind != "f":
        frequency = frequency.astype(np.int64)
    order = np.argsort(-frequency, kind="stable")
    return ranking.named({part.name: _by_order(ranking, part, order) for part in ranking.parts})


def random_metrics(ranking: FullRanking) -> dict[str, float]:
    r"""Expected metrics of a ranking in random order: the mean over all orders of the items that are not masked.

    With ``n`` items that a user's ranking may hold, of which ``R`` are relevant, and ``L = min(k, n)``:

    ===================  ================================================================
    ``precision@k``      ``L R / (n k)``
    ``recall@k``         ``L / n``
    ``ndcg@k``           ``R / n sum_{r<=L} 1 / log2(r+1)``, divided by the perfect ranking's sum
    ``hit_rate@k``       ``1 - C(n-R, L) / C(n, L)``
    ``mrr@k``            ``sum_{r<=L} P(first hit at r) / r``
    ``map@k``            ``1 / n sum_{r<=L} (1 + (r-1) (R-1) / (n-1)) / r``
    ``coverage@k``       mean over items of ``1 - prod_u (1 - L / n)``, over the users who may get the item
    ===================  ================================================================

    Args:
        ranking: The full ranking of a split.

    Returns:
        By the keys of ``ranking.names``.
    """
    return ranking.named({part.name: _at_random(ranking, part) for part in ranking.parts})


def _by_order(ranking: FullRanking, part: RankingPart, order: NDArray[np.int64]) -> dict[str, dict[int, float]]:
    """Metrics of the same order for every user, of which each skips what is masked."""
    candidates = order[part.is_item[order]] if part.name == COLD_ONLY else order
    place = np.full(ranking.items, -1)
    place[candidates] = np.arange(len(candidates))
    masked_rows, masked_items = _masked(ranking.pairs, part, place)
    masked_keys = np.sort(masked_rows * len(candidates) + place[masked_items])
    positives = ranking.pairs.positives
    relevant = part.is_item[positives.items]
    rows, places = positives.rows[relevant], place[positives.items[relevant]]
    keys = np.sort(rows * len(candidates) + places)
    rows, places = np.divmod(keys, len(candidates))
    # The rank of a positive is its place less the masked items before it.
    skipped = np.searchsorted(masked_keys, keys) - np.searchsorted(masked_keys, rows * len(candidates))
    sums = sparse_rank_sums(
        rows, places - skipped, part.relevant, cutoffs=ranking.cutoffs, ranks=min(ranking.cutoffs[-1], ranking.items)
    )
    values = averages(sums, cutoffs=ranking.cutoffs, users=part.users, relevant=part.interactions)
    shown = part.relevant > 0 if part.name == COLD_ONLY else np.ones(len(part.relevant), bool)
    values["coverage"] = {
        k: float(np.mean(_is_covered(masked_keys, shown, len(candidates), k)[place[part.is_item]]))
        for k in ranking.cutoffs
    }
    return values


def _is_covered(masked_keys: NDArray[np.int64], shown: NDArray[np.bool_], candidates: int, k: int) -> NDArray[np.bool_]:
    """Which places of the order are in the first ``k`` of at least one of the users shown, bool ``[candidates]``."""
    rows, places = np.divmod(masked_keys, candidates)
    number_in_row = np.arange(len(rows)) - np.searchsorted(rows, rows)
    # A masked item is skipped on the way to the k-th where fewer than k items are in front of it.
    skipped = np.bincount(rows[places - number_in_row < k], minlength=len(shown))
    ends = np.minimum(skipped + k, candidates)
    reaching = np.bincount(ends[shown], minlength=candidates + 1)[::-1].cumsum()[::-1][1:]
    masked_there = np.bincount(places[places < ends[rows]], minlength=candidates)
    covered: NDArray[np.bool_] = reaching > masked_there
    return covered


def _at_random(ranking: FullRanking, part: RankingPart) -> dict[str, dict[int, float]]:
    is_candidate = part.is_item if part.name == COLD_ONLY else np.ones(ranking.items, bool)
    masked_rows, masked_items = _masked(ranking.pairs, part, np.where(is_candidate, 0, -1))
    free = np.count_nonzero(is_candidate) - np.bincount(masked_rows, minlength=len(part.relevant))
    has_relevant = part.relevant > 0
    kinds, users = np.unique(np.stack([free, part.relevant])[:, has_relevant], axis=1, return_counts=True)
    values = _expected(kinds[0], kinds[1], users, ranking.cutoffs)
    shown = np.flatnonzero(has_relevant) if part.name == COLD_ONLY else np.arange(len(free))
    values["coverage"] = {
        k: _expected_coverage(np.minimum(k / np.maximum(free, 1), 1.0), shown, masked_rows, masked_items, part.is_item)
        for k in ranking.cutoffs
    }
    return values


def _expected(
    free: NDArray[np.int64], relevant: NDArray[np.int64], users: NDArray[np.int64], cutoffs: tuple[int, ...]
) -> dict[str, dict[int, float]]:
    """Expected metrics of users with as many candidates and relevant items, each kind counted ``users`` times."""
    ranks = int(min(cutoffs[-1], free.max()))
    ideal = np.append(0.0, np.cumsum(discounts(int(min(cutoffs[-1], relevant.max())))))
    names = ("precision", "recall", "ndcg", "hit_rate", "mrr", "map", "pooled_recall")
    values: dict[str, dict[int, float]] = {name: dict.fromkeys(cutoffs, 0.0) for name in names}
    everybody, everything = users.sum(), users @ relevant
    step = max(TABLE_CELLS // ranks, 1)
    for first in range(0, len(free), step):
        n, some, weight = (column[first : first + step] for column in (free, relevant, users))
        found = some / n
        table = _RankTable(n, some, ranks)
        for k in cutoffs:
            last = np.minimum(k, n)
            best = ideal[np.minimum(k, some)]
            at_k = min(k, ranks)
            sums = {
                "precision": last * found / k,
                "recall": last / n,
                "ndcg": found * table.gain[last] / best,
                "hit_rate": 1.0 - table.no_hit[:, at_k],
                "mrr": table.reciprocal_rank[:, at_k],
                "map": table.average_precision[:, at_k],
            }
            for name, of_users in sums.items():
                values[name][k] += float(weight @ of_users / everybody)
            values["pooled_recall"][k] += float(weight @ (last * found) / everything)
    return values


class _RankTable:
    """Expected values up to every rank, ``[kinds of users, 1 + ranks]``."""

    def __init__(self, n: NDArray[np.int64], relevant: NDArray[np.int64], ranks: int) -> None:
        rank = np.arange(1, ranks + 1)
        n, relevant = n[:, np.newaxis], relevant[:, np.newaxis]
        self.gain = np.append(0.0, np.cumsum(discounts(ranks)))
        # Zero once only relevant items are left, and so for all later ranks.
        misses = np.maximum(n - relevant - rank + 1, 0) / np.maximum(n - rank + 1, 1)
        self.no_hit = np.cumprod(np.insert(misses, 0, 1.0, axis=1), axis=1)
        self.reciprocal_rank = _sums_to((self.no_hit[:, :-1] - self.no_hit[:, 1:]) / rank)
        hits_before = (rank - 1) * (relevant - 1) / np.maximum(n - 1, 1)
        self.average_precision = _sums_to(np.where(rank <= n, (1 + hits_before) / rank / n, 0.0))


def _sums_to(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.insert(np.cumsum(values, axis=1), 0, 0.0, axis=1)


def _expected_coverage(
    chance: NDArray[np.float64],
    shown: NDArray[np.int64],
    masked_rows: NDArray[np.int64],
    masked_items: NDArray[np.int64],
    is_item: NDArray[np.bool_],
) -> float:
    """Expected share of the items in at least one list; ``chance`` is that of an item that a row may get."""
    certain = chance >= 1.0
    log_missed = np.log1p(-np.where(certain, 0.0, chance))
    sure = np.count_nonzero(certain[shown]) - np.bincount(masked_items[certain[masked_rows]], minlength=len(is_item))
    missed = log_missed[shown].sum() - np.bincount(
        masked_items, weights=log_missed[masked_rows], minlength=len(is_item)
    )
    covered = np.where(sure > 0, 1.0, -np.expm1(np.minimum(missed, 0.0)))
    return float(np.mean(covered[is_item]))


def _masked(pairs: RankingPairs, part: RankingPart, place: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Masked pairs of items that have a place; for cold items alone only of users who look for one."""
    rows, items = pairs.masked.rows, pairs.masked.items
    kept = place[items] >= 0
    if part.name == COLD_ONLY:
        kept &= part.relevant[rows] > 0
    return rows[kept], items[kept]
