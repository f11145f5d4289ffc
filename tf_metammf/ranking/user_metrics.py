"""Ranking metrics of single users, from their lists: for tests of significance and for groups of users and items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking.pairs import RankingPairs


@dataclass(frozen=True)
class UserLists:
    """Lists of users and what they should hold.

    Attributes:
        pairs: Users and their positives.
        recommended: Items of every user of ``pairs.users``, best first, int ``[n, K]``.
        items: Number of items.
    """

    pairs: RankingPairs
    recommended: NDArray[np.integer]
    items: int

    def metrics(
        self, cutoffs: Sequence[int], *, relevant_items: NDArray[np.bool_] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Recall and NDCG of every user, as :mod:`tf_metammf.ranking.metrics` defines them.

        Args:
            cutoffs: K, at most as long as the lists.
            relevant_items: bool ``[items]``: items that count as positives; by default all of them.

        Returns:
            ``"recall@K"`` and ``"ndcg@K"``, float64 ``[n]``; NaN for users without a relevant item.
        """
        positives = self.pairs.positives
        kept = np.ones(len(positives.items), bool) if relevant_items is None else relevant_items[positives.items]
        rows, items = positives.rows[kept], positives.items[kept]
        count = np.bincount(rows, minlength=len(self.pairs.users)).astype(np.float64)
        keys = rows * (self.items + 1) + items
        wanted = np.arange(len(self.recommended))[:, np.newaxis] * (self.items + 1) + self.recommended
        hits = np.isin(wanted, keys).astype(np.float64)
        gains = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
        ideal = np.concatenate([[0.0], np.cumsum(gains)])
        count[count == 0] = np.nan
        found: dict[str, NDArray[np.float64]] = {}
        for k in cutoffs:
            best = ideal[np.nan_to_num(np.minimum(count, k)).astype(np.int64)]
            with np.errstate(invalid="ignore", divide="ignore"):
                found[f"recall@{k}"] = hits[:, :k].sum(axis=1) / count
                found[f"ndcg@{k}"] = np.where(np.isnan(count), np.nan, (hits[:, :k] * gains[:k]).sum(axis=1) / best)
        return found
