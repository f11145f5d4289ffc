r"""How recommendations are spread over the catalogue.

The *exposure* ``x_i`` of an item is the number of lists that it is in. Lists are integer arrays ``[users, K]``, best
first; a number outside 0 to ``count - 1`` is a place that stayed empty. With ``n`` items:

==================  =================================================================================
coverage            share of the items with ``x_i > 0`` (aggregate diversity: Adomavicius and Kwon, IEEE
                    TKDE 24(5), 2012)
Gini coefficient    ``sum_i (2 i - n - 1) x_(i) / (n sum_i x_i)``, ``x`` ascending: 0 where all items have the same
                    exposure, near 1 where one has all of it (Fleder and Hosanagar, Management Science 55(5), 2009)
share of a group    places that the group's items have / all places that are filled
==================  =================================================================================
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HEAD = 0.2
"""Share of the items, the most popular ones in training, that is not the long tail."""


def exposure(items: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    """How often each item is recommended.

    Args:
        items: Dense ids of the recommended items, any shape.
        count: Number of items of the catalogue.

    Returns:
        int64 ``[count]``.
    """
    return np.bincount(items[_is_filled(items, count)], minlength=count).astype(np.int64)


def lorenz_curve(exposures: NDArray[np.integer], points: int = 101) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The Lorenz curve of exposures: the share that the least exposed items have of all exposure.

    Args:
        exposures: How often each item is recommended, ``[items]``.
        points: Points of the curve, evenly spaced over the items. Defaults to 101.

    Returns:
        Shares of items and shares of exposure, float64 ``[points]`` each, from 0 to 1. Without any exposure the
        curve is the diagonal.
    """
    ordered = np.concatenate([[0], np.cumsum(np.sort(exposures), dtype=np.float64)])
    items = np.linspace(0, 1, points)
    if ordered[-1] == 0:
        return items, items
    return items, np.interp(items, np.linspace(0, 1, len(ordered)), ordered / ordered[-1])


def gini(exposures: NDArray[np.integer]) -> float:
    """The Gini coefficient of exposures, ``[items]``; 0 without any exposure."""
    ordered = np.sort(np.asarray(exposures, np.float64))
    count, total = len(ordered), ordered.sum()
    if total == 0:
        return 0.0
    return float(((2 * np.arange(1, count + 1) - count - 1) * ordered).sum() / (count * total))


def coverage(items: NDArray[np.integer], count: int, cutoffs: Sequence[int]) -> list[float]:
    """Share of the catalogue in the first ``k`` places of at least one user, for each ``k``.

    Args:
        items: Dense ids of the recommended items, ``[users, K]``, best first.
        count: Number of items of the catalogue.
        cutoffs: The values of ``k``.
    """
    return [float((exposure(items[:, :k], count) > 0).mean()) if count else 0.0 for k in cutoffs]


def shares_of_exposure(
    items: NDArray[np.integer], members: NDArray[np.bool_], cutoffs: Sequence[int]
) -> list[float | None]:
    """Share of the first ``k`` places that the members of a group of items have, for each ``k``.

    Args:
        items: As :func:`coverage` takes them.
        members: Which items belong to the group, ``[items]``.
        cutoffs: The values of ``k``.

    Returns:
        One share a cut-off; None where nothing is recommended.
    """
    found: list[float | None] = []
    for k in cutoffs:
        places = items[:, :k]
        shown = places[_is_filled(places, len(members))]
        found.append(float(members[shown].mean()) if len(shown) else None)
    return found


def popularity_ranks(frequency: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place of each item by training interactions, ``[items]``, from 1; of equal ones the first item is first."""
    ranks = np.empty(len(frequency), np.int64)
    ranks[np.argsort(-np.asarray(frequency, np.int64), kind="stable")] = np.arange(1, len(frequency) + 1)
    return ranks


def long_tail(ranks: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which items are in the long tail, by :func:`popularity_ranks`: all but the first :data:`HEAD` of them."""
    return ranks > HEAD * len(ranks)


def _is_filled(items: NDArray[np.integer], count: int) -> NDArray[np.bool_]:
    return (items >= 0) & (items < count)
