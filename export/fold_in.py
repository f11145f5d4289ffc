"""A linear map from a user's items to the embedding that training would have given."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

USERS_AT_MOST = 20_000
"""Users that the regression is made from, drawn at random where there are more."""


def fold_in_weights(histories: NDArray[np.float64], users: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge regression of the embeddings of known users on the means of the embeddings of their items.

    ``argmin_W sum_u |e_u - [h_u; 1] W|^2 + p |W - [s I; 0]|^2`` with ``s = sum_u h_u . e_u / sum_u |h_u|^2``, the
    best multiple of the mean itself, and ``p = (d + 1) / n`` times the mean of the diagonal of ``sum_u [h_u; 1] [h_u;
    1]^T``: the fewer users there are for each weight, the closer it stays to a multiple of the mean.

    Args:
        histories: ``h``, ``[n, d]``.
        users: ``e``, ``[n, d]``.

    Returns:
        ``W``, ``[d + 1, d]``.
    """
    with_one = np.column_stack([histories, np.ones(len(histories))])
    width = with_one.shape[1]
    length = float(np.sum(histories**2))
    scale = float(np.sum(histories * users)) / length if length else 1.0
    prior = np.vstack([scale * np.eye(width - 1), np.zeros((1, width - 1))])
    products = with_one.T @ with_one
    # At least a trace of a penalty, which keeps the equations solvable where there are no users to learn from.
    penalty = max(np.trace(products) / max(1, len(users)), 1e-6)
    weights: NDArray[np.float64] = prior + np.linalg.solve(
        products + penalty * np.eye(width), with_one.T @ (users - with_one @ prior)
    )
    return weights


def history_means(
    users: NDArray[np.integer], items: NDArray[np.integer], values: NDArray[np.floating], *, of: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Means of the values of the distinct items of some users.

    Args:
        users: Dense user ids of the interactions, ``[m]``.
        items: Their dense item ids, ``[m]``.
        values: By dense item id, ``[items, d]``.
        of: Dense ids of the users, ascending, ``[n]``.

    Returns:
        float64 ``[n, d]``; zeros for a user without interactions.
    """
    row = np.searchsorted(of, users)
    wanted = np.append(of, -1)[row] == users
    pairs = np.unique(np.stack([row[wanted], np.asarray(items)[wanted]], axis=1), axis=0)
    means = np.zeros((len(of), values.shape[1]))
    splits = np.searchsorted(pairs[:, 0], np.arange(len(of) + 1))
    for number, (first, last) in enumerate(pairwise(splits)):
        if last > first:
            means[number] = values[pairs[first:last, 1]].mean(axis=0, dtype=np.float64)
    return means
