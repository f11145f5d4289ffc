"""The forest plot of a comparison: by how much each model differs from its reference, and how sure that is."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tf_metammf.records.drawings import GROUND, INK
from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.comparison.model_styles import ModelStyle
from tf_metammf.trainer.comparison.tables import difference_text, is_significant

ROW = 0.34
"""Inches a model takes."""


def forest_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws a row for every model below the reference that it is compared with, best first.

    A marker is the mean difference, filled where its corrected p-value is significant; a line the 95 % interval; a
    small dot the difference of a seed; the band :func:`seed_noise`, around no difference.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours and markers.
    """
    rows = _rows(results)
    figure = Figure(figsize=(7.4, 0.8 + ROW * len(rows)), layout="constrained")
    axes = figure.subplots()
    noise = seed_noise(results)
    if noise is not None:
        axes.axvspan(-noise, noise, color=INK, alpha=0.08, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (name, compared) in enumerate(rows):
        if compared:
            _draw_difference(axes, place, results["models"][name], _seed_differences(results, name), styles[name])
        else:
            _draw_seeds(axes, place, _own_differences(results, name), styles[name])
    axes.set_yticks(range(len(rows)), [plot_label(name) for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{results['metric']} minus that of the reference")
    texts = axes.secondary_yaxis("right")
    texts.set_yticks(
        range(len(rows)), [difference_text(results, name) if compared else "reference" for name, compared in rows]
    )
    texts.tick_params(length=0)
    texts.spines["right"].set_visible(False)
    return figure


def forest_caption(results: Mapping[str, Any]) -> str:
    """What is in the plot."""
    noise = seed_noise(results)
    text = "Markers: mean difference, filled where it is significant; lines: 95 % intervals"
    if noise is None:
        return f"{text}."
    return (
        f"{text}; dots: single seeds. Band: ± {noise:.4f}, one standard deviation over seeds, pooled over the models; "
        "a difference inside it can be luck with a seed."
    )


def seed_noise(results: Mapping[str, Any]) -> float | None:
    """The standard deviation of the compared metric over seeds, pooled over the models; None with a single seed.

    The root of the mean variance of the models whose seeds differ: those that draw no random number say nothing.
    """
    deviations = [found["metrics"][results["metric"]]["deviation"] for found in results["models"].values()]
    variances = [deviation**2 for deviation in deviations if deviation]
    return math.sqrt(sum(variances) / len(variances)) if variances else None


def _rows(results: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Names of the rows, and whether a row is a difference or a reference that heads those below."""
    models = results["models"]
    headed: dict[str, list[str]] = {}
    for name, found in models.items():
        if found["reference"] is not None:
            headed.setdefault(found["reference"], []).append(name)
    rows: list[tuple[str, bool]] = []
    for reference in sorted(headed, key=results["order"].index):
        rows += [(reference, False), *((name, True) for name in headed[reference])]
    return rows


def _draw_difference(axes: Any, place: int, found: Mapping[str, Any], of_seeds: list[float], style: ModelStyle) -> None:
    difference = found["difference"]
    if difference["low"] is not None:
        axes.plot([difference["low"], difference["high"]], [place, place], color=style.colour, linewidth=2)
    _draw_seeds(axes, place, of_seeds, style)
    axes.plot(
        [difference["mean"]],
        [place],
        marker=style.marker,
        markersize=7,
        markeredgewidth=1.6,
        color=style.colour,
        markerfacecolor=style.colour if is_significant(found) else GROUND,
    )


def _draw_seeds(axes: Any, place: int, values: list[float], style: ModelStyle) -> None:
    if len(values) > 1:
        axes.plot(values, np.full(len(values), place + 0.24), ".", color=style.colour, markersize=4.5, alpha=0.8)


def _seed_differences(results: Mapping[str, Any], name: str) -> list[float]:
    own = results["models"][name]
    other = results["models"][own["reference"]]
    values = (each["metrics"][results["metric"]]["values"] for each in (own, other))
    return [a - b for a, b in zip(*values, strict=True) if a is not None and b is not None]


def _own_differences(results: Mapping[str, Any], name: str) -> list[float]:
    """How far the seeds of a reference are from their mean."""
    spread = results["models"][name]["metrics"][results["metric"]]
    return [] if spread["mean"] is None else [value - spread["mean"] for value in spread["values"] if value is not None]
