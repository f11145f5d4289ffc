"""The report of a comparison: tables, plots, and a page that holds all of them.

``results.json`` has every number, ``results.csv`` a row for each of them, ``results.md`` and ``results.tex`` the main
table, ``plots/`` every plot as PNG and SVG, and ``report.html`` everything in one file.
"""

import html
import io
import json
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from tf_metammf.records.html_page import Best, html_figure, html_page, html_table
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.comparison.beyond_accuracy import (
    beyond_accuracy_heads,
    beyond_accuracy_markdown,
    beyond_accuracy_names,
    beyond_accuracy_rows,
)
from tf_metammf.trainer.comparison.comparison_directory import Comparison
from tf_metammf.trainer.comparison.exposure_plots import exposure_plots
from tf_metammf.trainer.comparison.item_kinds import ItemKinds, kinds_of_features
from tf_metammf.trainer.comparison.maps import comparison_maps
from tf_metammf.trainer.comparison.plots import comparison_plots
from tf_metammf.trainer.comparison.results import comparison_results
from tf_metammf.trainer.comparison.tables import (
    best_models,
    columns,
    comma_separated,
    difference_cells,
    difference_heads,
    latex,
    markdown,
    note,
    number,
    untrained_rows,
)

_BEYOND_ACCURACY = (
    "What users of the test split are shown. Coverage: share of the catalogue shown to any user. Gini: 0 if all "
    "items are shown equally often. Cold and tail share: places of items without training interactions, and of all but "
    "the 20 % most popular. Similarity: of the items of a list, by content. Lift: how much more popular the items are "
    "than what their users watched; 0 is equal."
)


def write_report(
    comparison: Comparison,
    record_set: RecordSet,
    *,
    references: Mapping[str, str] | None = None,
    kinds: ItemKinds | None = None,
) -> dict[str, Any]:
    """Writes tables, plots and the page, in place of older ones.

    Args:
        comparison: The comparison, complete.
        record_set: The data.
        references: What each model is compared with, as
            :func:`tf_metammf.trainer.comparison.results.comparison_results` takes it.
        kinds: Kinds of items to colour maps by; by default clusters of their features.

    Returns:
        The results, as :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.
    """
    results = comparison_results(comparison, record_set, references=references)
    folder = comparison.folder
    (folder / "plots").mkdir(exist_ok=True)
    texts = {
        "results.json": json.dumps(results, indent=2) + "\n",
        "results.csv": comma_separated(results),
        "results.md": f"{markdown(results)}\n{beyond_accuracy_markdown(results)}",
        "results.tex": latex(results),
    }
    plots = {}
    drawn = comparison_plots(comparison, results) | exposure_plots(results)
    kinds = kinds or kinds_of_features(record_set)
    if kinds is not None:
        drawn |= comparison_maps(comparison, list(results["models"]), kinds, record_set.folder)
    for name, (caption, figure) in drawn.items():
        figure.savefig(folder / "plots" / f"{name}.png", dpi=150)
        plots[name] = (caption, _svg(figure))
        (folder / "plots" / f"{name}.svg").write_text(plots[name][1], encoding="utf-8")
    texts["report.html"] = _page(record_set, results, plots)
    for name, text in texts.items():
        replace_text(folder / name, text)
    return results


def _page(record_set: RecordSet, results: Mapping[str, Any], plots: Mapping[str, tuple[str, str]]) -> str:
    metadata = record_set.metadata
    sizes = ", ".join(f"{split.interactions:,} {name}" for name, split in metadata.splits.items())
    figures = "\n".join(_figure(caption, drawing) for caption, drawing in plots.values())
    title = f"Comparison on {metadata.name}"
    body = f"""<h1>{html.escape(title)}</h1>
<p>{metadata.users:,} users, {metadata.items:,} items, interactions: {sizes};
modalities: {html.escape(", ".join(metadata.modalities) or "none")}.</p>
{_main_table(results)}
<p class="note">{html.escape(note(results))}</p>
<h2>Groups</h2>
{_group_table(results)}
<p class="note">{html.escape(results["metric"])}, mean ± deviation; of groups of items only those count as found.</p>
{_beyond_accuracy(results)}
{figures}"""
    return html_page(title, body)


def _figure(caption: str, drawing: str) -> str:
    heading, _, explanation = caption.partition("; ")
    return html_figure(heading, explanation, drawing)


def _main_table(results: Mapping[str, Any]) -> str:
    names, best = columns(results), best_models(results)
    # Differences come first: with many cut-offs the end of a row is out of sight.
    differences = difference_heads(results)
    heads = ["model", *differences, *names, "epochs", "seconds", "memory, MiB", "parameters"]
    rows: list[list[str | Best]] = []
    for model, found in results["models"].items():
        metrics = {name: number(found["metrics"][name]) for name in names}
        rows.append(
            [
                model,
                *difference_cells(results, model),
                *(Best(text) if best.get(name) == model else text for name, text in metrics.items()),
                f"{found['epochs']['mean']:.0f}",
                f"{found['seconds']['mean']:.0f}",
                f"{found['memory_bytes'] / 2**20:,.0f}",
                f"{found['parameters']:,}",
            ]
        )
    for label, numbers in untrained_rows(results, names):
        known = [label, *[""] * len(differences), *numbers]
        rows.append([*known, *[""] * (len(heads) - len(known))])
    return html_table(heads, rows)


def _group_table(results: Mapping[str, Any]) -> str:
    rows: list[list[str | Best]] = []
    for group, members in results["groups"].items():
        spreads = [found["groups"][group][results["metric"]] for found in results["models"].values()]
        top = max((spread["mean"] or 0.0) for spread in spreads)
        cells = [Best(number(spread)) if top and spread["mean"] == top else number(spread) for spread in spreads]
        rows.append([group, f"{members:,}", *cells])
    return html_table(["group", "members", *results["models"]], rows)


def _beyond_accuracy(results: Mapping[str, Any]) -> str:
    if not beyond_accuracy_names(results):
        return ""
    return f"""<h2>Beyond accuracy</h2>
{html_table(beyond_accuracy_heads(results), beyond_accuracy_rows(results))}
<p class="note">{html.escape(_BEYOND_ACCURACY)}</p>"""


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue()[text.getvalue().index("<svg") :]
