"""The report of a comparison: tables, plots, and a page that holds all of them.

``results.json`` has every number, ``results.csv`` a row for each of them, ``users.parquet`` the metrics of every user,
``results.md`` and ``results.tex`` the main table, ``plots/`` every plot as PNG and SVG, and ``report.html`` everything
in one file.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tf_metammf.records.drawings import drawing_style, page_svg, png, standalone_svg
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import replace_text
from tf_metammf.trainer.comparison.beyond_accuracy import beyond_accuracy_markdown
from tf_metammf.trainer.comparison.compared_lists import ComparedLists, write_trec_files, write_user_metrics
from tf_metammf.trainer.comparison.comparison_directory import Comparison
from tf_metammf.trainer.comparison.inside_models import plots_of_models
from tf_metammf.trainer.comparison.item_kinds import ItemKinds, kinds_of_features
from tf_metammf.trainer.comparison.latex_table import latex, require_metrics
from tf_metammf.trainer.comparison.page import comparison_page
from tf_metammf.trainer.comparison.plots import Plot, comparison_plots
from tf_metammf.trainer.comparison.provenance import provenance_of
from tf_metammf.trainer.comparison.results import comparison_results
from tf_metammf.trainer.comparison.tables import comma_separated, markdown

_FORMER_PLOTS = ("metrics", "groups", "modalities")
"""Of reports that an earlier version wrote."""


def write_report(
    comparison: Comparison,
    record_set: RecordSet,
    *,
    references: Mapping[str, str] | None = None,
    kinds: ItemKinds | None = None,
    metrics: Sequence[str] | None = None,
    trec: bool = False,
    words: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes tables, plots and the page, in place of older ones.

    Args:
        comparison: The comparison, complete.
        record_set: The data.
        references: What each model is compared with, as
            :func:`tf_metammf.trainer.comparison.results.comparison_results` takes it.
        kinds: Kinds of items to colour maps by; by default clusters of their features.
        metrics: Metrics of the LaTeX table; by default recall and NDCG at the cut-off that models are compared at.
        trec: Whether to write lists and what they should hold as files of ``trec_eval``, into ``trec/``.
        words: Those of the command, for the page.

    Returns:
        The results, as :func:`tf_metammf.trainer.comparison.results.comparison_results` gives them.

    Raises:
        InvalidInputError: One of ``metrics`` is unknown.
    """
    lists = ComparedLists(comparison, record_set)
    results = comparison_results(comparison, record_set, references=references, lists=lists)
    if metrics is not None:
        require_metrics(results, metrics)
    folder = comparison.folder
    (folder / "plots").mkdir(exist_ok=True)
    for name in _FORMER_PLOTS:
        for suffix in (".png", ".svg"):
            (folder / "plots" / f"{name}{suffix}").unlink(missing_ok=True)
    drawings = []
    with drawing_style():
        for name, plot in _plots(comparison, results, record_set, kinds).items():
            (folder / "plots" / f"{name}.png").write_bytes(png(plot.figure))
            drawing = page_svg(plot.figure, title=plot.heading)
            (folder / "plots" / f"{name}.svg").write_text(standalone_svg(drawing), encoding="utf-8")
            drawings.append((plot, drawing))
    provenance = provenance_of(comparison, record_set, words)
    texts = {
        "results.json": json.dumps(results, indent=2) + "\n",
        "results.csv": comma_separated(results),
        "results.md": f"{markdown(results)}\n{beyond_accuracy_markdown(results)}",
        "results.tex": latex(results, record_set=record_set.metadata.name, metrics=metrics),
        "report.html": comparison_page(record_set.metadata, results, drawings, provenance=provenance),
    }
    write_user_metrics(folder / "users.parquet", lists)
    if trec:
        write_trec_files(folder / "trec", lists)
    for name, text in texts.items():
        replace_text(folder / name, text)
    return results


def _plots(
    comparison: Comparison, results: Mapping[str, Any], record_set: RecordSet, kinds: ItemKinds | None
) -> dict[str, Plot]:
    plots = comparison_plots(results)
    kinds = kinds or kinds_of_features(record_set)
    if kinds is not None:
        plots |= plots_of_models(comparison, results, kinds, record_set.folder)
    return plots
