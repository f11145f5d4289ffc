"""Convert raw files to a record set."""

import shlex
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import rejected_file
from tf_metammf.records.console import print_table, visible
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.metadata import Metadata
from tf_metammf.records.sources import load_source, source_names
from tf_metammf.records.splits.filtering import Filtering
from tf_metammf.records.splits.splitting import Splitting
from tf_metammf.records.thinned_tokens import MOST_TOKENS


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments: the way of the data, filtering, splitting, and each source's options."""
    names = source_names()
    parser.add_argument("--source", required=True, type=str, help=f"what the raw data are: {', '.join(names)}")
    parser.add_argument("--input", required=True, type=str, help="the raw data: a folder or a file")
    parser.add_argument("--output", required=True, type=str, help="the record set to create; must not exist")
    parser.add_argument("--seed", type=int, default=0, help="seed of the splits and of the order on disk")
    parser.add_argument(
        "--shards", type=int, default=None, help="shards per split and of the items (default: one for every 64 MiB)"
    )
    parser.add_argument(
        "--on_error",
        type=str,
        default="stop",
        help='at a row that cannot be read: "stop", or "skip" it and list it in OUTPUT.rejected.csv',
    )
    parser.add_argument(
        "--most_tokens",
        type=int,
        default=MOST_TOKENS,
        help="tokens that are kept of a sequence; a longer one is thinned evenly over its time",
    )
    parser.add_argument(
        "--stored_dtype",
        type=Literal["float32", "float16"],
        default="float32",
        help="type that features are stored in; float16 takes half the bytes",
    )
    parser.add_argument(
        "--beam_pipeline_options",
        type=str | None,
        help='convert tables with Apache Beam and its options, such as --beam_pipeline_options="--runner=DirectRunner"',
    )
    parser.add_argument(
        "--beam_k_core_rounds", type=int, default=10, help="maximum rounds of a k-core in a Beam pipeline"
    )
    parser.add_class_arguments(Filtering, "filtering")
    parser.add_class_arguments(Splitting, "splitting")
    for name in names:
        parser.add_class_arguments(load_source(name).Options, name)


def run(arguments: Namespace) -> int:
    """Converts, and prints what the record set holds."""
    source = load_source(arguments.source)
    _refuse_options_of_other_sources(arguments)
    options = source.Options(**_values(arguments[arguments.source]))
    filtering = Filtering(**_values(arguments.filtering))
    splitting = Splitting(**_values(arguments.splitting))

    settings = ConversionSettings(
        options,
        filtering,
        splitting,
        seed=arguments.seed,
        shards=arguments.shards,
        on_error=arguments.on_error,
        most_tokens=arguments.most_tokens,
        stored_dtype=arguments.stored_dtype,
    )
    if arguments.beam_pipeline_options is not None:
        metadata = _convert_with_beam(arguments, settings)
    else:
        import_tensorflow()
        from tf_metammf.records.conversion.conversion import convert_as

        path, output = Path(arguments.input), Path(arguments.output)
        metadata = convert_as(settings, arguments.source, path, output, show_progress=True).metadata
    _print_summary(arguments.output, metadata)
    if arguments.on_error == "skip":
        print(f"{rejected_file(arguments.output)}: the rejected rows")
    return 0


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


def _refuse_options_of_other_sources(arguments: Namespace) -> None:
    for name in source_names():
        if name == arguments.source:
            continue
        defaults = vars(load_source(name).Options())
        for field, value in _values(arguments[name]).items():
            if value != defaults[field]:
                raise InvalidInputError(
                    f"--{name}.{field} is an option of another source than {arguments.source}. Leave it out, or "
                    f"choose --source {name}."
                )


def _values(group: Namespace) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in vars(group).items()}


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
