"""Export a run as a SavedModel that stock TensorFlow Serving loads."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.reranking_options import add_reranking_options, given_reranking
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.reports import read_report
from tf_metammf.records.bucket_copies import is_url
from tf_metammf.records.console import print_table
from tf_metammf.records.staging import require_absent

if TYPE_CHECKING:
    from tf_metammf.export.signatures import Signature, TensorSpec
    from tf_metammf.trainer.refresh import Changes


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf export``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory.")
    parser.add_argument(
        "--output",
        type=str,
        required=True,
        help="The folder of all versions, which a server watches; or a URL such as gs://BUCKET/NAME.",
    )
    parser.add_argument(
        "--records",
        type=Path,
        help="Where the record set is now, if it has moved; with --refresh, the grown record set.",
    )
    parser.add_argument("--k", type=int, default=20, help="Items that serving_default and similar_items return.")
    parser.add_argument("--version", type=str, help='Number of the version, or "timestamp"; by default the next one.')
    parser.add_argument("--keep", type=int, help="How many versions to keep; older ones are deleted. Default: all.")
    parser.add_argument(
        "--deployment", type=Path, help="A folder for files that run a server; existing files are not changed."
    )
    parser.add_argument("--model_name", type=str, default="model", help="The name of the model on the server.")
    parser.add_argument(
        "--batching", action="store_true", help="For a server with --enable_batching, which refuses some signatures."
    )
    parser.add_argument(
        "--vectors", type=Path, help="A folder to write embeddings and ids to, for an index of your own."
    )
    parser.add_argument("--signatures", action="store_true", help="Print what every signature takes and returns.")
    parser.add_argument("--license", type=str, help="Licence of the model, for its model card.")
    parser.add_argument("--index", default="exact", help="How to find the best items: exact or partitioned.")
    parser.add_argument(
        "--index_recall", type=float, default=0.95, help="Share of them that a partitioned index has to find."
    )
    add_reranking_options(parser)
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="Add new items, users and interactions of --records, without training.",
    )
    parser.add_argument(
        "--trained_on",
        type=Path,
        help="With --refresh: where the record set of the training is now, if it has moved.",
    )
    parser.add_argument(
        "--allow_leakage",
        action="store_true",
        help="With --refresh: allow a run that was trained on validation or test interactions of --records.",
    )


def run(arguments: Namespace) -> int:
    """Exports, and prints the version, what changed and was deleted or written, what it holds, and the next command."""
    import_tensorflow()
    if is_url(arguments.output):
        return _export_to_bucket(arguments)
    from tf_metammf.export.deployment.deployment import Deployment
    from tf_metammf.export.retention import delete_old_versions, require_keep

    output = Path(arguments.output)
    require_keep(arguments.keep)
    deployment = Deployment(output, arguments.model_name, batching=arguments.batching)
    version, changes = _export(arguments, output, _version(arguments.version))
    print(version)
    _print_changes(changes)
    if arguments.vectors is not None:
        print(f"written {arguments.vectors}")
    if arguments.keep is not None:
        for folder in delete_old_versions(output, keep=arguments.keep, written=version):
            print(f"deleted {folder}")
    if arguments.deployment is not None:
        for file in deployment.write(arguments.deployment):
            print(f"written {file}")
    _print_version(version, arguments)
    print_next("recommend", "--model", output, "--user", _first_user(version))
    return 0


def _export_to_bucket(arguments: Namespace) -> int:
    """Exports to a temporary folder and copies that, because a SavedModel cannot appear at once in a bucket."""
    from tf_metammf.export.bucket_versions import copy_version, next_version

    for name in ("keep", "deployment"):
        if arguments[name] is not None:
            raise InvalidInputError(f"--{name} is for folders, and --output is {arguments.output}. Leave it out.")
    number = next_version(arguments.output, _version(arguments.version))
    with TemporaryDirectory() as folder:
        version, changes = _export(arguments, Path(folder), number)
        print(copy_version(version, arguments.output))
        _print_changes(changes)
        _print_version(version, arguments)
    return 0


def _export(
    arguments: Namespace, output: Path, number: int | Literal["timestamp"] | None
) -> "tuple[Path, Changes | None]":
    """The version, and with --refresh what is new in it."""
    from tf_metammf.export.export_options import ExportOptions
    from tf_metammf.export.indices import IndexOptions
    from tf_metammf.export.saved_model import export_refreshed, export_run
    from tf_metammf.trainer.runs.run_directory import open_run_directory

    options = ExportOptions(
        k=arguments.k,
        version=number,
        batching=arguments.batching,
        license=arguments.license,
        index=IndexOptions(arguments["index"], arguments.index_recall),
        reranking=given_reranking(arguments),
    )
    run_directory = open_run_directory(arguments.run)
    if not arguments.refresh:
        if arguments.trained_on is not None:
            raise InvalidInputError("--trained_on is for --refresh; without it, give --records alone.")
        if arguments.vectors is not None:
            from tf_metammf.export.vectors import write_vectors

            require_absent(arguments.vectors, option="--vectors")
        version = export_run(run_directory, output, records=arguments.records, options=options)
        if arguments.vectors is not None:
            write_vectors(run_directory, arguments.vectors, records=arguments.records)
        return version, None
    if arguments.vectors is not None:
        raise InvalidInputError("--vectors writes the embeddings of the run as it was trained. Leave --refresh out.")
    if arguments.records is None:
        raise InvalidInputError("--refresh needs --records, the grown record set.")
    return export_refreshed(
        run_directory,
        output,
        records=arguments.records,
        trained_on=arguments.trained_on,
        allow_leakage=arguments.allow_leakage,
        options=options,
    )


def _print_version(version: Path, arguments: Namespace) -> None:
    """What is in a version: its size, index and signatures."""
    from tf_metammf.export.signatures import read_signatures

    resources = read_report(version, "model_card")["resources"]
    print(f"{resources['bytes'] / 2**20:.1f} MiB, loaded in {resources['seconds_to_load']:.1f} s here")
    _print_index(read_report(version, "index"))
    signatures = read_signatures(version)
    if arguments.signatures:
        _print_signatures(signatures)
    else:
        print(f"signatures: {', '.join(signatures)}")


def _first_user(version: Path) -> str:
    with (version / "assets" / "users.txt").open(encoding="utf-8") as users:
        return users.readline().rstrip("\n")


def _version(text: str | None) -> int | Literal["timestamp"] | None:
    if text is None:
        return None
    if text == "timestamp":
        return "timestamp"
    try:
        return int(text)
    except ValueError:
        raise InvalidInputError(f'--version is {text}, expected a number or "timestamp".') from None


def _print_changes(changes: "Changes | None") -> None:
    if changes is None:
        return
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


def _print_signatures(signatures: "Mapping[str, Signature]") -> None:
    from rich.table import Table

    table = Table(show_lines=True)
    for heading in ("signature", "inputs", "outputs"):
        table.add_column(heading)
    for name, signature in signatures.items():
        table.add_row(name, _specs(signature.inputs), _specs(signature.outputs))
    print_table(table)


def _specs(specs: "Mapping[str, TensorSpec]") -> str:
    return "\n".join(f"{name} {spec}" for name, spec in specs.items())
