"""Plots of a comparison that take users and items apart: by activity, by modalities, warm against cold."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.comparison.model_styles import ModelStyle
from tf_metammf.trainer.comparison.plot_labels import label_places

ROW, LEAST_ROW = 0.13, 0.5
"""Inches a model takes in a group, and a group at least."""


def group_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle], kind: str) -> Figure:
    """Draws the compared metric of every group of a kind: a marker a model, with its deviation over seeds.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours and markers.
        kind: ``"users"`` or ``"items"``.
    """
    groups = [name for name, found in results["kinds_of_groups"].items() if found == kind]
    models, metric = results["models"], results["metric"]
    row = max(LEAST_ROW, ROW * (len(models) + 2))
    figure = Figure(figsize=(7.4, 1.0 + 0.22 * -(-len(models) // 3) + row * len(groups)), layout="constrained")
    axes = figure.subplots()
    for position, (name, found) in enumerate(models.items()):
        spreads = [found["groups"][group][metric] for group in groups]
        known = [place for place, spread in enumerate(spreads) if spread["mean"] is not None]
        axes.errorbar(
            [spreads[place]["mean"] for place in known],
            [place + ((position + 0.5) / len(models) - 0.5) * 0.7 for place in known],
            xerr=[spreads[place]["deviation"] or 0 for place in known],
            fmt=styles[name].marker,
            markersize=5,
            linewidth=1.2,
            color=styles[name].colour,
            label=plot_label(name),
        )
    axes.set_yticks(range(len(groups)), [f"{_short(group)}\n{results['groups'][group]:,} {kind}" for group in groups])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    for border in range(1, len(groups)):
        axes.axhline(border - 0.5, color=axes.xaxis.label.get_color(), alpha=0.15, linewidth=0.8)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel=metric, xlim=(-0.02 * axes.get_xlim()[1], None))
    figure.legend(loc="outside upper left", ncols=3, handletextpad=0.2)
    return figure


def has_warm_and_cold(results: Mapping[str, Any]) -> bool:
    """Whether every model has recall of warm and of cold items."""
    names = _warm_and_cold(results)
    of_models = [found["metrics"] for found in results["models"].values()]
    return all(name in metrics and metrics[name]["mean"] is not None for metrics in of_models for name in names)


def warm_cold_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws recall of cold items against that of warm ones: a point a model, with deviations over seeds.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours and markers.
    """
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    axes = figure.subplots()
    warm_name, cold_name = _warm_and_cold(results)
    places = {}
    for name, found in results["models"].items():
        warm, cold = found["metrics"][warm_name], found["metrics"][cold_name]
        axes.errorbar(
            warm["mean"],
            cold["mean"],
            xerr=warm["deviation"] or 0,
            yerr=cold["deviation"] or 0,
            fmt=styles[name].marker,
            markersize=6,
            linewidth=1.2,
            color=styles[name].colour,
        )
        places[name] = warm["mean"], cold["mean"]
    axes.set(xlabel=warm_name, ylabel=cold_name)
    axes.margins(0.08)
    label_places(axes, places, {name: style.colour for name, style in styles.items()})
    return figure


def _warm_and_cold(results: Mapping[str, Any]) -> tuple[str, str]:
    k = results["metric"].partition("@")[2]
    return f"warm/recall@{k}", f"cold/recall@{k}"


def _short(group: str) -> str:
    """The name of a group on two lines, where it has an explanation in brackets."""
    return group.replace(" (", "\n(")
