"""From tables to a record set on many machines: :mod:`tf_metammf.records.conversion.conversion` as a pipeline of Apache
Beam."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.bad_rows import rejected_file, rejected_text
from tf_metammf.records.beam.pipeline_errors import require_beam, user_errors
from tf_metammf.records.beam.pipeline_sizes import PipelineSizes
from tf_metammf.records.conversion.conversion import notes_on_rows_of_features, provenance_of
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.metadata import METADATA_FILE, Metadata
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.raw_files.feature_tables import ids_name
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.raw_files.split_names import with_split_column
from tf_metammf.records.raw_files.table_choice import table_files
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.sources.tabular import (
    Options,
    columns_of_interactions,
    require_no_split_column,
)
from tf_metammf.records.splits.default_split import NO_TIMES, SOURCE_HAS_SPLITS
from tf_metammf.records.splits.splitting import (
    AS_ASKED,
    SOURCE_METHOD,
    Splitting,
    require_validation,
    splitting_methods,
)
from tf_metammf.records.staging import require_absent, staged_directory

if TYPE_CHECKING:
    from tf_metammf.records.beam.raw_parts import RawFile


def convert_with_beam(
    folder: str,
    output: str,
    settings: ConversionSettings | None = None,
    *,
    sizes: PipelineSizes | None = None,
    pipeline_options: Sequence[str] = (),
) -> Metadata:
    """Reads tables in parts on as many workers as the runner has, and writes a record set.

    Same files, arguments and seed give the same bytes in every file as :func:`tf_metammf.records.convert` gives for
    the source ``tabular``. Input and output may be on any file system that Beam knows and all workers
    reach. A local output is written beside its target and renamed when whole; elsewhere ``metadata.json``, without
    which nothing is a record set, is written last.

    One worker each holds all distinct ids of users and of items, the numbers of a random order (16 bytes an
    interaction), a set of bits for the ids that remain, and the rows that were left out. Interactions and features
    are never in one place.

    Args:
        folder: The tables, a path or URL.
        output: The record set to create, a path or URL.
        settings: What to do with the tables: options of the source ``tabular``, of which ``token_columns``, and
            splitting, of which ``like`` is not supported.
        sizes: How the work is divided.
        pipeline_options: Options of Beam, such as ``["--runner=FlinkRunner", "--flink_master=host:8081"]``; by
            default the DirectRunner of this process.

    Returns:
        What was written.

    Raises:
        InvalidInputError: Apache Beam is not installed, ``output`` exists or cannot be written, or the raw data or an
            argument is not acceptable. Nothing that looks like a record set is left at ``output``.
    """
    if settings is not None and settings.preferences is not None:
        raise InvalidInputError(
            f"preferences is {settings.preferences}, but Beam pipelines do not read preferences. Convert without them, "
            'and add a file of preferences with "tf-metammf preferences add".'
        )
    require_beam()
    from tf_metammf.records.beam.conversion_pipeline import ConversionPlan, run
    from tf_metammf.records.beam.interaction_rows import ORIGIN
    from tf_metammf.records.beam.raw_parts import list_files, sha256
    from tf_metammf.records.beam.rejected_rows import rejected_rows
    from tf_metammf.records.beam.written_entries import (
        funnel_of,
        has_sequences,
        notes_on_ids,
        notes_on_times,
        read_entries,
        time_unit,
        write_metadata,
        write_text,
    )

    if any("DaskRunner" in option for option in pipeline_options):
        raise InvalidInputError(
            "Beam's runner on Dask computes only what the last step of a pipeline needs, and would skip checks of a "
            "conversion. Convert with another runner, or without Beam."
        )
    settings, sizes = settings or ConversionSettings(), sizes or PipelineSizes()
    options: Options = settings.options or Options()
    splitting = settings.splitting
    if splitting.like is not None:
        raise InvalidInputError(
            f"like is {splitting.like}, but Beam pipelines do not read an earlier record set. Convert without "
            "Beam, or leave splitting.like out."
        )
    if options.token_columns:
        raise InvalidInputError(
            "token_columns are given, but Beam pipelines do not read words. Convert without Beam, or leave "
            "tabular.token_columns out."
        )
    found = list_files(folder)
    chosen = table_files(Path(folder), list(found), **options.chosen_files())
    require_modality_names(chosen.features)
    interactions = [
        replace(_looked_over(found, name, folder, options, sizes.part_bytes), number=number)
        for number, name in enumerate(chosen.interactions)
    ]
    features = {
        modality: _looked_over(found, name, folder, options, sizes.part_bytes)
        for modality, name in chosen.features.items()
    }
    ids_files = {
        modality: found[ids_name(file.name)]
        for modality, file in features.items()
        if file.suffix == ".npy" and ids_name(file.name) in found
    }
    columns = _columns(interactions, options, settings.read_request())
    if chosen.splits is not None:
        require_no_split_column(Path(folder), columns)
        columns = with_split_column(columns)
    method, reason = _method(splitting, columns, folder)
    read = sorted([*interactions, *features.values(), *ids_files.values()], key=lambda file: file.name)
    fingerprints: dict[str, object] = {file.name: {"bytes": file.bytes, "sha256": sha256(file)} for file in read}
    threshold = settings.filtering.rating_threshold
    if threshold is not None and columns.rating is None:
        raise InvalidInputError(
            f"{folder}: rating_threshold is {threshold}, but the interactions have no ratings. "
            "Leave it out, or name their column."
        )
    plan = ConversionPlan(
        interactions=interactions,
        columns=columns,
        splits=chosen.splits,
        features=features,
        ids_files=ids_files,
        item_columns={modality: options.feature_item_column(modality) for modality in features},
        timestamp_format=options.timestamp_format,
        method=method,
        reason=reason,
        settings=settings,
        tokens=options.tokens,
        sizes=sizes,
    )
    with _target(output) as place, user_errors():
        run(plan, place, pipeline_options)
        name = PurePosixPath(folder.rstrip("/")).name if "://" in folder else Path(folder).resolve().name
        entries = read_entries(place)
        rejected = rejected_rows(entries)
        of_features = len(rejected) - len(rejected_rows(entries, ORIGIN))
        funnel = funnel_of(
            entries,
            notes=(
                *chosen.notes,
                *notes_on_times(entries),
                *notes_on_ids(entries),
                *notes_on_rows_of_features(of_features),
            ),
        )
        used = replace(splitting, method=funnel.method)
        require_validation(funnel.splits["validation"].interactions, used)
        done = replace(settings, options=options, splitting=used)
        source = provenance_of(
            "tabular", done, {"files": fingerprints, **time_unit(entries)}, sequences=has_sequences(entries)
        )
        timestamps = columns.timestamp is not None
        metadata = write_metadata(
            place,
            entries,
            name=name,
            timestamps=timestamps,
            source=source,
            funnel=funnel,
            stored_dtype=settings.stored_dtype,
        )
    if settings.skips_bad_rows:
        write_text(rejected_file(output), rejected_text(rejected, Path(folder)))
    return metadata


@contextmanager
def _target(output: str) -> Iterator[str]:
    """Where to write: beside a local target, which is renamed at the end, or into a folder of another file system."""
    from apache_beam.io.filesystems import FileSystems

    if "://" not in output:
        require_absent(Path(output))
        with staged_directory(Path(output)) as staging:
            yield str(staging)
        open_record_set(Path(output))
        return
    if FileSystems.exists(FileSystems.join(output, METADATA_FILE)):
        raise InvalidInputError(f"{output}: is a record set. Choose another --output, or delete it first.")
    yield output


def _existing(found: "dict[str, RawFile]", name: str, folder: str) -> "RawFile":
    if name not in found:
        raise InvalidInputError(
            f"{folder}: has no file {name}. It has: {', '.join(sorted(found))}. Check the options of the source."
        )
    if not found[name].bytes:
        raise InvalidInputError(f"{found[name].path}: is empty, expected raw data. Fetch or write the file again.")
    return found[name]


def _looked_over(found: "dict[str, RawFile]", name: str, folder: str, options: Options, part_bytes: int) -> "RawFile":
    from tf_metammf.records.beam.raw_parts import looked_over

    return looked_over(_existing(found, name, folder), options.text_format(name), part_bytes=part_bytes)


def _columns(files: "list[RawFile]", options: Options, request: ReadRequest) -> InteractionColumns:
    columns = [columns_of_interactions(file.shown, file.names, options, request) for file in files]
    for file, other in zip(files, columns, strict=True):
        if other != columns[0]:
            raise InvalidInputError(
                f"{file.path}: has other columns than {files[0].name}, expected the same in all files. Use the same "
                f"columns."
            )
    return columns[0]


def _method(splitting: Splitting, columns: InteractionColumns, folder: str) -> tuple[str | None, str]:
    """The method and why; None where the pipeline chooses by the times."""
    if splitting.method is None:
        if columns.split is not None:
            return SOURCE_METHOD, SOURCE_HAS_SPLITS
        return ("random", NO_TIMES) if columns.timestamp is None else (None, "")
    method = splitting.method
    if method == SOURCE_METHOD and columns.split is None:
        others = ", ".join(name for name in splitting_methods() if name != SOURCE_METHOD)
        raise InvalidInputError(f'splitting method "{SOURCE_METHOD}": {folder} has no splits. Choose one of {others}.')
    if method in ("leave_last_out", "time") and columns.timestamp is None:
        raise InvalidInputError(
            f'splitting method "{method}" needs timestamps, and {folder} has none. Name their column, or choose '
            "another method."
        )
    return method, AS_ASKED
