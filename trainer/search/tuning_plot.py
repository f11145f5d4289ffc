"""The plot of a search: the objective over trials and over every parameter."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_metammf.trainer.search.search_parameters import Choice, Parameter
from tf_metammf.trainer.search.search_space import SearchSpace
from tf_metammf.trainer.search.trial_records import TrialRecord, best_trial

COLUMNS = 3
SPREAD = 0.5
"""Width in which the points of one option of a choice lie beside each other, of the distance between options."""


def draw_trials(path: Path, records: Sequence[TrialRecord], space: SearchSpace, *, objective: str) -> None:
    """Draws the objective over the trials, with the best so far, and over every parameter that is searched.

    The shade of a point is the number of its trial, so that one sees where a search went.

    Args:
        path: The PNG file.
        records: The trials.
        space: The search space.
        objective: Name of the metric.

    Raises:
        InvalidInputError: No trial finished.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    finished = [(number, record) for number, record in enumerate(records) if record.state == "finished"]
    best = best_trial(records)
    rows = 1 + math.ceil(len(space.parameters) / COLUMNS)
    figure = Figure(figsize=(10, 2.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, COLUMNS)
    over_trials = figure.add_subplot(grid[0, :])
    _draw_over_trials(over_trials, records, finished, best=best, objective=objective)
    for place, (name, parameter) in enumerate(space.parameters.items()):
        axes = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS], sharey=over_trials)
        _draw_over_parameter(axes, name, parameter, finished, best=best, trials=len(records))
        if place % COLUMNS:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel(f"validation {objective}")
    figure.savefig(path, dpi=110)


def _draw_over_trials(
    axes: Any,
    records: Sequence[TrialRecord],
    finished: list[tuple[int, TrialRecord]],
    *,
    best: TrialRecord,
    objective: str,
) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers, values = [number for number, _ in finished], [record.value or 0.0 for _, record in finished]
    so_far = [max(values[: place + 1]) for place in range(len(values))]
    axes.step(
        [*numbers, len(records) - 1], [*so_far, so_far[-1]], where="post", color="tab:orange", label="best so far"
    )
    _scatter(axes, numbers, finished, trials=len(records), label="trial (darker: later)")
    failed = [number for number, record in enumerate(records) if record.state in ("failed", "diverged")]
    if failed:
        bottom = axes.get_xaxis_transform()
        axes.scatter(failed, [0.03] * len(failed), marker="x", color="tab:red", label="failed", transform=bottom)
    _mark_best(axes, numbers[[record for _, record in finished].index(best)], best)
    axes.set(xlabel="trial", ylabel=f"validation {objective}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1))
    axes.set_title(f"best: {best.value:.4f}, trial {best.trial_id}", loc="left", fontsize="medium")


def _draw_over_parameter(
    axes: Any,
    name: str,
    parameter: Parameter,
    finished: list[tuple[int, TrialRecord]],
    *,
    best: TrialRecord,
    trials: int,
) -> None:
    values = [record.parameters[name] for _, record in finished]
    if isinstance(parameter, Choice):
        options = list(parameter.options)
        places = [
            options.index(value) + SPREAD * (number / max(trials - 1, 1) - 0.5)
            for value, (number, _) in zip(values, finished, strict=True)
        ]
        axes.set_xticks(range(len(options)), [_label(option) for option in options])
        axes.set_xlim(-0.5, len(options) - 0.5)
        for border in range(1, len(options)):
            axes.axvline(border - 0.5, color="0.9", linewidth=0.8, zorder=0)
    else:
        places = [float(value) for value in values]
        if parameter.log:
            axes.set_xscale("log")
            margin = (parameter.high / parameter.low) ** 0.04
            axes.set_xlim(parameter.low / margin, parameter.high * margin)
        else:
            margin = 0.04 * (parameter.high - parameter.low)
            axes.set_xlim(parameter.low - margin, parameter.high + margin)
    _scatter(axes, places, finished, trials=trials)
    _mark_best(axes, places[[record for _, record in finished].index(best)], best)
    axes.set_xlabel(name)


def _scatter(
    axes: Any,
    places: Sequence[float],
    finished: list[tuple[int, TrialRecord]],
    *,
    trials: int,
    label: str | None = None,
) -> None:
    axes.scatter(
        places,
        [record.value for _, record in finished],
        c=[number for number, _ in finished],
        cmap="Blues",
        vmin=-0.6 * trials,
        vmax=trials,
        s=28,
        edgecolors="tab:blue",
        linewidths=0.6,
        label=label,
        zorder=2,
    )


def _mark_best(axes: Any, place: float, best: TrialRecord) -> None:
    axes.scatter([place], [best.value], s=110, facecolors="none", edgecolors="tab:orange", linewidths=1.8, zorder=3)


def _label(option: Any) -> str:
    return option if isinstance(option, str) else json.dumps(option)
