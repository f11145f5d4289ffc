"""Write one page about the data: time, popularity, splits, gaps, copies, and what they suggest."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.console import visible

if TYPE_CHECKING:
    from tf_metammf.records.report.data_report import DataReport


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records report``."""
    parser.add_argument("records", type=Path, help="The record set.")
    parser.add_argument("--output", type=Path, help="The page, an .html file; without it, numbers alone are printed.")
    parser.add_argument("--json", action="store_true", help="Print all numbers as JSON instead of the suggestions.")


def run(arguments: Namespace) -> int:
    """Writes the page, and prints what the numbers suggest."""
    import_tensorflow()
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.records.report.data_report import report_on

    if arguments.output is not None:
        _require_page(arguments.output)
    report = report_on(open_record_set(arguments.records))
    if arguments.output is not None:
        from tf_metammf.records.report.page import page
        from tf_metammf.records.staging import replace_text

        replace_text(arguments.output, page(report))
    if arguments.json:
        print_json(asdict(report))
    else:
        _print(report)
        if arguments.output is not None:
            print(f"written: {visible(str(arguments.output))}")
    return 0


def _require_page(path: Path) -> None:
    """Refuses what cannot be a page before the data are read."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InvalidInputError(f"--output is {path}, expected the name of an .html file.")
    if path.is_dir() or not path.absolute().parent.is_dir():
        found = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise InvalidInputError(f"--output {path}: {found}, expected an .html file in a folder that exists.")


def _print(report: "DataReport") -> None:
    width = max((len(each.about) for each in report.suggestions), default=0)
    for each in report.suggestions:
        print(f"{each.about:<{width}}  {each.advice}")
        print(f"{'':<{width}}  {each.reason}")
