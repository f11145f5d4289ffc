"""Plots of a comparison that show what accuracy is bought with: cold items, and what users are shown."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.trainer.comparison.beyond_accuracy import beyond_accuracy_names
from tf_metammf.trainer.comparison.model_names import plot_label

HEIGHT = 0.24
"""Inches a bar takes."""

Captioned = tuple[str, Figure]


def exposure_plots(results: Mapping[str, Any]) -> dict[str, Captioned]:
    """Plots by file name: what each shows, and the figure; those for which there are numbers."""
    k = results["metric"].partition("@")[2]
    plots = {}
    if _has_both_kinds(results, k):
        explanation = "recall of each kind of item in the ranking of all; lines are the deviation over seeds"
        plots["warm_cold"] = (f"Warm against cold items; {explanation}", _warm_against_cold(results, k))
    if beyond_accuracy_names(results):
        explanation = "of the lists of all users, rare ones and active ones; lines are the deviation over seeds"
        plots["beyond_accuracy"] = (f"What users are shown; {explanation}", _beyond_accuracy(results))
    return plots


def _has_both_kinds(results: Mapping[str, Any], k: str) -> bool:
    names = [f"{kind}/recall@{k}" for kind in ("warm", "cold")]
    of_models = [found["metrics"] for found in results["models"].values()]
    return all(name in metrics and metrics[name]["mean"] is not None for metrics in of_models for name in names)


def _warm_against_cold(results: Mapping[str, Any], k: str) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel = figure.subplots()
    for model, found in results["models"].items():
        warm, cold = (found["metrics"][f"{kind}/recall@{k}"] for kind in ("warm", "cold"))
        panel.errorbar(
            warm["mean"], cold["mean"], xerr=warm["deviation"] or 0, yerr=cold["deviation"] or 0, fmt="o", capsize=2
        )
        panel.annotate(
            plot_label(model), (warm["mean"], cold["mean"]), xytext=(5, 4), textcoords="offset points", fontsize=8
        )
    panel.set(xlabel=f"warm/recall@{k}", ylabel=f"cold/recall@{k}")
    panel.margins(0.12)
    panel.grid(alpha=0.3)
    return figure


def _beyond_accuracy(results: Mapping[str, Any]) -> Figure:
    from matplotlib import colormaps

    models, names = results["models"], beyond_accuracy_names(results)
    groups = list(next(iter(models.values()))["beyond_accuracy"])
    rows = -(-len(names) // 3)
    size = (11, rows * (0.9 + HEIGHT * len(models) * len(groups)) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, min(3, len(names)), squeeze=False, sharey=True).flat
    palette, height = colormaps["tab10"], 0.8 / len(groups)
    for panel, name in zip(panels, names, strict=False):
        for position, group in enumerate(groups):
            spreads = [found["beyond_accuracy"][group][name] for found in models.values()]
            panel.barh(
                [place + (position + 0.5) * height - 0.4 for place in range(len(models))],
                [spread["mean"] or 0 for spread in spreads],
                xerr=[spread["deviation"] or 0 for spread in spreads],
                height=height * 0.9,
                color=palette(position),
                label=group,
            )
        panel.axvline(0, color="black", linewidth=0.6)
        panel.set(title=name.replace("_", " "))
        panel.locator_params(axis="x", nbins=4)
        panel.set_yticks(range(len(models)), list(map(plot_label, models)))
        panel.grid(axis="x", alpha=0.3)
    panel.set_ylim(len(models) - 0.5, -0.5)
    for unused in list(panels):
        unused.set_visible(False)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=len(groups), frameon=False)
    return figure
