"""Plots of a comparison."""

import csv
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.trainer.comparison.comparison_directory import Comparison
from tf_metammf.trainer.comparison.model_names import plot_label
from tf_metammf.trainer.comparison.tables import columns

HEIGHT = 0.32
"""Inches a bar takes."""


def comparison_plots(comparison: Comparison, results: Mapping[str, Any]) -> dict[str, tuple[str, Figure]]:
    """All plots by file name: what each shows, and the figure."""
    metric = results["metric"]
    ablated = _ablated(results)
    plots = {
        "metrics": ("Metrics of the test split; lines are the deviation over seeds", _metrics(results)),
        "recall": ("Recall over K", _recall(results)),
        "groups": (f"{metric} of groups of users and items", _groups(results)),
        "cost": (f"{metric} over training time, and over memory; the memory is estimated", _cost(results)),
        "training": ("Validation metric over epochs, every seed", _training(comparison, results)),
    }
    if ablated:
        explanation = "change against the model with all modalities; lines are the deviation over seeds"
        plots["modalities"] = (f"{metric} with fewer modalities; {explanation}", _modalities(results, ablated))
    return plots


def _ablated(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """By model its variations with fewer modalities, which :mod:`tf_metammf.trainer.comparison.ablations` names so."""
    found: dict[str, list[str]] = {}
    for name in results["models"]:
        base, _, label = name.rpartition(", ")
        fewer = label.endswith(" alone") or label.startswith(("without ", "no content"))
        if base in results["models"] and fewer and label != "static kernel alone":
            found.setdefault(base, []).append(name)
    return found


def _interval(model: Mapping[str, Any], base: str) -> list[list[float]] | None:
    """How far the interval of a model's difference from another reaches down and up; None where there is none."""
    difference = model["difference"]
    if model["reference"] != base or difference is None or difference["low"] is None:
        return None
    return [[difference["mean"] - difference["low"]], [difference["high"] - difference["mean"]]]


def _modalities(results: Mapping[str, Any], ablated: Mapping[str, list[str]]) -> Figure:
    metric, bars = results["metric"], sum(map(len, ablated.values()))
    figure = Figure(figsize=(8, 1 + HEIGHT * bars), layout="constrained")
    panel = figure.subplots()
    labels: list[str] = []
    for base, names in ablated.items():
        whole = results["models"][base]["metrics"][metric]["mean"] or 0
        for name in names:
            change = (results["models"][name]["metrics"][metric]["mean"] or 0) - whole
            colour = "tab:red" if change < 0 else "tab:green"
            interval = _interval(results["models"][name], base)
            panel.barh(len(labels), change, xerr=interval, color=colour, height=0.7)
            labels.append(plot_label(name))
    panel.set_yticks(range(len(labels)), labels)
    panel.invert_yaxis()
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set(xlabel=f"change of {metric}, 95 % interval")
    panel.grid(axis="x", alpha=0.3)
    return figure


def _colours(results: Mapping[str, Any]) -> dict[str, Any]:
    from matplotlib import colormaps

    palette = colormaps["tab10" if len(results["models"]) <= 10 else "tab20"]
    return {name: palette(position % palette.N) for position, name in enumerate(results["models"])}


def _metrics(results: Mapping[str, Any]) -> Figure:
    names = columns(results)
    rows = -(-len(names) // 3)
    figure = Figure(figsize=(11, rows * (0.9 + HEIGHT * len(results["models"]))), layout="constrained")
    panels = figure.subplots(rows, min(3, len(names)), squeeze=False, sharey=True).flat
    colours = _colours(results)
    for panel, name in zip(panels, names, strict=False):
        for place, (model, found) in enumerate(results["models"].items()):
            spread = found["metrics"][name]
            panel.barh(place, spread["mean"] or 0, xerr=spread["deviation"] or 0, color=colours[model], height=0.7)
        panel.set(title=name)
        panel.locator_params(axis="x", nbins=4)
        panel.set_yticks(range(len(results["models"])), list(map(plot_label, results["models"])))
        panel.grid(axis="x", alpha=0.3)
    for panel in list(panels):
        panel.set_visible(False)
    panel.invert_yaxis()
    return figure


def _recall(results: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel, colours = figure.subplots(), _colours(results)
    for model, found in results["models"].items():
        panel.plot(range(1, len(found["recall"]) + 1), found["recall"], color=colours[model], label=plot_label(model))
    panel.set(xlabel="K", ylabel="recall@K", ylim=(0, None))
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    return figure


def _groups(results: Mapping[str, Any]) -> Figure:
    groups, metric = list(results["groups"]), results["metric"]
    figure = Figure(figsize=(9, 1 + len(groups) * (0.3 + 0.2 * len(results["models"]))), layout="constrained")
    panel, colours = figure.subplots(), _colours(results)
    height = 0.8 / len(results["models"])
    for position, (model, found) in enumerate(results["models"].items()):
        spreads = [found["groups"][group][metric] for group in groups]
        places = [place + (position + 0.5) * height - 0.4 for place in range(len(groups))]
        panel.barh(
            places,
            [spread["mean"] or 0 for spread in spreads],
            xerr=[spread["deviation"] or 0 for spread in spreads],
            height=height * 0.9,
            color=colours[model],
            label=plot_label(model),
        )
    panel.set_yticks(range(len(groups)), [f"{group}: {results['groups'][group]:,}" for group in groups])
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.set(xlabel=metric)
    panel.grid(axis="x", alpha=0.3)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _cost(results: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(11, 4), layout="constrained")
    colours, metric = _colours(results), results["metric"]
    over_time, over_memory = figure.subplots(1, 2, sharey=True)
    for model, found in results["models"].items():
        accuracy, seconds = found["metrics"][metric], found["seconds"]
        style = {"yerr": accuracy["deviation"] or 0, "fmt": "o", "color": colours[model], "label": plot_label(model)}
        over_time.errorbar(seconds["mean"], accuracy["mean"], xerr=seconds["deviation"] or 0, **style)
        over_memory.errorbar(found["memory_bytes"] / 2**20, accuracy["mean"], **style)
    over_time.set(xlabel="training, s", ylabel=metric)
    over_memory.set(xlabel="memory, MiB")
    for panel in (over_time, over_memory):
        panel.grid(alpha=0.3)
    over_memory.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _training(comparison: Comparison, results: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    panel, colours = figure.subplots(), _colours(results)
    monitor = comparison.models[0].run(comparison.seeds[0]).configuration.evaluation.monitor
    for model in comparison.models:
        for position, seed in enumerate(comparison.seeds):
            with model.run(seed).history_file.open(encoding="utf-8", newline="") as lines:
                values = [float(row[f"val_{monitor}"]) for row in csv.DictReader(lines) if row.get(f"val_{monitor}")]
            label = plot_label(model.name) if position == 0 else None
            panel.plot(
                range(1, len(values) + 1), values, color=colours[model.name], alpha=0.7, linewidth=1, label=label
            )
    panel.set(xlabel="epoch", ylabel=f"validation {monitor}")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)
    return figure
