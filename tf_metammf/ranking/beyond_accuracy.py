r"""Metrics beyond accuracy: what users are shown, whatever they wanted.

``L_u`` holds the first ``k`` items of user ``u``, fewer where no more could be ranked; ``x_i`` is the number of lists
with item ``i``, ``n_i`` its training interactions, and ``P_u`` the training items of the user:

===========================  =====================================================================================
``coverage@k``               share of the items with ``x_i > 0``
``gini@k``                   Gini coefficient of ``x_i`` over all items: :mod:`tf_metammf.ranking.exposure`
``cold_share@k``             share of the places that items with ``n_i = 0`` have
``tail_share@k``             share of the places that items of the long tail have: all but the 20 % with the largest
                             ``n_i`` (after APLT of Abdollahpouri, Burke and Mobasher, FLAIRS 2019)
``intra_list_similarity@k``  mean over users of the mean of ``v_i . v_j`` over all pairs of items in ``L_u``, with unit
                             vectors ``v`` of their content (Ziegler, McNee, Konstan and Lausen, WWW 2005)
``popularity_lift@k``        ``(q - p) / p``: ``p`` is the mean over users of the mean ``n_i`` over ``P_u``, ``q`` the
                             same over ``L_u``. 0: as popular as what users watched; 1: twice as popular
                             (Abdollahpouri, Mansoury, Burke and Mobasher, RecSys 2020)
===========================  =====================================================================================

Users with fewer than two items in ``L_u`` have no pair and do not count for the similarity; users with an empty ``P_u``
or ``L_u`` do not count for the lift. What no user counts for is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.ranking import exposure

BEYOND_ACCURACY = ("coverage", "gini", "cold_share", "tail_share", "intra_list_similarity", "popularity_lift")
"""The metrics by name, in the order in which they are shown."""

_VALUES_AT_ONCE = 2**24


@dataclass(frozen=True)
class BeyondAccuracy:
    """What these metrics need to know of users and items.

    Attributes:
        item_frequency: ``n_i``: training interactions of every item, integers ``[items]``.
        profile_popularity: Mean ``n_i`` over the training items of every user, float64 ``[users]``; NaN without any.
        directions: Unit vectors of the content of every item, float32 ``[items, F]``, as
            :func:`tf_metammf.features.content_directions.content_directions` gives them; None where there is no
            content, and then no similarity.

    Examples:
        >>> import numpy as np
        >>> measured = BeyondAccuracy(np.array([3, 1, 0]), np.array([3.0, 2.0]))
        >>> measured.metrics(np.array([[1, 2], [2, 0]]), [2])["cold_share@2"]
        0.5
    """

    item_frequency: NDArray[np.integer]
    profile_popularity: NDArray[np.float64]
    directions: NDArray[np.float32] | None = None

    def metrics(
        self,
        recommended: NDArray[np.integer],
        cutoffs: Sequence[int],
        *,
        members: NDArray[np.bool_] | None = None,
    ) -> dict[str, float]:
        """Metrics of the lists of users.

        Args:
            recommended: Items of every user, best first, ``[users, K]``; any number that is not a dense item id, such
                as the number of items, for a place that stayed empty.
            cutoffs: The values of ``k``; those above ``K`` count ``K`` places.
            members: bool ``[users]``: the users whose lists count; all by default.

        Returns:
            By ``"name@k"``, in the order of :data:`BEYOND_ACCURACY`, each at all cut-offs.
        """
        chosen = np.ones(len(recommended), bool) if members is None else members
        lists, profiles = recommended[chosen], self.profile_popularity[chosen]
        items = len(self.item_frequency)
        cold = exposure.shares_of_exposure(lists, self.item_frequency == 0, cutoffs)
        in_tail = exposure.long_tail(exposure.popularity_ranks(self.item_frequency))
        values: dict[str, Sequence[float | None]] = {
            "coverage": exposure.coverage(lists, items, cutoffs),
            "gini": [exposure.gini(exposure.exposure(lists[:, :k], items)) for k in cutoffs],
            "cold_share": cold,
            "tail_share": exposure.shares_of_exposure(lists, in_tail, cutoffs),
            "popularity_lift": [popularity_lift(lists[:, :k], self.item_frequency, profiles) for k in cutoffs],
        }
        if self.directions is not None:
            values["intra_list_similarity"] = [_mean(list_similarity(lists[:, :k], self.directions)) for k in cutoffs]
        return {
            f"{name}@{k}": float("nan") if value is None else value
            for name in BEYOND_ACCURACY
            if name in values
            for k, value in zip(cutoffs, values[name], strict=True)
        }


def profile_popularity(
    user: NDArray[np.integer], item: NDArray[np.integer], *, users: int, items: int
) -> NDArray[np.float64]:
    """Mean training interactions of the training items of every user, float64 ``[users]``; NaN without any.

    Args:
        user: Dense user ids of the training interactions, ``[n]``.
        item: Their dense item ids.
        users: Number of users.
        items: Number of items.
    """
    frequency = np.bincount(item, minlength=items)
    watched = np.bincount(user, minlength=users).astype(np.float64)
    watched[watched == 0] = np.nan
    popularity: NDArray[np.float64] = np.bincount(user, weights=frequency[item], minlength=users) / watched
    return popularity


def popularity_lift(
    lists: NDArray[np.integer], item_frequency: NDArray[np.integer], profiles: NDArray[np.float64]
) -> float:
    """How much more popular the lists are than what their users watched; NaN where no user counts.

    Args:
        lists: Items of every user, ``[users, k]``.
        item_frequency: Training interactions of every item, ``[items]``.
        profiles: Mean popularity of the training items of every user, ``[users]``; NaN without any.
    """
    filled = (lists >= 0) & (lists < len(item_frequency))
    counted = filled.any(axis=1) & np.isfinite(profiles)
    if not counted.any():
        return float("nan")
    popularity = np.where(filled, np.append(item_frequency, 0)[np.where(filled, lists, -1)], 0).sum(axis=1)
    shown = (popularity[counted] / filled.sum(axis=1)[counted]).mean()
    watched = profiles[counted].mean()
    return float((shown - watched) / watched)


def list_similarity(lists: NDArray[np.integer], directions: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean similarity of the pairs of items of every list, float64 ``[users]``; NaN for one with fewer than two.

    ``sum_{i != j} v_i . v_j = |sum_i v_i|^2 - sum_i |v_i|^2``, so time grows with the places and not with their pairs.

    Args:
        lists: Items of every user, ``[users, k]``.
        directions: Unit vectors, or zeros, of every item, float32 ``[items, F]``.
    """
    filled = (lists >= 0) & (lists < len(directions))
    count = filled.sum(axis=1)
    pairs = np.where(count > 1, count * (count - 1.0), np.nan)
    squares = (directions**2).sum(axis=1, dtype=np.float64)
    similarity = np.empty(len(lists))
    at_once = max(1, _VALUES_AT_ONCE // max(1, lists.shape[1] * directions.shape[1]))
    for first in range(0, len(lists), at_once):
        rows = slice(first, first + at_once)
        items = np.where(filled[rows], lists[rows], 0)
        vectors = directions[items] * filled[rows, :, np.newaxis]
        sums = (vectors.sum(axis=1, dtype=np.float64) ** 2).sum(axis=1)
        similarity[rows] = sums - (squares[items] * filled[rows]).sum(axis=1)
    return similarity / pairs


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
