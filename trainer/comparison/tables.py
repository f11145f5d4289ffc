"""Tables of a comparison, for people and for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from tf_metammf.trainer.comparison.model_names import markdown_text
from tf_metammf.trainer.comparison.significance import FEWEST_USERS

SIGNIFICANT = 0.05


def columns(results: Mapping[str, Any]) -> list[str]:
    """Metrics of the main table: recall and NDCG at every cut-off, of all items, then of cold ones."""
    first = next(iter(results["models"].values()))
    names = [name for name in first["metrics"] if name.partition("@")[0] in ("recall", "ndcg")]
    return names + [name for name in first["metrics"] if name.partition("@")[0] == "cold/recall"]


def markdown(results: Mapping[str, Any]) -> str:
    """The main table as Markdown; the best mean of every column is bold, ``*`` marks a significant difference."""
    names, best = columns(results), best_models(results)
    heads = ["model", *names, *map(markdown_text, difference_heads(results)), "seconds", "parameters"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for model, found in results["models"].items():
        cells = [markdown_text(model)]
        for name in names:
            text = number(found["metrics"][name])
            cells.append(f"**{text}**" if best.get(name) == model else text)
        *named, difference, p = difference_cells(results, model)
        cells += [*map(markdown_text, named), difference, p]
        cells += [f"{found['seconds']['mean']:.0f}", f"{found['parameters']:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    for label, cells in untrained_rows(results, names):
        row = [markdown_text(label), *cells, *[""] * (len(heads) - 1 - len(cells))]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join([*lines, "", markdown_text(note(results))]) + "\n"


def comma_separated(results: Mapping[str, Any]) -> str:
    """Every number of every seed: model, split or group, metric, seed, value; differences have no seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "of", "metric", "seed", "value"])
    for model, found in results["models"].items():
        parts = {"test": found["metrics"], "validation": found["validation"], **found["groups"]}
        parts |= {f"lists of {group}": metrics for group, metrics in found.get("beyond_accuracy", {}).items()}
        parts["run"] = {name: found[name] for name in ("seconds", "epochs")}
        for part, metrics in parts.items():
            for metric, spread in metrics.items():
                for seed, value in zip(results["seeds"], spread["values"], strict=True):
                    if value is not None:
                        writer.writerow([model, part, metric, seed, value])
        if found["reference"] is not None:
            numbers = {name: found["difference"][name] for name in ("mean", "low", "high")}
            numbers |= {name: found[name] for name in ("p_value", "p_holm")}
            for name, value in numbers.items():
                if value is not None:
                    part = f"{results['metric']} minus {found['reference']}"
                    writer.writerow([model, part, name, "", value])
    for name, metrics in results.get("untrained", {}).items():
        for metric, value in metrics.items():
            writer.writerow([f"{name} (untrained)", "test", metric, "", value])
    return text.getvalue()


def untrained_rows(results: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Rows for rankings that need no training, for below the models: a label, and a cell for each of the metrics.

    Results of an earlier version have none.
    """
    return [
        (f"{name} (untrained)", ["" if metrics.get(each) is None else f"{metrics[each]:.4f}" for each in names])
        for name, metrics in results.get("untrained", {}).items()
    ]


def best_models(results: Mapping[str, Any]) -> dict[str, str]:
    """The model with the largest mean of every metric of the main table that has a number."""
    found = {}
    for name in columns(results):
        means = {model: content["metrics"][name]["mean"] for model, content in results["models"].items()}
        known = {model: mean for model, mean in means.items() if mean is not None}
        if known:
            found[name] = max(known, key=lambda model: known[model])
    return found


def number(spread: Mapping[str, Any]) -> str:
    """Mean and deviation."""
    if spread["mean"] is None:
        return ""
    return f"{spread['mean']:.4f}" + ("" if spread["deviation"] is None else f" ± {spread['deviation']:.4f}")


def difference_heads(results: Mapping[str, Any]) -> list[str]:
    """Heads of the columns that compare a model with its reference, which is named unless a row names its own."""
    references = references_of(results)
    if len(references) == 1:
        return [f"{results['metric']} minus {references[0]} [95 %]", "p (Holm)"]
    return ["reference", f"{results['metric']} minus reference [95 %]", "p (Holm)"]


def difference_cells(results: Mapping[str, Any], model: str) -> list[str]:
    """A model in these columns: the difference with its interval, and the corrected p-value, ``*`` if significant."""
    found = results["models"][model]
    single = len(references_of(results)) == 1
    if found["reference"] is None:
        return ["reference", ""] if single else ["", "", ""]
    p = p_value_text(found["p_holm"]) + ("*" if is_significant(found) else "")
    return [*([] if single else [found["reference"]]), difference_text(results, model), p]


def difference_text(results: Mapping[str, Any], model: str) -> str:
    """The difference of a model that has a reference, with its interval where there is one."""
    mean, low, high = (results["models"][model]["difference"][name] for name in ("mean", "low", "high"))
    return f"{mean:+.4f}" + ("" if low is None else f" [{low:+.4f}, {high:+.4f}]")


def p_value_text(p_value: float | None) -> str:
    """A p-value with four decimals; empty where there is none."""
    return "" if p_value is None else f"{p_value:.4f}" if p_value >= 0.0001 else "< 0.0001"


def is_significant(model: Mapping[str, Any]) -> bool:
    """Whether a model of the results differs from its reference, by the corrected p-value."""
    return model["p_holm"] is not None and model["p_holm"] < SIGNIFICANT


def references_of(results: Mapping[str, Any]) -> list[str]:
    """References in the table, each once."""
    found = (model["reference"] for model in results["models"].values())
    return list(dict.fromkeys(name for name in found if name is not None))


def note(results: Mapping[str, Any]) -> str:
    """What the numbers are."""
    seeds, trials = len(results["seeds"]), results["trials"]
    searched = f"settings by {trials} trials on validation for each" if trials else "settings as given"
    if trials and (unsearched := [name for name, found in results["models"].items() if not found["searched"]]):
        searched += f" (nothing to search: {', '.join(unsearched)})"
    over = f"mean ± deviation of {seeds} seeds" if seeds > 1 else "one seed"
    compared = [found for found in results["models"].values() if found["reference"] is not None]
    tests = sum(found["p_value"] is not None for found in compared)
    users = min((found["difference"]["users"] for found in compared), default=0)
    covers = "users and seeds" if seeds > 1 else "users, not seeds, of which there is one"
    text = f"Test split, {over}, {searched}. Difference: {results['metric']} minus that of the reference"
    if len(references_of(results)) == 1:
        text += f", {references_of(results)[0]}"
    if users < FEWEST_USERS:
        return f"{text}; with {users} users there is no interval and no p-value, which take at least {FEWEST_USERS}."
    correction = f"with Holm's correction for {tests} tests; " if tests > 1 else ""
    return (
        f"{text}, with the 95 % confidence interval over {covers} ({users:,} users). "
        f"p: of no difference, {correction}* below {SIGNIFICANT}."
    )
