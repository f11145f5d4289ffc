"""How two rankings of the same users agree."""

import numpy as np
from numpy.typing import NDArray

PERSISTENCE = 0.9
"""Of rank-biased overlap: how likely a reader is to look at the next place."""


def overlap(first: NDArray[np.integer], second: NDArray[np.integer], k: int) -> NDArray[np.float64]:
    """Share of the first ``k`` places that both rankings fill with the same items, in any order, ``[users]``.

    Args:
        first: Items of one ranking, ``[users, K]``, best first; negative where there is none.
        second: Items of the other.
        k: Places.
    """
    one, other = first[:, :k], second[:, :k]
    shared = (one[:, :, None] == other[:, None, :]) & (one >= 0)[:, :, None]
    places = np.maximum(1, np.maximum((one >= 0).sum(1), (other >= 0).sum(1)))
    return shared.any(2).sum(1) / places


def rank_biased_overlap(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.float64]:
    """Rank-biased overlap, ``[users]``: 1 for the same ranking, 0 for rankings without a shared item.

    ``(1 - p) sum_d p^(d-1) A_d / (1 - p^K)`` with the overlap ``A_d`` of the first ``d`` places and ``p`` =
    :data:`PERSISTENCE`, so first places count most (Webber, Moffat, Zobel, ACM TOIS 28(4), 2010; cut off at K).

    Args:
        first: As :func:`overlap` takes them.
        second: As :func:`overlap` takes them.
    """
    depth = min(first.shape[1], second.shape[1])
    weights = PERSISTENCE ** np.arange(depth)
    total = sum(weights[d - 1] * overlap(first, second, d) for d in range(1, depth + 1))
    return np.asarray(total / weights.sum() if depth else np.zeros(len(first)))


def rank_correlation(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.float64]:
    """Kendall's tau over the items that both rankings of a user have, ``[users]``; NaN where they share less than two.

    Args:
        first: As :func:`overlap` takes them.
        second: As :func:`overlap` takes them.
    """
    found = np.full(len(first), np.nan)
    for user, (one, other) in enumerate(zip(first, second, strict=True)):
        _, in_one, in_other = np.intersect1d(one[one >= 0], other[other >= 0], return_indices=True)
        pairs = len(in_one) * (len(in_one) - 1) / 2
        if pairs:
            signs = np.sign(in_one[:, None] - in_one) * np.sign(in_other[:, None] - in_other)
            found[user] = np.triu(signs, 1).sum() / pairs
    return found
