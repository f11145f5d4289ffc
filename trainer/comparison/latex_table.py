"""The table of a comparison as LaTeX that fits a column of a paper, for ``booktabs`` and ``siunitx`` 3."""

from collections.abc import Mapping, Sequence
from typing import Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.trainer.comparison.model_names import latex_text
from tf_metammf.trainer.comparison.significance import FEWEST_USERS
from tf_metammf.trainer.comparison.tables import SIGNIFICANT, is_significant, references_of

_DECIMALS = 4


def latex(results: Mapping[str, Any], *, record_set: str, metrics: Sequence[str] | None = None) -> str:
    """A ``table`` with a caption and a row for every model.

    A number such as ``0.1221(12)`` is the mean and, in units of its last digits, the deviation over seeds; a
    difference has half the width of its 95 % interval in the same place, which lies evenly around it. The best of
    every metric is bold.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        record_set: Name of the data.
        metrics: What to show; by default the compared metric, with recall and NDCG at its cut-off.

    Raises:
        InvalidInputError: A metric is not one of the results.
    """
    shown = list(metrics or default_metrics(results))
    require_metrics(results, shown)
    references = references_of(results)
    named = len(references) > 1
    models, untrained = results["models"], results.get("untrained", {})
    best = {name: _best(results, name) for name in shown}
    rows = [
        [
            latex_text(model),
            *(_metric_cell(found["metrics"][name], bold=best[name] == model) for name in shown),
            _difference_cell(found),
            *([latex_text(found["reference"] or "")] if named else []),
        ]
        for model, found in models.items()
    ]
    for label, values in untrained.items():
        numbers = [_number(values.get(name)) for name in shown]
        rows.append([f"{latex_text(label)} (untrained)", *numbers, "{}", *([""] if named else [])])
    heads = ["Model", *(f"{{{latex_text(_head(name))}}}" for name in shown), r"{$\Delta$}"]
    heads += ["against"] if named else []
    formats = [_format([found["metrics"][name]["deviation"] for found in models.values()]) for name in shown]
    margins = [_margin(found["difference"]) for found in models.values()]
    columns = [f"S[table-format={each}]" for each in formats]
    columns.append(f"S[table-format=+{_format(margins)}, table-space-text-post={{*}}]")
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs} and \usepackage{siunitx}, version 3 or later.",
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            r"\sisetup{mode=text, reset-text-series=false, retain-explicit-plus}",
            rf"\caption{{{_caption(results, record_set, shown)}}}",
            rf"\label{{tab:{_label(record_set)}}}",
            rf"\begin{{tabular}}{{@{{}}l{' '.join(columns)}{'l' if named else ''}@{{}}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def default_metrics(results: Mapping[str, Any]) -> list[str]:
    """Recall and NDCG at the cut-off that models are compared at."""
    k = results["metric"].partition("@")[2]
    return [f"recall@{k}", f"ndcg@{k}"]


def require_metrics(results: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Refuses metrics that a model of the results does not have.

    Raises:
        InvalidInputError: One is unknown; the message has those that are known.
    """
    known = next(iter(results["models"].values()))["metrics"]
    if unknown := [name for name in metrics if name not in known]:
        raise InvalidInputError(
            f"metrics: found {', '.join(unknown)}, expected some of {', '.join(known)}. Choose among these, or "
            "evaluate at more cut-offs with evaluation.k."
        )


def _caption(results: Mapping[str, Any], record_set: str, metrics: Sequence[str]) -> str:
    seeds = len(results["seeds"])
    over = f", mean and standard deviation of {seeds} seeds in the last digits" if seeds > 1 else ", one seed"
    references = references_of(results)
    reference = f"from {references[0]}" if len(references) == 1 else "from the model named beside it"
    users = min(
        (found["difference"]["users"] for found in results["models"].values() if found["difference"]), default=0
    )
    text = f"{', '.join(map(_head, metrics))} on the test split of {record_set}{over}."
    delta = f"difference of {_head(results['metric'])} {reference}"
    tested = (
        ""
        if users < FEWEST_USERS
        else (
            f", with half the width of its 95 % interval over {'users and seeds' if seeds > 1 else 'users'}; "
            f"*: p < {SIGNIFICANT} (Holm)"
        )
    )
    return rf"{latex_text(text)} $\Delta$: {latex_text(delta + tested)}."


def _head(metric: str) -> str:
    """``ndcg@20`` as papers write it."""
    return metric.replace("ndcg", "NDCG").replace("recall", "Recall").replace("precision", "Precision")


def _label(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name)


def _best(results: Mapping[str, Any], metric: str) -> str | None:
    means = {model: found["metrics"][metric]["mean"] for model, found in results["models"].items()}
    known = {model: mean for model, mean in means.items() if mean is not None}
    return max(known, key=lambda model: known[model], default=None)


def _metric_cell(spread: Mapping[str, Any], *, bold: bool) -> str:
    text = _number(spread["mean"], spread["deviation"])
    return rf"\bfseries {text}" if bold else text


def _difference_cell(found: Mapping[str, Any]) -> str:
    if found["difference"] is None:
        return "{}"
    difference = found["difference"]
    return f"{_number(difference['mean'], _margin(difference), sign='+')}{'{*}' if is_significant(found) else ''}"


def _margin(difference: Mapping[str, Any] | None) -> float | None:
    if difference is None or difference["low"] is None:
        return None
    return float(difference["high"] - difference["low"]) / 2


def _number(value: float | None, uncertainty: float | None = None, *, sign: str = "") -> str:
    """A number for a column of siunitx; an empty cell where there is none."""
    if value is None:
        return "{}"
    return f"{value:{sign}.{_DECIMALS}f}" + ("" if uncertainty is None else f"({_last_digits(uncertainty)})")


def _last_digits(uncertainty: float) -> int:
    return round(uncertainty * 10**_DECIMALS)


def _format(uncertainties: Sequence[float | None]) -> str:
    digits = max((len(str(_last_digits(each))) for each in uncertainties if each is not None), default=0)
    return f"1.{_DECIMALS}" + (f"({digits})" if digits else "")
