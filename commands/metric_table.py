"""Metrics as a table: a row a metric and kind of items, a column a cut-off."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from tf_metammf.records.console import print_table, visible


def print_metrics(metrics: Mapping[str, Mapping[str, float]], *, title: str, only: Sequence[str] | None = None) -> None:
    """Prints metrics by split.

    Args:
        metrics: Such as ``{"test": {"recall@20": 0.11, "cold/recall@20": 0.02}}``.
        title: Heading of the table.
        only: Metrics to print, such as ``["recall", "ndcg"]``; None prints all.
    """
    cutoffs = sorted({int(name.partition("@")[2]) for values in metrics.values() for name in values})
    table = Table(title=visible(title), title_justify="left")
    for heading in ("split", "items", "metric"):
        table.add_column(heading)
    for cutoff in cutoffs:
        table.add_column(f"@{cutoff}", justify="right")
    for split, values in metrics.items():
        rows = dict.fromkeys(name.partition("@")[0] for name in values)
        for row in rows:
            kind, _, metric = row.rpartition("/")
            if only is not None and metric not in only:
                continue
            cells = [values.get(f"{row}@{cutoff}") for cutoff in cutoffs]
            numbers = ["" if cell is None else f"{cell:.4f}" for cell in cells]
            table.add_row(split, (kind or "all").replace("_", " "), metric, *numbers)
        table.add_section()
    print_table(table)
