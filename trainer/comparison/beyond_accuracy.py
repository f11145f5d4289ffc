"""Metrics beyond accuracy in the tables of a comparison."""

from collections.abc import Mapping
from typing import Any

from tf_metammf.ranking.beyond_accuracy import BEYOND_ACCURACY
from tf_metammf.trainer.beyond_accuracy import ALL_USERS
from tf_metammf.trainer.comparison.model_names import markdown_text
from tf_metammf.trainer.comparison.tables import number


def beyond_accuracy_names(results: Mapping[str, Any]) -> list[str]:
    """The metrics that there are, at the cut-off that models are compared at; none in results of an earlier version."""
    k = results["metric"].partition("@")[2]
    found = next(iter(results["models"].values())).get("beyond_accuracy", {}).get(ALL_USERS, {})
    return [f"{name}@{k}" for name in BEYOND_ACCURACY if f"{name}@{k}" in found]


def beyond_accuracy_heads(results: Mapping[str, Any]) -> list[str]:
    """Heads of the columns."""
    return ["model", "users", *(name.replace("_", " ") for name in beyond_accuracy_names(results))]


def beyond_accuracy_rows(results: Mapping[str, Any], *, by_group: bool = True) -> list[list[str]]:
    """A row for every model and group of users, or for all users alone."""
    names = beyond_accuracy_names(results)
    return [
        [model, group, *(number(metrics[name]) for name in names)]
        for model, found in results["models"].items()
        for group, metrics in found.get("beyond_accuracy", {}).items()
        if by_group or group == ALL_USERS
    ]


def beyond_accuracy_means(results: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Means over seeds of the lists of all users, by model and metric, without the cut-off in its name."""
    names = beyond_accuracy_names(results)
    return {
        model: {name.partition("@")[0]: found["beyond_accuracy"][ALL_USERS][name]["mean"] for name in names}
        for model, found in results["models"].items()
        if names
    }


def beyond_accuracy_markdown(results: Mapping[str, Any]) -> str:
    """The rows of all users as Markdown; empty for results of an earlier version."""
    if not beyond_accuracy_names(results):
        return ""
    heads = beyond_accuracy_heads(results)
    rows = [[markdown_text(row[0]), *row[1:]] for row in beyond_accuracy_rows(results, by_group=False)]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
