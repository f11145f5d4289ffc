"""Train again on new logs, compare with the live version, and publish if the gate lets it."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.conversion_options import add_conversion_arguments, add_data_arguments, conversion_settings
from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.export.nightly.settings import GateSettings, NightlySettings
from tf_metammf.records.console import make_console, print_table, visible
from tf_metammf.trainer.configuration.configuration import load_configuration

EXIT_REJECTED = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf nightly``."""
    parser.add_argument("--nights", type=Path, required=True, help="The folder of all nights: data, runs and reports.")
    parser.add_argument(
        "--output", type=Path, required=True, help="The folder of all versions, which a server watches."
    )
    add_conversion_arguments(parser)
    parser.add_argument("--config", type=str, default="default", help="What to train: a YAML file or a preset.")
    parser.add_argument("--init_from", type=Path, help="A run that the first night begins from.")
    parser.add_argument("--keep", type=int, default=5, help="How many versions and nights to keep.")
    parser.add_argument("--json", action="store_true", help="Print the report as JSON.")
    parser.add_class_arguments(GateSettings, "gate")
    add_data_arguments(parser)


def run(arguments: Namespace) -> int:
    """Does the night and prints its report; the exit code is 1 if the gate rejected the new version."""
    settings = NightlySettings(
        source=arguments.source,
        path=Path(arguments.input),
        conversion=conversion_settings(arguments),
        configuration=load_configuration(arguments.config),
        gate=GateSettings(**vars(arguments.gate)),
        keep=arguments.keep,
        init_from=arguments.init_from,
    )
    import_tensorflow()
    from tf_metammf.export.nightly.nightly import run_night
    from tf_metammf.export.nightly.nights import REJECTED

    report = run_night(arguments.nights, arguments.output, settings, verbose=0 if arguments.quiet else None)
    if arguments.json:
        print_json(report)
    else:
        _print(report, arguments)
    return EXIT_REJECTED if report["outcome"] == REJECTED else 0


def _print(report: dict[str, Any], arguments: Namespace) -> None:
    from rich.table import Table

    from tf_metammf.export.nightly.night_report import report_tables

    for title, (columns, *rows) in report_tables(report):
        table = Table(title=title, title_justify="left")
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*map(visible, row))
        print_table(table)
    console = make_console()
    for check in report.get("verdict", {}).get("checks", []):
        console.print(check, soft_wrap=True)
    folder = arguments.nights / f"{report['night']:04}"
    published = "" if report["version"] is None else f" {arguments.output / report['version']}"
    console.print(f"night {report['night']}: {report['outcome']}{published}", soft_wrap=True)
    console.print(f"{folder / 'report.html'}: what changed", soft_wrap=True)
