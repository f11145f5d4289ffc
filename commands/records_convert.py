"""Convert raw files to a record set."""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.conversion_options import (
    add_conversion_arguments,
    add_data_arguments,
    conversion_settings,
)
from tf_metammf.commands.next_command import print_next
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import rejected_file
from tf_metammf.records.bucket_copies import copy_folder, is_url, require_absent_copy
from tf_metammf.records.console import print_table, visible
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.metadata import METADATA_FILE, Metadata


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments: the way of the data, filtering, splitting, and each source's options."""
    add_conversion_arguments(parser)
    parser.add_argument(
        "--output",
        required=True,
        type=str,
        help="the record set to create, must not exist; or a URL such as gs://BUCKET/NAME",
    )
    parser.add_argument(
        "--beam_pipeline_options",
        type=str | None,
        help='convert tables with Apache Beam and its options, such as --beam_pipeline_options="--runner=DirectRunner"',
    )
    parser.add_argument(
        "--beam_k_core_rounds", type=int, default=10, help="maximum rounds of a k-core in a Beam pipeline"
    )
    add_data_arguments(parser)


def run(arguments: Namespace) -> int:
    """Converts, and prints what the record set holds."""
    settings = conversion_settings(arguments)
    if arguments.beam_pipeline_options is not None:
        metadata = _convert_with_beam(arguments, settings)
    else:
        metadata = _convert(arguments, settings)
    _print_summary(arguments.output, metadata)
    if arguments.on_error == "skip":
        print(f"{rejected_file(arguments.output)}: the rejected rows")
    if not is_url(arguments.output):
        print_next("train", "--records", arguments.output, "--run", "run")
    return 0


def _convert(arguments: Namespace, settings: ConversionSettings) -> Metadata:
    """Converts on this machine; what is for a bucket in a temporary folder first."""
    import_tensorflow()
    from tf_metammf.records.conversion.conversion import convert_as

    path, output = Path(arguments.input), arguments.output
    if not is_url(output):
        return convert_as(settings, arguments.source, path, Path(output), show_progress=True).metadata
    if settings.skips_bad_rows:
        raise InvalidInputError(
            f"--on_error skip writes the rejected rows beside the record set, and --output is {output}. Convert to a "
            'folder, and copy that with "tf-metammf copy".'
        )
    require_absent_copy(output, last=METADATA_FILE)
    with TemporaryDirectory() as folder:
        local = Path(folder) / "records"
        metadata = convert_as(settings, arguments.source, path, local, show_progress=True).metadata
        copy_folder(local, output)
    return metadata


def _convert_with_beam(arguments: Namespace, settings: ConversionSettings) -> Metadata:
    if arguments.source != "tabular":
        raise InvalidInputError(
            f"--source is {arguments.source}, but Beam pipelines read only tabular. Write tables, or leave "
            "--beam_pipeline_options out."
        )
    if arguments.beam_k_core_rounds < 1:
        raise InvalidInputError(f"--beam_k_core_rounds is {arguments.beam_k_core_rounds}, expected at least 1.")
    import_tensorflow()
    from tf_metammf.records.beam.conversion import convert_with_beam
    from tf_metammf.records.beam.pipeline_sizes import PipelineSizes

    return convert_with_beam(
        arguments.input,
        arguments.output,
        settings,
        sizes=PipelineSizes(k_core_rounds=arguments.beam_k_core_rounds),
        pipeline_options=shlex.split(arguments.beam_pipeline_options),
    )


def _print_summary(folder: str, metadata: Metadata) -> None:
    from rich.table import Table

    from tf_metammf.commands.funnel_table import print_funnel

    table = Table(show_header=False)
    table.add_row("users", f"{metadata.users:,}")
    table.add_row("items", f"{metadata.items:,}")
    for name, modality in metadata.modalities.items():
        tokens = "" if modality.tokens is None else f"up to {modality.tokens.most:,} tokens of "
        table.add_row(visible(f"modality {name}"), f"{tokens}{modality.width:,} values, {modality.items:,} items")
    print(f"Wrote {folder}")
    print_table(table)
    if metadata.funnel is not None:
        print_funnel(metadata.funnel)
