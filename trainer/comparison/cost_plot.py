"""The plot of what the models of a comparison cost: time and memory of a training."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.trainer.comparison.model_styles import ModelStyle
from tf_metammf.trainer.comparison.plot_labels import label_places


def cost_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws the compared metric over seconds of training, and over memory.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours and markers.
    """
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    over_time, over_memory = figure.subplots(1, 2, sharey=True)
    places = {}
    for name, found in results["models"].items():
        accuracy, seconds = found["metrics"][results["metric"]], found["seconds"]
        drawn = {"yerr": accuracy["deviation"] or 0, "fmt": styles[name].marker, "color": styles[name].colour}
        over_time.errorbar(seconds["mean"], accuracy["mean"], xerr=seconds["deviation"] or 0, **drawn)
        places[name] = memory_mib(results, name), accuracy["mean"]
        over_memory.errorbar(*places[name], **drawn)
    over_time.set(xlabel="seconds of training", ylabel=results["metric"])
    over_memory.set(xlabel=f"memory, MiB, {'measured' if is_measured(results) else 'estimated'}")
    for axes in (over_time, over_memory):
        axes.set_xlim(0, 1.06 * axes.dataLim.x1)
    label_places(over_memory, places, {name: style.colour for name, style in styles.items()})
    return figure


def is_measured(results: Mapping[str, Any]) -> bool:
    """Whether the memory of every model was measured; with a single one that was not, all are estimates."""
    return all(found.get("peak_memory_bytes") is not None for found in results["models"].values())


def memory_mib(results: Mapping[str, Any], model: str) -> float:
    """Memory of a training of a model: the largest that its process had resident, or an estimate."""
    found = results["models"][model]
    return float(found["peak_memory_bytes" if is_measured(results) else "memory_bytes"]) / 2**20
