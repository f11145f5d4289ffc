"""The plot of a training run."""

import csv
import math
from typing import Any

from tf_metammf.trainer.runs.references import read_references
from tf_metammf.trainer.runs.run_directory import RunDirectory


def draw_training_curve(run: RunDirectory, *, monitor: str) -> None:
    """Draws loss and monitored validation metric over the epochs into ``training_curve.png``.

    A thin line shows the same metric of popularity. All words stand outside of the axes, where they cover no curve.

    Args:
        run: A run directory with a history.
        monitor: The validation metric, e.g. ``"ndcg@20"``.
    """
    with run.history_file.open(encoding="utf-8", newline="") as lines:
        history = list(csv.DictReader(lines))
    if not history:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [int(row["epoch"]) + 1 for row in history]
    loss = [_number(row["loss"]) for row in history]
    metric = [_number(row.get(f"val_{monitor}", "")) for row in history]
    figure = Figure(figsize=(7, 4))
    # Margins that a layout would find, in twice the time: it draws everything once more.
    figure.subplots_adjust(left=0.12, right=0.87, bottom=0.13, top=0.84)
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    right = left.twinx()
    curves: list[Any] = []
    if any(math.isfinite(value) for value in loss):
        curves += left.plot(epochs, loss, color="tab:blue", marker=".", label="training loss")
    else:
        left.set_yticks([])
    reached = [(value, epoch) for value, epoch in zip(metric, epochs, strict=True) if math.isfinite(value)]
    label = f"validation {monitor}"
    if reached:
        best_value, best_epoch = max(reached, key=lambda pair: pair[0])
        label += f", best {best_value:.4f} in epoch {best_epoch}"
        right.axvline(best_epoch, color="grey", linestyle=":", linewidth=1)
    curves += right.plot(epochs, metric, color="tab:orange", marker=".", label=label)
    references = read_references(run).get("validation")
    popularity = None if references is None else references.popularity.get(monitor)
    if popularity is not None:
        label = f"popularity {popularity:.4f}"
        curves.append(right.axhline(popularity, color="tab:green", linestyle="--", linewidth=0.8, label=label))
    left.set(xlabel="epoch", ylabel="training loss" if curves[0].axes is left else "")
    left.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    right.set_ylabel(f"validation {monitor}")
    figure.legend(handles=curves, loc="upper center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(run.training_curve_file, dpi=120)


def _number(text: str) -> float:
    """The number, or NaN where the epoch has none: CSVLogger writes NA then."""
    return float("nan") if text in ("", "NA") else float(text)
