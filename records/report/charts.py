"""The plots of a report on data, as SVG whose words are text and whose ink is the colour of the page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tf_metammf.records.drawings import INK, drawing_style, page_svg
from tf_metammf.records.report.data_report import HEAD, DataReport
from tf_metammf.records.report.timeline import SECOND_UNITS, Timeline

COLOURS = {"train": "#4c78a8", "validation": "#e49444", "test": "#54a24b"}
"""Of the splits, on light and dark pages alike."""

_OTHER = "#9d755d"


def charts(report: DataReport) -> dict[str, str]:
    """Draws what there is to draw.

    Args:
        report: The report.

    Returns:
        SVG by name: "over_time", "new", "popularity", "degrees" and "modalities"; those that have nothing to show are
        left out.
    """
    drawings: dict[str, Callable[[Any], None]] = {}
    times = report.timeline
    if times is not None:
        drawings["over_time"] = lambda axes: _over_time(axes, times)
        if len(times.on_new_items) > 1:
            drawings["new"] = lambda axes: _new(axes, times)
    drawings["popularity"] = lambda axes: _popularity(axes, report)
    drawings["degrees"] = lambda axes: _degrees(axes, report.degrees)
    if report.modality_sets and report.description.modalities:
        drawings["modalities"] = lambda axes: _modalities(axes, report)
    return {name: _drawn(draw, name=name) for name, draw in drawings.items()}


def _drawn(draw: Callable[[Any], None], *, name: str) -> str:
    with drawing_style():
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        draw(figure.add_subplot())
        return page_svg(figure, title=name)


def _over_time(axes: Any, times: Timeline) -> None:
    starts = _places(times)
    below = np.zeros(len(starts) - 1)
    for name, counts in times.interactions.items():
        axes.bar(
            starts[:-1], counts, width=np.diff(starts), bottom=below, align="edge", color=_colour(name), label=name
        )
        below += counts
    _time_axis(axes, times)
    axes.set_ylabel(f"interactions a {times.period}" if times.period else "interactions")
    _legend(axes)


def _new(axes: Any, times: Timeline) -> None:
    starts = _places(times)
    middles = (starts[1:-1] + starts[2:]) / 2
    for values, label, colour in (
        (times.on_new_items, "on items first seen in the period", COLOURS["train"]),
        (times.of_new_users, "of users first seen in the period", COLOURS["validation"]),
    ):
        axes.plot(middles, values[1:], color=colour, marker=".", label=label)
    _time_axis(axes, times)
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("interactions")
    _legend(axes)


def _popularity(axes: Any, report: DataReport) -> None:
    curve = report.popularity_curve
    axes.plot(np.linspace(0, 1, len(curve)), curve, color=COLOURS["train"])
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.3, linewidth=1, linestyle="--")
    axes.plot([HEAD], [report.head_share], color=COLOURS["train"], marker="o")
    axes.annotate(
        f"{HEAD:.0%} of the items have {report.head_share:.0%}",
        (HEAD, report.head_share),
        xytext=(8, -12),
        textcoords="offset points",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="items, the most popular first", ylabel="training interactions", xlim=(0, 1), ylim=(0, 1.02))


def _degrees(axes: Any, degrees: Mapping[str, tuple[tuple[int, int], ...]]) -> None:
    for name, colour in (("users", COLOURS["validation"]), ("items", COLOURS["train"])):
        pairs = np.array([pair for pair in degrees[name] if pair[0] > 0], float).reshape(-1, 2)
        # How many have at least as many: smooth where single numbers are rare.
        at_least = pairs[::-1, 1].cumsum()[::-1]
        axes.plot(pairs[:, 0], at_least, color=colour, label=name, drawstyle="steps-post")
    axes.set(xscale="log", yscale="log", xlabel="training interactions, at least", ylabel="users or items")
    _legend(axes)


def _modalities(axes: Any, report: DataReport) -> None:
    sets = report.modality_sets[:8]
    total = sum(count for _, count in report.modality_sets)
    labels = [" + ".join(names) or "none" for names, _ in sets]
    shares = [count / max(1, total) for _, count in sets]
    colours = [COLOURS["train"] if names else _OTHER for names, _ in sets]
    bars = axes.barh(range(len(sets)), shares, color=colours, height=0.6)
    axes.bar_label(bars, [f"{count:,}" for _, count in sets], padding=4)
    axes.set_yticks(range(len(sets)), labels)
    axes.set_ylim(max(3, len(sets)) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel="items that have exactly these modalities", xlim=(0, 1.12))


def _places(times: Timeline) -> Any:
    """Where periods are on the axis: dates as days since 1970, other numbers as they are."""
    starts = np.array(times.starts, float)
    return starts / SECOND_UNITS[times.unit] / 86_400 if times.unit else starts


def _time_axis(axes: Any, times: Timeline) -> None:
    if times.unit:
        axes.xaxis_date(tz=UTC)
    else:
        axes.set_xlabel("time, as the data have it")


def date_of(time: int, unit: str) -> str:
    """A time as a date in UTC, or as a number where it is not a date."""
    return f"{datetime.fromtimestamp(time / SECOND_UNITS[unit], UTC):%Y-%m-%d}" if unit else f"{time:,}"


def _colour(split: str) -> str:
    return COLOURS.get(split, _OTHER)


def _legend(axes: Any) -> None:
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
