"""All plots of a comparison that its numbers are enough for, in the order in which they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.trainer.comparison.beyond_accuracy import beyond_accuracy_names
from tf_metammf.trainer.comparison.cost_plot import cost_plot, is_measured
from tf_metammf.trainer.comparison.curve_plots import recall_plot, training_plot
from tf_metammf.trainer.comparison.exposure_plot import exposure_plot
from tf_metammf.trainer.comparison.forest_plot import forest_caption, forest_plot
from tf_metammf.trainer.comparison.group_plots import group_plot, has_warm_and_cold, warm_cold_plot
from tf_metammf.trainer.comparison.model_styles import model_styles
from tf_metammf.trainer.comparison.tables import difference_text


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        heading: Its heading.
        explanation: What is drawn.
        figure: The drawing.
        alternative: What is seen, for those who do not see it; empty where the explanation is enough.
    """

    heading: str
    explanation: str
    figure: Figure
    alternative: str = ""


def comparison_plots(results: Mapping[str, Any]) -> dict[str, Plot]:
    """Plots by file name, those for which there are numbers.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
    """
    metric, styles, several = results["metric"], model_styles(results), len(results["seeds"]) > 1
    lines = "; lines: standard deviation over seeds" if several else ""
    ribbons = "Lines: means over seeds; ribbons: from the worst seed to the best." if several else "A single seed."
    plots: dict[str, Plot] = {}
    if any(found["reference"] is not None for found in results["models"].values()):
        heading = "Differences from the reference"
        plots["differences"] = Plot(
            heading, forest_caption(results), forest_plot(results, styles), _differences(results)
        )
    for kind, explanation in (
        ("users", "Users by their training interactions, cut at the median"),
        ("items", "Only items of the group count as found, in the ranking of all"),
    ):
        if kind in results["kinds_of_groups"].values():
            heading = f"Groups of {kind}"
            seen = f"{explanation}{lines}."
            plots[f"groups_of_{kind}"] = Plot(heading, seen, group_plot(results, styles, kind), _groups(results, kind))
    if has_warm_and_cold(results):
        explanation = f"Recall of items with and without training interactions, in the ranking of all{lines}."
        plots["warm_cold"] = Plot("Warm against cold items", explanation, warm_cold_plot(results, styles))
    if beyond_accuracy_names(results):
        explanation = (
            f"Lists of {metric.partition('@')[2]} items. Filled: all users{lines}. Hollow: rare and active users."
        )
        plots["beyond_accuracy"] = Plot("What users are shown", explanation, exposure_plot(results, styles))
    plots["recall"] = Plot("Recall over the length of lists", ribbons, recall_plot(results, styles))
    explanation = f"{ribbons} On the right epochs are taken as equally long, and points are models without epochs."
    plots["training"] = Plot("Accuracy over training", explanation, training_plot(results, styles))
    memory = (
        "Memory: the largest resident memory of the process while it trained, TensorFlow included, over all seeds."
        if is_measured(results)
        else "Memory is estimated: it was not measured for every training."
    )
    plots["cost"] = Plot(f"{metric} against cost", memory, cost_plot(results, styles))
    return plots


def _differences(results: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name} minus {found['reference']} {difference_text(results, name)}"
        for name, found in results["models"].items()
        if found["reference"] is not None
    )


def _groups(results: Mapping[str, Any], kind: str) -> str:
    parts = []
    for group in (name for name, found in results["kinds_of_groups"].items() if found == kind):
        means = {name: found["groups"][group][results["metric"]]["mean"] for name, found in results["models"].items()}
        known = {name: mean for name, mean in means.items() if mean is not None}
        if known:
            best = max(known, key=lambda name: known[name])
            parts.append(f"{group}, {results['groups'][group]:,} {kind}: {best} is highest with {known[best]:.4f}")
    return "; ".join(parts)
