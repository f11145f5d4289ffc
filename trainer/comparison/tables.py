"""Tables of a comparison: for people, for spreadsheets and for papers."""

import csv
import io
from collections.abc import Mapping
from typing import Any

SIGNIFICANT = 0.05


def columns(results: Mapping[str, Any]) -> list[str]:
    """Metrics of the main table: recall and NDCG at every cut-off, of all items, then of cold ones."""
    first = next(iter(results["models"].values()))
    names = [name for name in first["metrics"] if name.partition("@")[0] in ("recall", "ndcg")]
    return names + [name for name in first["metrics"] if name.partition("@")[0] == "cold/recall"]


def markdown(results: Mapping[str, Any]) -> str:
    """The main table as Markdown; the best mean of every column is bold, ``*`` marks a significant difference."""
    names = columns(results)
    lines = ["| model | " + " | ".join([*names, "p", "seconds", "parameters"]) + " |", "|---" * (len(names) + 4) + "|"]
    best = _best(results, names)
    for model, found in results["models"].items():
        cells = []
        for name in names:
            text = number(found["metrics"][name])
            cells.append(f"**{text}**" if best[name] == model else text)
        cells += [p_value(found["p_value"]), f"{found['seconds']['mean']:.0f}", f"{found['parameters']:,}"]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", note(results)]) + "\n"


def latex(results: Mapping[str, Any]) -> str:
    """The main table as LaTeX, for ``booktabs``."""
    names = columns(results)
    best = _best(results, names)
    heads = " & ".join(["Model", *(_escaped(name) for name in names), "$p$"])
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(names) + 1)}}}", r"\toprule", rf"{heads} \\", r"\midrule"]
    for model, found in results["models"].items():
        cells = [_escaped(model)]
        for name in names:
            spread = found["metrics"][name]
            text = f"{spread['mean']:.4f}" + (
                "" if spread["deviation"] is None else rf" $\pm$ {spread['deviation']:.4f}"
            )
            cells.append(rf"\textbf{{{text}}}" if best[name] == model else text)
        cells.append(p_value(found["p_value"]))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {note(results)}"]) + "\n"


def comma_separated(results: Mapping[str, Any]) -> str:
    """Every number of every seed: model, split or group, metric, seed, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "of", "metric", "seed", "value"])
    for model, found in results["models"].items():
        parts = {"test": found["metrics"], "validation": found["validation"], **found["groups"]}
        parts["run"] = {name: found[name] for name in ("seconds", "epochs")}
        for part, metrics in parts.items():
            for metric, spread in metrics.items():
                for seed, value in zip(results["seeds"], spread["values"], strict=False):
                    writer.writerow([model, part, metric, seed, value])
    return text.getvalue()


def number(spread: Mapping[str, Any]) -> str:
    """Mean and deviation."""
    if spread["mean"] is None:
        return ""
    return f"{spread['mean']:.4f}" + ("" if spread["deviation"] is None else f" ± {spread['deviation']:.4f}")


def p_value(value: float | None) -> str:
    """A p-value, with a star where it is significant."""
    if value is None:
        return ""
    return f"{value:.4f}" + ("*" if value < SIGNIFICANT else "")


def note(results: Mapping[str, Any]) -> str:
    """What the numbers are."""
    seeds, trials = len(results["seeds"]), results["trials"]
    searched = f"settings by {trials} trials on validation for each" if trials else "settings as given"
    over = f"mean ± deviation of {seeds} seeds" if seeds > 1 else "one seed"
    return (
        f"Test split, {over}, {searched}. p: {results['metric']} against the first model, "
        f"paired randomisation test over users, means over seeds; * below {SIGNIFICANT}."
    )


def _best(results: Mapping[str, Any], names: list[str]) -> dict[str, str]:
    models = results["models"]
    return {name: max(models, key=lambda model: models[model]["metrics"][name]["mean"] or 0.0) for name in names}


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else sign for sign in text)
