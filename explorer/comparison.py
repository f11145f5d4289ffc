"""Two models side by side: for one user, and over all of them."""

from typing import Any

import numpy as np

from tf_metammf.explorer.agreement import overlap, rank_biased_overlap, rank_correlation
from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.cards import number_or_none
from tf_metammf.explorer.health import Curve, Plot
from tf_metammf.explorer.survey import Survey

CUTOFFS = (5, 10, 20, 50)
BINS = 10
COMPARED_ITEMS = 200
SEED = 0


def places(first: list[str], second: list[str]) -> list[dict[str, Any]]:
    """What becomes of each item between two rankings: its place in both, from 1, or None where it has none.

    Args:
        first: Raw ids, best first.
        second: Raw ids of the other ranking.

    Returns:
        One entry an item, in the order of its best place.
    """
    in_first = {raw: place for place, raw in enumerate(first, 1)}
    in_second = {raw: place for place, raw in enumerate(second, 1)}
    far = len(first) + len(second)
    items = sorted(
        in_first | in_second,
        key=lambda raw: (min(in_first.get(raw, far), in_second.get(raw, far)), raw not in in_first),
    )
    return [{"id": raw, "first": in_first.get(raw), "second": in_second.get(raw)} for raw in items]


def agreement_of_surveys(
    models: tuple[AskedModel, AskedModel], surveys: tuple[Survey, Survey]
) -> dict[str, Any] | None:
    """How two models agree, over the users of both surveys; None where there are none.

    Items are matched by raw id.
    """
    users = [
        {model.catalogue.user_ids[user]: row for row, user in enumerate(survey.users)}
        for model, survey in zip(models, surveys, strict=True)
    ]
    shared = [raw for raw in users[0] if raw in users[1]]
    if not shared:
        return None
    first = surveys[0].items[[users[0][raw] for raw in shared]].astype(np.int64)
    second = _translated(models, surveys[1].items[[users[1][raw] for raw in shared]])
    overlaps = {k: overlap(first, second, k) for k in CUTOFFS}
    correlations = rank_correlation(first, second)
    correlated = np.isfinite(correlations)
    return {
        "users": len(shared),
        "overlap": {str(k): float(values.mean()) for k, values in overlaps.items()},
        "histogram": np.histogram(overlaps[20], bins=BINS, range=(0, 1))[0].tolist(),
        "rank_biased_overlap": float(rank_biased_overlap(first, second).mean()),
        "kendall_tau": float(correlations[correlated].mean()) if correlated.any() else None,
        "most_changed": _most_changed(shared, overlaps[20]),
    }


def agreement_plot(agreement: dict[str, Any], name: str) -> Plot:
    """How many users keep how much of their first 20 places, as a plot."""
    middles = [(bin + 0.5) / BINS for bin in range(BINS)]
    users = [count / agreement["users"] for count in agreement["histogram"]]
    title = "Share of the first 20 that users keep"
    return Plot(
        title, "share of the first 20 that both models have", "share of the users", [Curve(name, middles, users)]
    )


def drift(models: tuple[AskedModel, AskedModel]) -> dict[str, Any]:
    """What differs between two models themselves: their users and items, and which items are alike.

    Neighbours are those of :data:`COMPARED_ITEMS` shared items, drawn with a fixed seed.
    """
    first, second = (model.catalogue for model in models)
    shared = [raw for raw in first.item_ids if raw in second.item_numbers]
    found: dict[str, Any] = {
        "items": {"both": len(shared), "first": len(first.item_ids), "second": len(second.item_ids)},
        "users": {
            "both": sum(raw in second.user_numbers for raw in first.user_ids),
            "first": len(first.user_ids),
            "second": len(second.user_ids),
        },
        "neighbours": None,
    }
    if first.item_directions is None or second.item_directions is None or len(shared) < 12:
        return found
    chosen = np.random.default_rng(SEED).permutation(len(shared))[:COMPARED_ITEMS]
    some = [shared[position] for position in chosen]
    nearest = []
    for catalogue, directions in ((first, first.item_directions), (second, second.item_directions)):
        numbers, candidates = catalogue.numbers_of(some), catalogue.numbers_of(shared)
        cosines = directions[numbers] @ directions[candidates].T
        cosines[np.arange(len(some)), chosen] = -np.inf
        nearest.append(np.argpartition(-cosines, 10, axis=1)[:, :10])
    found["neighbours"] = number_or_none(overlap(nearest[0], nearest[1], 10).mean())
    return found


def _translated(models: tuple[AskedModel, AskedModel], items: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Items of the second model in the numbers of the first; below -1 where that has none of them."""
    first, second = (model.catalogue for model in models)
    number = np.array([first.item_numbers.get(raw, -2 - own) for own, raw in enumerate(second.item_ids)] + [-1])
    # An item that only one model has still fills a place.
    number[number < -1] = len(first.item_ids) - number[number < -1]
    return number[items]


def _most_changed(users: list[str], overlaps: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    order = np.argsort(overlaps, kind="stable")[:8]
    return [{"id": users[user], "overlap": float(overlaps[user])} for user in order]
