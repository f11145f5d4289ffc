"""The plot of what users are shown: metrics beyond accuracy of the lists of each model."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tf_metammf.records.drawings import GROUND, INK
from tf_metammf.trainer.beyond_accuracy import ALL_USERS
from tf_metammf.trainer.comparison.beyond_accuracy import beyond_accuracy_names
from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.comparison.model_styles import ModelStyle

ROW = 0.24
"""Inches a model takes."""

_GROUP_MARKERS = "<>"
_COLUMNS = 3


def exposure_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws a panel for every metric and a row for every model: all users, and groups of users as hollow markers.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them, with metrics beyond
            accuracy.
        styles: Colours and markers.
    """
    models, names = results["models"], beyond_accuracy_names(results)
    groups = [group for group in next(iter(models.values()))["beyond_accuracy"] if group != ALL_USERS]
    rows, columns = -(-len(names) // _COLUMNS), min(_COLUMNS, len(names))
    figure = Figure(figsize=(7.4, 0.5 + rows * (0.75 + ROW * len(models))), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for metric, axes in zip(names, panels, strict=False):
        for place, (name, found) in enumerate(models.items()):
            _draw_model(axes, place, found["beyond_accuracy"], metric, groups=groups, style=styles[name])
        if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
            axes.axvline(0, color=INK, linewidth=0.8, alpha=0.6)
        axes.set_title(metric.partition("@")[0].replace("_", " "))
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(models)), list(map(plot_label, models)))
    axes.set_ylim(len(models) - 0.5, -0.5)
    for unused in panels:
        unused.set_visible(False)
    handles = [Line2D([], [], color=INK, marker="o", linestyle="", label=ALL_USERS)]
    for group, marker in zip(groups, _GROUP_MARKERS, strict=False):
        handles.append(Line2D([], [], color=INK, marker=marker, markerfacecolor=GROUND, linestyle="", label=group))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, handletextpad=0.2)
    return figure


def _draw_model(
    axes: Any, place: int, found: Mapping[str, Any], metric: str, *, groups: list[str], style: ModelStyle
) -> None:
    for group, marker in zip(groups, _GROUP_MARKERS, strict=False):
        value = found[group][metric]["mean"]
        if value is not None:
            axes.plot([value], [place], marker=marker, color=style.colour, markerfacecolor=GROUND, markersize=5)
    spread = found[ALL_USERS][metric]
    if spread["mean"] is not None:
        axes.errorbar([spread["mean"]], [place], xerr=spread["deviation"] or 0, fmt="o", color=style.colour)
