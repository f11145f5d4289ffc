"""Plots as files: PNG to show, CSV to compute with."""

import csv
import io

from tf_metammf.explorer.health import Plot

COLOURS = ("#3b6fd4", "#d9822b", "#7a7a85")


def as_png(plot: Plot) -> bytes:
    """A plot as PNG, 1600 pixels wide, on white."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(8, 5), dpi=200, layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(plot.curves):
        even = curve.name == "even"
        heights = [float("nan") if height is None else height for height in curve.up]
        axes.plot(
            curve.across,
            heights,
            label=_literal(curve.name),
            color="#9a9aa3" if even else COLOURS[number % len(COLOURS)],
            linestyle="--" if even else "-",
            linewidth=1.2 if even else 2,
        )
    axes.set_title(plot.title, loc="left", fontsize=13)
    axes.set(xlabel=plot.across, ylabel=plot.up, ylim=(0, None))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    if plot.percent:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.set(xlim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6ea", linewidth=0.8)
    axes.legend(frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def as_csv(plot: Plot) -> str:
    """The numbers of a plot as CSV: one row a point, with the name of its line."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["model", plot.across, plot.up])
    for curve in plot.curves:
        for across, up in zip(curve.across, curve.up, strict=True):
            rows.writerow([_harmless(curve.name), across, "" if up is None else up])
    return text.getvalue()


def _literal(name: str) -> str:
    """A name without what matplotlib would take for mathematics, or for a line to leave out."""
    return name.replace("$", r"\$").lstrip("_") or "model"


def _harmless(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@") else name
