"""The page of a comparison: its verdict, five columns, plots, and the rest folded."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tf_metammf.records.html_page import Best, Cell, Noted, html_details, html_figure, html_page, html_table
from tf_metammf.records.metadata import Metadata
from tf_metammf.trainer.comparison.beyond_accuracy import (
    beyond_accuracy_heads,
    beyond_accuracy_names,
    beyond_accuracy_rows,
)
from tf_metammf.trainer.comparison.cost_plot import is_measured, memory_mib
from tf_metammf.trainer.comparison.plots import Plot
from tf_metammf.trainer.comparison.provenance import Provenance
from tf_metammf.trainer.comparison.tables import (
    best_models,
    columns,
    difference_cells,
    difference_heads,
    is_significant,
    note,
    number,
    p_value_text,
    references_of,
    untrained_rows,
)
from tf_metammf.trainer.comparison.verdict import verdict

_BEYOND_ACCURACY = (
    "What users of the test split are shown. Coverage: share of the catalogue shown to any user. Gini: 0 if all "
    "items are shown equally often. Cold and tail share: places of items without training interactions, and of all but "
    "the 20 % most popular. Similarity: of the items of a list, by content. Lift: how much more popular the items are "
    "than what their users watched; 0 is equal."
)


def comparison_page(
    metadata: Metadata,
    results: Mapping[str, Any],
    drawings: Sequence[tuple[Plot, str]],
    *,
    provenance: Provenance,
) -> str:
    """The page.

    Args:
        metadata: That of the record set.
        results: As :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
        drawings: Plots, each with its SVG.
        provenance: How the comparison was made.

    Returns:
        HTML, complete: it asks no server for anything.
    """
    title = f"Comparison on {metadata.name}"
    figures = "\n".join(
        html_figure(plot.heading, plot.explanation, drawing, alternative=plot.alternative) for plot, drawing in drawings
    )
    body = f"""<h1>{escape(title)}</h1>
<p class="lead">{escape(verdict(results))}</p>
{_short_table(results)}
<p class="note">{escape(note(results))}</p>
{html_details("All metrics, epochs, memory and parameters", _full_table(results))}
{figures}
<h2>Numbers behind the plots</h2>
{html_details(f"{results['metric']} of groups of users and items", _group_table(results))}
{_beyond_accuracy(results)}
<p class="note">{escape(_data(metadata))}</p>
{provenance.to_html()}"""
    return html_page(title, body)


def _data(metadata: Metadata) -> str:
    sizes = ", ".join(f"{split.interactions:,} {name}" for name, split in metadata.splits.items())
    modalities = ", ".join(metadata.modalities) or "none"
    return (
        f"Record set {metadata.name}: {metadata.users:,} users, {metadata.items:,} items, interactions: {sizes}; "
        f"modalities: {modalities}."
    )


def _short_table(results: Mapping[str, Any]) -> str:
    """Five columns: what is compared, by how much, how sure, and what it costs."""
    metric, references = results["metric"], references_of(results)
    against = references[0] if len(references) == 1 else "its reference"
    best = best_models(results).get(metric)
    rows: list[list[Cell]] = []
    for model, found in results["models"].items():
        spread, seconds = found["metrics"][metric], found["seconds"]["mean"]
        deviation = "" if spread["deviation"] is None else f"± {spread['deviation']:.4f}"
        rows.append(
            [
                model,
                Noted("" if spread["mean"] is None else f"{spread['mean']:.4f}", deviation, model == best),
                _short_difference(found, named=len(references) > 1),
                p_value_text(found["p_holm"]) + ("*" if is_significant(found) else ""),
                f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}",
            ]
        )
    rows += [[label, *cells, "", "", ""] for label, cells in untrained_rows(results, [metric])]
    return html_table(["model", metric, f"minus {against} [95 %]", "p (Holm)", "training, s"], rows)


def _short_difference(found: Mapping[str, Any], *, named: bool) -> Cell:
    if found["difference"] is None:
        return "reference"
    mean, low, high = (found["difference"][name] for name in ("mean", "low", "high"))
    interval = "" if low is None else f"[{low:+.4f}, {high:+.4f}]"
    return Noted(f"{mean:+.4f}", f"{interval} from {found['reference']}" if named else interval)


def _full_table(results: Mapping[str, Any]) -> str:
    names, best = columns(results), best_models(results)
    differences = difference_heads(results)
    memory = f"memory, MiB, {'measured' if is_measured(results) else 'estimated'}"
    heads = ["model", *differences, *names, "epochs", "seconds", memory, "parameters"]
    rows: list[list[Cell]] = []
    for model, found in results["models"].items():
        metrics = {name: number(found["metrics"][name]) for name in names}
        rows.append(
            [
                model,
                *difference_cells(results, model),
                *(Best(text) if best.get(name) == model else text for name, text in metrics.items()),
                f"{found['epochs']['mean']:.0f}",
                f"{found['seconds']['mean']:.0f}",
                f"{memory_mib(results, model):,.0f}",
                f"{found['parameters']:,}",
            ]
        )
    for label, numbers in untrained_rows(results, names):
        known = [label, *[""] * len(differences), *numbers]
        rows.append([*known, *[""] * (len(heads) - len(known))])
    return html_table(heads, rows)


def _group_table(results: Mapping[str, Any]) -> str:
    rows: list[list[Cell]] = []
    for group, members in results["groups"].items():
        spreads = [found["groups"][group][results["metric"]] for found in results["models"].values()]
        top = max((spread["mean"] or 0.0) for spread in spreads)
        cells = [Best(number(spread)) if top and spread["mean"] == top else number(spread) for spread in spreads]
        rows.append([group, f"{members:,}", *cells])
    explanation = f"{results['metric']}, mean ± deviation; of groups of items only those count as found."
    return f'{html_table(["group", "members", *results["models"]], rows)}\n<p class="note">{escape(explanation)}</p>'


def _beyond_accuracy(results: Mapping[str, Any]) -> str:
    if not beyond_accuracy_names(results):
        return ""
    table = html_table(beyond_accuracy_heads(results), beyond_accuracy_rows(results))
    return html_details("What users are shown", f'{table}\n<p class="note">{escape(_BEYOND_ACCURACY)}</p>')
