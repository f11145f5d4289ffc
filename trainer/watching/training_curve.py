"""The plot of a training run."""

import csv

from tf_metammf.trainer.runs.run_directory import RunDirectory


def draw_training_curve(run: RunDirectory, *, monitor: str) -> None:
    """Draws loss and monitored validation metric over the epochs into ``training_curve.png``.

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
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    right = left.twinx()
    left.plot(epochs, loss, color="tab:blue", marker=".", label="training loss")
    right.plot(epochs, metric, color="tab:orange", marker=".", label=f"validation {monitor}")
    reached = [(value, epoch) for value, epoch in zip(metric, epochs, strict=True) if value == value]
    if reached:
        best_value, best_epoch = max(reached, key=lambda pair: pair[0])
        right.axvline(best_epoch, color="grey", linestyle=":", linewidth=1)
        before = best_epoch > len(epochs) / 2
        right.annotate(
            f"{best_value:.4f}, epoch {best_epoch}",
            (best_epoch, 0.04),
            (-5 if before else 5, 0),
            xycoords=right.get_xaxis_transform(),
            textcoords="offset points",
            horizontalalignment="right" if before else "left",
        )
    left.set(xlabel="epoch", ylabel="training loss")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_ylabel(f"validation {monitor}")
    figure.legend(handles=[*left.lines[:1], *right.lines[:1]], loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(run.training_curve_file, dpi=120)


def _number(text: str) -> float:
    """The number, or NaN where the epoch has none: CSVLogger writes NA then."""
    return float("nan") if text in ("", "NA") else float(text)
