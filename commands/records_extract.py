"""Extract features from videos, sound, covers and texts."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.json_output import print_json
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.records.console import make_console, print_table
from tf_metammf.records.media.extraction_settings import ExtractionSettings

if TYPE_CHECKING:
    from tf_metammf.records.media.extraction import Progress
    from tf_metammf.records.media.extraction_output import Extracted

EXIT_PROBLEMS = 1
_SECONDS_BETWEEN_LINES = 30.0


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf records extract``."""
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help="A folder of media; or a list (.txt) or table (.csv, .tsv, .parquet) of item_id, path, cover, title, ...",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="The folder of the features; may hold earlier ones, which are kept."
    )
    parser.add_argument(
        "--beam_pipeline_options",
        type=str | None,
        help='extract with Apache Beam and its options, such as --beam_pipeline_options="--runner=DirectRunner"',
    )
    parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
    parser.add_class_arguments(ExtractionSettings)


def run(arguments: Namespace) -> int:
    """Extracts, and prints what came of it; exit code 1 says that files could not be decoded."""
    settings = ExtractionSettings(**{field.name: arguments[field.name] for field in fields(ExtractionSettings)})
    from tf_metammf.records.media.extraction import require_av

    require_av()
    import_tensorflow()
    extracted = _extract(arguments, settings)
    if arguments.json:
        from tf_metammf.records.media.extraction_output import summary

        print_json(summary(extracted))
    else:
        _print_summary(extracted)
    return EXIT_PROBLEMS if any(extracted.failed.values()) else 0


def _extract(arguments: Namespace, settings: ExtractionSettings) -> "Extracted":
    if arguments.beam_pipeline_options is None:
        from tf_metammf.records.media.extraction import extract

        with _shown_progress("items") as on_progress:
            return extract(arguments["input"], arguments.output, settings, on_progress=on_progress)
    from tf_metammf.records.beam.extraction import extract_with_beam

    with _shown_progress("parts") as on_progress:
        return extract_with_beam(
            arguments["input"],
            arguments.output,
            settings,
            pipeline_options=shlex.split(arguments.beam_pipeline_options),
            on_progress=on_progress,
        )


@contextmanager
def _shown_progress(unit: str) -> "Iterator[Progress]":
    """Draws a bar with ``unit``/s and the time left on a terminal, prints a line now and then elsewhere; on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = make_console(stderr=True)
    started = last = time.monotonic()
    if not console.is_interactive:

        def print_line(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < _SECONDS_BETWEEN_LINES:
                return
            last = now
            rate = done / (now - started)
            left = f", {(total - done) / rate / 60:.0f} min left" if rate else ""
            console.print(f"{done:,} of {total:,} {unit}, {rate:.1f} {unit}/s{left}")

        yield print_line
        return
    rates = TextColumn(f"{{task.fields[rate]:.1f}} {unit}/s")
    columns = (TextColumn("extracting"), BarColumn(), MofNCompleteColumn(), rates, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", rate=0.0)

        def draw(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rate=done / max(time.monotonic() - started, 1e-3))

        yield draw


def _print_summary(extracted: "Extracted") -> None:
    from rich.table import Table

    from tf_metammf.records.media.extraction_output import PROBLEMS_FILE

    table = Table()
    for heading in ("modality", "values", "items", "absent", "failed"):
        table.add_column(heading, justify="left" if heading == "modality" else "right")
    for modality, width in extracted.widths.items():
        counts = (width, extracted.vectors[modality], extracted.absent[modality], extracted.failed[modality])
        table.add_row(modality, *(f"{count:,}" for count in counts))
    rate = f", {extracted.files / extracted.seconds:.1f} files/s" if extracted.files and extracted.seconds else ""
    print(f"{extracted.folder}: features of {extracted.items:,} items; {extracted.files:,} files decoded{rate}")
    print_table(table)
    problems = sum(extracted.absent.values()) + sum(extracted.failed.values())
    if problems:
        failed = sum(extracted.failed.values())
        print(
            f"{extracted.folder / PROBLEMS_FILE}: {problems:,} times a file gave nothing for a modality; {failed:,} of "
            "them could not be decoded"
        )
