"""Metrics as a table beside popularity and a random ranking: a row a metric and kind of items, a column a cut-off."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from tf_metammf.records.console import make_console, print_table, visible
from tf_metammf.trainer.runs.references import RANKINGS, References, describe_counts


def print_metrics(
    metrics: Mapping[str, Mapping[str, float]],
    references: Mapping[str, References],
    *,
    title: str,
    beside: int | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """Prints the metrics of every split, and what is behind them.

    Args:
        metrics: Such as ``{"test": {"recall@20": 0.11, "cold/recall@20": 0.02}}``.
        references: By split; a split without has a table without them, as for runs of an earlier version.
        title: Heading of the tables.
        beside: The cut-off at which popularity and a random ranking stand beside the model; None, or one that is not
            there, for the largest.
        only: Metrics to print, such as ``["recall", "ndcg"]``; None prints all.
    """
    for split, values in metrics.items():
        _print_split(values, references.get(split), title=f"{title}, {split} split", beside=beside, only=only)


def print_preferences(found: Mapping[str, Any]) -> None:
    """Prints what the best weights and their reference make of held-out preferences, a row for each metric.

    Args:
        found: Contents of ``preferences.json`` of a run directory.
    """
    table = Table(title=f"{found['held_out']:,} preferences that were held out", title_justify="left")
    table.add_column("metric")
    for name in ("reference", "model"):
        table.add_column(name, justify="right")
    for metric, value in found["model"].items():
        table.add_row(metric.replace("_", " "), f"{found['reference'][metric]:.4f}", f"{value:.4f}")
    print_table(table)


def print_beyond_accuracy(
    found: Mapping[str, Mapping[str, Mapping[str, float]]], *, title: str, beside: int | None = None
) -> None:
    """Prints metrics beyond accuracy, a row for each and each group of users.

    Args:
        found: Of ``"model"`` and ``"popularity"``, by group and name such as ``"gini@20"``.
        title: Heading of the table.
        beside: As :func:`print_metrics` takes it.
    """
    cutoffs = sorted({int(name.partition("@")[2]) for values in found["model"].values() for name in values})
    beside = beside if beside in cutoffs else cutoffs[-1]
    table = Table(title=visible(title), title_justify="left")
    for heading in ("users", "metric"):
        table.add_column(heading)
    for heading in (*(f"@{cutoff}" for cutoff in cutoffs), f"popularity\n@{beside}"):
        table.add_column(heading, justify="right")
    for group, values in found["model"].items():
        for name in dict.fromkeys(name.partition("@")[0] for name in values):
            numbers = [values[f"{name}@{cutoff}"] for cutoff in cutoffs]
            numbers.append(found["popularity"][group][f"{name}@{beside}"])
            cells = ["" if math.isnan(number) else f"{number:.4f}" for number in numbers]
            table.add_row(group, name.replace("_", " "), *cells)
    print_table(table)


def print_side_by_side(found: Mapping[str, Mapping[str, float]], *, title: str, cutoff: int) -> None:
    """Prints a column for each of several rankings and a row for each metric, at one cut-off.

    Args:
        found: Metrics by name, such as ``"cold/recall@20"``, by ranking.
        title: Heading of the table.
        cutoff: The cut-off; the largest there is where it is not among them.
    """
    first = next(iter(found.values()))
    cutoffs = sorted({int(name.partition("@")[2]) for name in first})
    shown = cutoff if cutoff in cutoffs else cutoffs[-1]
    table = Table(title=visible(title), title_justify="left")
    table.add_column(f"@{shown}")
    for ranking in found:
        table.add_column(ranking, justify="right")
    for name in first:
        metric, _, at = name.partition("@")
        if int(at) == shown:
            table.add_row(metric.replace("_", " "), *(f"{values[name]:.4f}" for values in found.values()))
    print_table(table)


def _print_split(
    values: Mapping[str, float],
    references: References | None,
    *,
    title: str,
    beside: int | None,
    only: Sequence[str] | None,
) -> None:
    cutoffs = sorted({int(name.partition("@")[2]) for name in values})
    if not cutoffs:
        return
    beside = beside if beside in cutoffs else cutoffs[-1]
    others = {} if references is None else {name: getattr(references, name) for name in RANKINGS}
    table = Table(title=visible(title), title_justify="left")
    for heading in ("items", "metric"):
        table.add_column(heading)
    for cutoff in cutoffs:
        table.add_column(f"@{cutoff}", justify="right")
    for name in others:
        table.add_column(f"{name}\n@{beside}", justify="right")
    for row in dict.fromkeys(name.partition("@")[0] for name in values):
        kind, _, metric = row.rpartition("/")
        if only is None or metric in only:
            cells = [values.get(f"{row}@{cutoff}") for cutoff in cutoffs]
            cells += [other.get(f"{row}@{beside}") for other in others.values()]
            table.add_row(
                (kind or "all").replace("_", " "), metric, *("" if cell is None else f"{cell:.4f}" for cell in cells)
            )
    print_table(table)
    if references is not None:
        for line in describe_counts(references.counts):
            make_console().print(line, style="dim", soft_wrap=True)
