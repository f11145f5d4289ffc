"""Export a run as a SavedModel that stock TensorFlow Serving loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reports import read_report

if TYPE_CHECKING:
    from tf_metammf.export.refresh import Changes


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf export``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory.")
    parser.add_argument(
        "--output", type=Path, required=True, help="The folder of all versions, which a server is pointed to."
    )
    parser.add_argument(
        "--records",
        type=Path,
        help="Where the record set is now, if it was moved; with --refresh, the grown record set.",
    )
    parser.add_argument("--k", type=int, default=20, help="Items that serving_default and similar_items return.")
    parser.add_argument("--version", type=int, help="Number of the version; by default the next one.")
    parser.add_argument("--index", default="exact", help="How the best items are found: exact or partitioned.")
    parser.add_argument(
        "--index_recall", type=float, default=0.95, help="Share of them that a partitioned index is to find."
    )
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="Take in new items, users and interactions from --records, without training.",
    )
    parser.add_argument(
        "--trained_on",
        type=Path,
        help="With --refresh: where the record set of the training is now, if it was moved.",
    )


def run(arguments: Namespace) -> int:
    """Exports, and prints the version directory and its signatures."""
    import_tensorflow()
    from tf_metammf.export.indices import IndexOptions
    from tf_metammf.export.recommender import Recommender
    from tf_metammf.export.saved_model import export_refreshed, export_run
    from tf_metammf.trainer.run_directory import open_run_directory

    options = {
        "k": arguments.k,
        "version": arguments.version,
        "index": IndexOptions(arguments["index"], arguments.index_recall),
    }
    run_directory = open_run_directory(arguments.run)
    if arguments.refresh:
        if arguments.records is None:
            raise InvalidInputError("--refresh needs --records, the grown record set.")
        version, changes = export_refreshed(
            run_directory, arguments.output, records=arguments.records, trained_on=arguments.trained_on, **options
        )
        print(version)
        _print_changes(changes)
    else:
        if arguments.trained_on is not None:
            raise InvalidInputError("--trained_on is for --refresh; without it, give --records alone.")
        version = export_run(run_directory, arguments.output, records=arguments.records, **options)
        print(version)
    _print_index(read_report(version, "index"))
    _print_signatures(Recommender(version).signatures)
    return 0


def _print_changes(changes: "Changes") -> None:
    print(f"users: {changes.users}, {changes.users_added} added, {changes.users_removed} removed")
    print(
        f"items: {changes.items} encoded, {changes.items_added} added, {changes.items_removed} removed, "
        f"{changes.items_changed} with other features"
    )
    print(
        f"training interactions: {changes.interactions}, {changes.interactions_added} added, "
        f"{changes.interactions_removed} removed"
    )


def _print_index(report: Mapping[str, Any]) -> None:
    if report["index"] == "exact":
        return
    for signature in ("recommend", "similar_items"):
        measured = report[signature]
        recall = next(name for name in measured if name.startswith("recall@"))
        print(
            f"{signature}: {recall} {measured[recall]:.3f} of the exact search on {measured['queries']} queries, in "
            f"{measured['probed_parts']} of {report['parts']} parts, {measured['probed_share']:.1%} of the items"
        )


def _print_signatures(signatures: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_lines=True)
    for heading in ("signature", "inputs", "outputs"):
        table.add_column(heading)
    for name, function in signatures.items():
        table.add_row(name, _specs(function.structured_input_signature[1]), _specs(function.structured_outputs))
    Console(highlight=False).print(table)


def _specs(specs: Mapping[str, Any]) -> str:
    return "\n".join(f"{name} {specs[name].dtype.name} {_shape(specs[name].shape)}" for name in sorted(specs))


def _shape(shape: Any) -> str:
    # A bracket after a backslash is text to rich, not markup.
    return "\\[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
