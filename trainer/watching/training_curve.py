"""The plot of a training run."""

import csv
import math
from typing import Any

from tf_metammf.trainer.runs.references import read_references
from tf_metammf.trainer.runs.run_directory import RunDirectory


def draw_training_curve(run: RunDirectory, *, monitor: str) -> None:
    """Draws the loss above the monitored validation metric, over the epochs, into ``training_curve.png``.

    A dashed line is the same metric of popularity, a dotted one the best epoch. All words stand outside of the axes,
    where they cover no curve. A model that is not trained has no loss, and no plot.

    Args:
        run: A run directory with a history.
        monitor: The validation metric, e.g. ``"ndcg@20"``.
    """
    with run.history_file.open(encoding="utf-8", newline="") as lines:
        history = list(csv.DictReader(lines))
    loss = [_number(row["loss"]) for row in history]
    if not any(map(math.isfinite, loss)):
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) + 1 for row in history]
    metric = [_number(row.get(f"val_{monitor}", "")) for row in history]
    figure = Figure(figsize=(7, 5))
    # Margins that a layout would find, in twice the time: it draws everything once more.
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.1, top=0.93, hspace=0.24)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    marker = "." if len(epochs) <= 60 else None
    above.plot(epochs, loss, color="tab:blue", marker=marker, label="training loss")
    _draw_metric(below, epochs, metric, monitor=monitor, marker=marker)
    references = read_references(run).get("validation")
    popularity = None if references is None else references.popularity.get(monitor)
    if popularity is not None:
        below.axhline(popularity, color="grey", linestyle="--", linewidth=1, label=f"popularity {popularity:.4f}")
    below.set(xlabel="epoch", xlim=(min(epochs) - 0.5, max(epochs) + 0.5))
    below.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1), borderaxespad=0.2, ncols=2, frameon=False, fontsize="small"
        )
    figure.savefig(run.training_curve_file, dpi=120)


def _draw_metric(axes: Any, epochs: list[int], metric: list[float], *, monitor: str, marker: str | None) -> None:
    label = f"validation {monitor}"
    reached = [(value, epoch) for value, epoch in zip(metric, epochs, strict=True) if math.isfinite(value)]
    if reached:
        best_value, best_epoch = max(reached, key=lambda pair: pair[0])
        label += f", best {best_value:.4f} in epoch {best_epoch}"
        axes.axvline(best_epoch, color="grey", linestyle=":", linewidth=1)
    axes.plot(epochs, metric, color="tab:orange", marker=marker, label=label)


def _number(text: str) -> float:
    """The number, or NaN where the epoch has none: CSVLogger writes NA then."""
    return float("nan") if text in ("", "NA") else float(text)
