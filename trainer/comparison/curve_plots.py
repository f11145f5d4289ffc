"""Curves of a comparison: recall over the length of lists, and the validation metric over epochs and over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tf_metammf.trainer.comparison.model_styles import ModelStyle
from tf_metammf.trainer.comparison.plot_labels import label_places

LEAST_HEIGHT, OF_A_LABEL = 3.4, 0.17
"""Inches of a plot, and of each label at the ends of its lines."""


def recall_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws recall over K: a line is the mean over seeds, a ribbon reaches from the worst seed to the best.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours.
    """
    figure = Figure(figsize=(7.4, _height(results)), layout="constrained")
    axes = figure.subplots()
    ends = {}
    for name, found in results["models"].items():
        curves = np.array(found["recall_of_seeds"])
        ranks = np.arange(1, curves.shape[1] + 1)
        ends[name] = _draw_ribbon(axes, ranks, curves, styles[name].colour)
    axes.set(xlabel="K", ylabel="recall@K", ylim=(0, None))
    axes.set_xlim(1 if len(ranks) > 1 else 0.5, len(ranks))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    label_places(axes, ends, {name: style.colour for name, style in styles.items()})
    return figure


def training_plot(results: Mapping[str, Any], styles: Mapping[str, ModelStyle]) -> Figure:
    """Draws the validation metric over epochs, and over time, where models that are not trained are points.

    Lines and ribbons are those of :func:`recall_plot`, up to the last epoch that every seed has. Epochs of a model are
    taken as equally long: its mean time of training is spread over its mean number of epochs.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        styles: Colours and markers.
    """
    figure = Figure(figsize=(7.4, _height(results)), layout="constrained")
    over_epochs, over_time = figure.subplots(1, 2, sharey=True)
    ends = {}
    for name, found in results["models"].items():
        style, seconds = styles[name], found["seconds"]["mean"]
        curves = _common_epochs(found["validation_curves"])
        if curves.size:
            epochs = np.arange(1, curves.shape[1] + 1)
            _draw_ribbon(over_epochs, epochs, curves, style.colour)
            times = epochs * seconds / max(found["epochs"]["mean"], 1)
            ends[name] = _draw_ribbon(over_time, times, curves, style.colour)
        elif (reached := found["validation"][results["monitor"]]["mean"]) is not None:
            over_time.plot([seconds], [reached], color=style.colour, marker=style.marker)
            ends[name] = seconds, reached
    over_epochs.set(xlabel="epoch", ylabel=f"validation {results['monitor']}")
    over_epochs.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=6))
    over_time.set(xlabel="seconds of training", xlim=(0, None))
    label_places(over_time, ends, {name: style.colour for name, style in styles.items()})
    return figure


def _height(results: Mapping[str, Any]) -> float:
    return max(LEAST_HEIGHT, 0.8 + OF_A_LABEL * len(results["models"]))


def _common_epochs(curves: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """The curves as an array ``[seeds, epochs]``, NaN where a value is missing, as long as the shortest."""
    length = min(map(len, curves), default=0)
    return np.array([curve[:length] for curve in curves], float).reshape(len(curves), length)


def _draw_ribbon(axes: Any, across: NDArray[Any], curves: NDArray[np.float64], colour: str) -> tuple[float, float]:
    """Draws the curves ``[seeds, places]`` of a model, and returns where its line ends."""
    known = np.isfinite(curves).all(axis=0)
    across, curves = across[known], curves[:, known]
    if not len(across):
        return 0.0, 0.0
    middle = curves.mean(axis=0)
    if len(curves) > 1:
        axes.fill_between(across, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(across, middle, color=colour, linewidth=1.6, marker="." if len(across) == 1 else None)
    return float(across[-1]), float(middle[-1])
