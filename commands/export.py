"""Export a run as a SavedModel that stock TensorFlow Serving loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf export``."""
    parser.add_argument("--run", type=Path, required=True, help="The run directory.")
    parser.add_argument(
        "--output", type=Path, required=True, help="The folder of all versions, which a server is pointed to."
    )
    parser.add_argument("--records", type=Path, help="Where the record set is now, if it was moved.")
    parser.add_argument("--k", type=int, default=20, help="Items that serving_default and similar_items return.")
    parser.add_argument("--version", type=int, help="Number of the version; by default the next one.")


def run(arguments: Namespace) -> int:
    """Exports, and prints the version directory and its signatures."""
    import_tensorflow()
    from tf_metammf.export.recommender import Recommender
    from tf_metammf.export.saved_model import export_run
    from tf_metammf.trainer.run_directory import open_run_directory

    version = export_run(
        open_run_directory(arguments.run),
        arguments.output,
        records=arguments.records,
        k=arguments.k,
        version=arguments.version,
    )
    print(version)
    _print_signatures(Recommender(version).signatures)
    return 0


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
