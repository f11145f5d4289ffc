"""List run directories with their state and best validation metric."""

from dataclasses import asdict
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.records.console import print_table, visible


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf runs``."""
    parser.add_argument("folder", type=Path, help="A folder of run directories, or one run directory.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")


def run(arguments: Namespace) -> int:
    """Prints a table of the runs."""
    from tf_metammf.trainer.runs.run_listing import list_runs

    runs = list_runs(arguments.folder)
    if arguments.json:
        print_json([{**asdict(each), "folder": str(each.folder)} for each in runs])
        return 0
    from rich.table import Table

    table = Table("run", "state", title=visible(f"{arguments.folder}: {len(runs)} runs"), title_justify="left")
    for column in ("epochs", "best", "validation", "time", "MiB"):
        table.add_column(column, justify="right")
    for each in runs:
        table.add_row(
            visible(str(each.folder.relative_to(arguments.folder))),
            each.state,
            _cell(each.epoch),
            _cell(each.best_epoch),
            "" if each.value is None else f"{each.metric} {each.value:.4f}",
            _time(each.seconds),
            f"{each.bytes / 2**20:.1f}",
        )
    print_table(table)
    return 0


def _cell(value: int | None) -> str:
    return "" if value is None else str(value)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
