"""The verdict of a comparison: one sentence that says which model is best, and how sure that is."""

from collections.abc import Mapping
from typing import Any

from tf_metammf.trainer.comparison.tables import is_significant, p_value_text


def verdict(results: Mapping[str, Any]) -> str:
    """A sentence on the best model and its reference; where the best is the reference of others, on the next best.

    Args:
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
    """
    models, metric = results["models"], results["metric"]
    best = next(iter(models))
    challenger = best if models[best]["reference"] is not None else _first_compared_with(best, models)
    if challenger is None:
        return f"{best} has the highest {metric}, {_mean(results, best)}; nothing is compared with it."
    found, reference = models[challenger], models[challenger]["reference"]
    values = f"{metric} {_mean(results, challenger)} against {_mean(results, reference)}"
    tested, certain = _difference(found), is_significant(found)
    if challenger == best:
        if certain:
            return f"{best} is better than {reference}: {values}, a difference of {tested}."
        return f"{best} is not significantly better than {reference}: {values}, a difference of {tested}."
    others = f"{best}, the reference, has the highest {metric}, {_mean(results, best)}"
    if certain:
        return f"{others}; the next, {challenger}, is worse: {_mean(results, challenger)}, a difference of {tested}."
    value = _mean(results, challenger)
    return f"{others}, but {challenger} is not significantly worse: {value}, a difference of {tested}."


def _first_compared_with(reference: str, models: Mapping[str, Any]) -> str | None:
    """The best of the models that are compared with a reference."""
    return next((name for name, found in models.items() if found["reference"] == reference), None)


def _mean(results: Mapping[str, Any], model: str) -> str:
    return f"{results['models'][model]['metrics'][results['metric']]['mean']:.4f}"


def _difference(found: Mapping[str, Any]) -> str:
    mean, low, high = (found["difference"][name] for name in ("mean", "low", "high"))
    if low is None:
        return f"{mean:+.4f}, too few users for an interval"
    shown = p_value_text(found["p_holm"])
    p_value = "" if not shown else f", p {shown}" if shown.startswith("<") else f", p = {shown}"
    return f"{mean:+.4f} (95 % interval {low:+.4f} to {high:+.4f}{p_value})"
