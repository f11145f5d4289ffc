"""How a model spreads what it shows: the numbers behind the plots of the page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.survey import PLACES, Survey
from tf_metammf.ranking.exposure import HEAD, coverage, exposure, gini, long_tail, lorenz_curve, shares_of_exposure

CUTOFFS = (1, 2, 3, 5, 10, 15, 20, 30, 40, 50)
EXPOSED_PLACES = 20
"""First places that count as exposure in the Lorenz curve and the Gini coefficient."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    name: str
    across: list[float]
    up: list[float | None]


@dataclass(frozen=True)
class Plot:
    """A plot: its lines, and the names of its axes.

    Attributes:
        title: What it shows.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
        curves: Its lines.
        percent: Whether both axes are shares; otherwise the vertical one alone.
    """

    title: str
    across: str
    up: str
    curves: list[Curve]
    percent: bool = False


def plots(models: list[AskedModel], surveys: list[Survey]) -> dict[str, Plot]:
    """All plots by name, with one line for each model."""
    lorenz, covered, cold, tail = [], [], [], []
    for model, survey in zip(models, surveys, strict=True):
        catalogue, count = model.catalogue, len(model.catalogue.item_ids)
        cutoffs = [k for k in CUTOFFS if k <= survey.items.shape[1]]
        items, shares = lorenz_curve(exposure(survey.items[:, :EXPOSED_PLACES], count))
        lorenz.append(Curve(model.name, items.tolist(), shares.tolist()))
        across = [float(k) for k in cutoffs]
        covered.append(Curve(model.name, across, list(coverage(survey.items, count, cutoffs))))
        cold.append(Curve(model.name, across, shares_of_exposure(survey.items, catalogue.is_cold, cutoffs)))
        in_tail = long_tail(catalogue.popularity_ranks)
        tail.append(Curve(model.name, across, shares_of_exposure(survey.items, in_tail, cutoffs)))
    even = Curve("even", [0.0, 1.0], [0.0, 1.0])
    return {
        "lorenz": Plot(
            f"Exposure in the first {EXPOSED_PLACES} places",
            "share of the videos, least shown first",
            "share of all places",
            [*lorenz, even],
            percent=True,
        ),
        "coverage": Plot("Coverage", "first k places", "videos shown to any user", covered),
        "cold": Plot("Cold videos", "first k places", "share of the places", cold),
        "tail": Plot(f"Long tail (all but the {HEAD:.0%} most watched)", "first k places", "share of the places", tail),
    }


def summary(model: AskedModel, survey: Survey) -> dict[str, Any]:
    """The numbers of a model beside its plots, and the metrics of its model card."""
    catalogue, count = model.catalogue, len(model.catalogue.item_ids)
    shown = survey.items[:, :EXPOSED_PLACES]
    exposures = exposure(shown, count)
    return {
        "name": model.name,
        "version": model.version,
        "surveyed": len(survey.users),
        "population": survey.population,
        "gini": gini(exposures),
        "gini_of_training": gini(catalogue.popularity),
        "coverage": coverage(survey.items, count, [EXPOSED_PLACES])[0],
        "cold": shares_of_exposure(shown, catalogue.is_cold, [EXPOSED_PLACES])[0],
        "cold_of_catalogue": float(catalogue.is_cold.mean()) if count else None,
        "tail": shares_of_exposure(shown, long_tail(catalogue.popularity_ranks), [EXPOSED_PLACES])[0],
        "metrics": metrics_of(model.folder),
    }


def metrics_of(version: Path | None) -> list[dict[str, Any]]:
    """Recall and NDCG of the test split by group of items, with those of popularity, from the model card."""
    if version is None:
        return []
    try:
        card = json.loads((version / "assets.extra" / "model_card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    metrics = (card.get("metrics") or {}).get("test") or {}
    popularity = ((card.get("references") or {}).get("test") or {}).get("popularity") or {}
    shown = [name for name in metrics if name.rpartition("/")[2].startswith(("recall@", "ndcg@"))]
    return [
        {
            "group": name.rpartition("/")[0] or "all",
            "metric": name.rpartition("/")[2],
            "value": _finite(metrics[name]),
            "popularity": _finite(popularity.get(name)),
        }
        for name in shown
    ]


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


__all__ = ["CUTOFFS", "PLACES", "Curve", "Plot", "metrics_of", "plots", "summary"]
