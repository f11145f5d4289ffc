"""Rank models over the comparisons of several record sets, with a critical difference."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.records.console import make_console, print_table, visible


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf ranks``."""
    parser.add_argument("comparisons", type=Path, nargs="+", help="Folders that compare has written, one a record set.")
    parser.add_argument(
        "--metric", type=str | None, help="Metric of the test split; by default what the first is ordered by."
    )
    parser.add_argument("--output", type=Path | None, help="An HTML file to write, with the table and a plot.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def run(arguments: Namespace) -> int:
    """Prints the table of ranks."""
    import_tensorflow()
    from rich.table import Table

    from tf_metammf.trainer.comparison.ranks import rank_table

    found = rank_table(arguments.comparisons, metric=arguments.metric)
    if arguments.output is not None:
        from tf_metammf.trainer.comparison.ranks_page import write_ranks_page

        write_ranks_page(arguments.output, found)
    if arguments.json:
        print_json(found.to_json())
        return 0
    table = Table(title=f"{found.metric} and rank", title_justify="left")
    table.add_column("model")
    for heading in ("mean rank", *found.sets):
        table.add_column(visible(heading), justify="right")
    for model, mean in found.mean_ranks.items():
        cells = [f"{v:.4f} ({r:g})" for v, r in zip(found.values[model], found.ranks[model], strict=True)]
        table.add_row(visible(model), f"{mean:.2f}", *cells)
    print_table(table)
    console = make_console()
    p_value = "none: all ranks are equal" if found.p_value is None else f"p {found.p_value:.4f}"
    console.print(f"all models equally good (Friedman, Iman and Davenport): {p_value}", style="dim", soft_wrap=True)
    console.print(
        f"critical difference of two mean ranks (Nemenyi, 95 %): {found.critical_difference:.2f}, "
        f"over {len(found.sets)} record sets",
        style="dim",
        soft_wrap=True,
    )
    if found.left_out:
        console.print(f"not in every comparison: {visible(', '.join(found.left_out))}", style="dim", soft_wrap=True)
    if arguments.output is not None:
        print(arguments.output)
    return 0
