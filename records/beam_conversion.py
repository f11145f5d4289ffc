"""From tables to a record set on many machines: the conversion of :mod:`tf_metammf.records.conversion` as a pipeline of
Apache Beam."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.conversion import provenance_of, read_request
from tf_metammf.records.default_split import NO_TIMES, SOURCE_HAS_SPLITS
from tf_metammf.records.filtering import Filtering
from tf_metammf.records.metadata import METADATA_FILE, Metadata
from tf_metammf.records.modality_names import require_modality_names
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.raw_files.feature_tables import ids_name
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.raw_files.split_names import with_split_column
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.record_set import ITEMS_FILE, USERS_FILE, open_record_set
from tf_metammf.records.shards import require_shards
from tf_metammf.records.sources.tabular import (
    Options,
    columns_of_interactions,
    require_no_split_column,
    table_files,
)
from tf_metammf.records.splitting import AS_ASKED, SOURCE_METHOD, Splitting, require_validation, splitting_methods
from tf_metammf.records.staging import require_absent, staged_directory

if TYPE_CHECKING:
    from tf_metammf.records.beam.raw_parts import RawFile

_USER_ERROR = re.compile(r"InvalidInputError: (.*?)(?: \[while running|\n\s*\n|\nTraceback|\Z)", re.DOTALL)


def convert_with_beam(
    folder: str,
    output: str,
    *,
    pipeline_options: Sequence[str] = (),
    options: Options | None = None,
    filtering: Filtering | None = None,
    splitting: Splitting | None = None,
    seed: int = 0,
    shards: int | None = None,
    partitions: int = 64,
    part_bytes: int = 2**24,
    block_rows: int = 2**20,
    k_core_rounds: int = 10,
) -> Metadata:
    """Reads tables in parts on as many workers as the runner has, and writes a record set.

    Same files, arguments and seed give the same bytes in every file as :func:`tf_metammf.records.conversion.convert`
    gives for the source ``tabular``. Input and output may be on any file system that Beam knows and all workers
    reach. A local output is written beside its target and renamed when whole; elsewhere ``metadata.json``, without
    which nothing is a record set, is written last.

    One worker each holds all distinct ids of users and of items, the numbers of a random order (16 bytes an
    interaction), and a set of bits for the ids that remain. Interactions and features are never in one place.

    Args:
        folder: The tables, a path or URL.
        output: The record set to create, a path or URL.
        pipeline_options: Options of Beam, such as ``["--runner=FlinkRunner", "--flink_master=host:8081"]``; by
            default the DirectRunner of this process.
        options: Files, columns and modalities.
        filtering: What to drop; by default only duplicates.
        splitting: How to split; see :class:`tf_metammf.records.Splitting`, of which ``like`` is not supported.
        seed: Seed of the splits and of the order on disk.
        shards: Shards per split and of the items; by default one for every 64 MiB.
        partitions: Parts that users, items and pairs are divided into.
        part_bytes: Bytes of a file that are read at once.
        block_rows: Interactions that are sorted at once.
        k_core_rounds: Rounds that a k-core may take; a pipeline has a fixed number of steps.

    Returns:
        What was written.

    Raises:
        InvalidInputError: Apache Beam is not installed, ``output`` exists or cannot be written, or the raw data or an
            argument is not acceptable. Nothing that looks like a record set is left at ``output``.
    """
    _require_beam()
    from tf_metammf.records.beam.raw_parts import list_files, sha256
    from tf_metammf.records.beam.written_entries import funnel_of, read_entries, time_unit, write_metadata

    options, filtering, splitting = options or Options(), filtering or Filtering(), splitting or Splitting()
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}, expected at least 0.")
    require_shards(shards)
    if splitting.like is not None:
        raise InvalidInputError(
            f"like is {splitting.like}, and pipelines of Beam do not read an earlier record set. Convert without "
            "Beam, or leave splitting.like out."
        )
    found = list_files(folder)
    chosen = table_files(Path(folder), list(found), options)
    require_modality_names(chosen.features)
    interactions = [
        replace(_looked_over(found, name, folder, options, part_bytes), number=number)
        for number, name in enumerate(chosen.interactions)
    ]
    features = {
        modality: _looked_over(found, name, folder, options, part_bytes) for modality, name in chosen.features.items()
    }
    ids_files = {
        modality: found[ids_name(file.name)]
        for modality, file in features.items()
        if file.suffix == ".npy" and ids_name(file.name) in found
    }
    request = read_request("tabular", filtering, splitting)
    columns = _columns(interactions, options, request)
    if chosen.splits is not None:
        require_no_split_column(Path(folder), columns)
        columns = with_split_column(columns)
    method, reason = _method(splitting, columns, folder)
    read = sorted([*interactions, *features.values(), *ids_files.values()], key=lambda file: file.name)
    fingerprints: dict[str, object] = {file.name: {"bytes": file.bytes, "sha256": sha256(file)} for file in read}
    if filtering.rating_threshold is not None and columns.rating is None:
        raise InvalidInputError(
            f"{folder}: rating_threshold is {filtering.rating_threshold}, but the interactions have no ratings. "
            "Leave it out, or name their column."
        )
    with _target(output) as place, _user_errors():
        _run(
            place,
            pipeline_options,
            interactions=interactions,
            columns=columns,
            splits=chosen.splits,
            features=features,
            ids_files=ids_files,
            item_columns={modality: options.feature_item_column(modality) for modality in features},
            timestamp_format=options.timestamp_format,
            filtering=filtering,
            splitting=splitting,
            method=method,
            reason=reason,
            seed=seed,
            shards=shards,
            partitions=partitions,
            part_bytes=part_bytes,
            block_rows=block_rows,
            k_core_rounds=k_core_rounds,
        )
        name = PurePosixPath(folder.rstrip("/")).name if "://" in folder else Path(folder).resolve().name
        entries = read_entries(place)
        funnel = funnel_of(entries, notes=chosen.notes)
        used = replace(splitting, method=funnel.method)
        require_validation(funnel.splits["validation"].interactions, used)
        source = provenance_of("tabular", options, filtering, used, seed, {"files": fingerprints, **time_unit(entries)})
        timestamps = columns.timestamp is not None
        return write_metadata(place, entries, name=name, timestamps=timestamps, source=source, funnel=funnel)


def _run(
    output: str,
    pipeline_options: Sequence[str],
    *,
    interactions: "list[RawFile]",
    columns: InteractionColumns,
    splits: list[str] | None,
    features: "dict[str, RawFile]",
    ids_files: "dict[str, RawFile]",
    item_columns: dict[str, str | None],
    timestamp_format: str | None,
    filtering: Filtering,
    splitting: Splitting,
    method: str | None,
    reason: str,
    seed: int,
    shards: int | None,
    partitions: int,
    part_bytes: int,
    block_rows: int,
    k_core_rounds: int,
) -> None:
    """Builds the pipeline and runs it to its end."""
    import apache_beam as beam
    from apache_beam.io.filesystems import FileSystems

    from tf_metammf.records.beam import (
        feature_rows,
        interaction_rows,
        vocabulary,
    )
    from tf_metammf.records.beam import (
        filtering as filters,
    )
    from tf_metammf.records.beam import (
        shards as files,
    )
    from tf_metammf.records.beam.columns import of_parts
    from tf_metammf.records.beam.splitting import counts_of_new, require_training, split
    from tf_metammf.records.beam.written_entries import WRITTEN

    with beam.Pipeline(argv=list(pipeline_options)) as pipeline:
        read, times = interaction_rows.read_interactions(
            pipeline,
            interactions,
            columns,
            splits=splits,
            part_bytes=part_bytes,
            timestamp_format=timestamp_format,
        )
        described = feature_rows.read_features(pipeline, features, ids_files, item_columns, part_bytes=part_bytes)
        of_rows = interaction_rows.ids_of(read, "item")
        of_features = described | "features: names" >> beam.MapTuple(lambda key, rows: (key, rows[0]))
        feature_rows.require_rows(of_rows, features, ids_files)
        distinct_users = vocabulary.distinct(interaction_rows.ids_of(read, "user"), "users", partitions=partitions)
        distinct_items = vocabulary.distinct(
            (of_rows, of_features) | "items: of both" >> beam.Flatten(), "items", partitions=partitions
        )
        feature_rows.overlap(distinct_items, list(features))
        user_ids, user_numbers = vocabulary.numbered(distinct_users, "users", partitions=partitions)
        item_ids, item_numbers = vocabulary.numbered(distinct_items, "items", partitions=partitions)
        rows = interaction_rows.with_dense_ids(read, user_numbers, item_numbers, partitions=partitions)
        rows, counts = filters.filtered(rows, filtering, partitions=partitions, k_core_rounds=k_core_rounds)
        numbers = vocabulary.look_up(of_features, item_numbers, "features", partitions=partitions)
        numbered = (
            {"rows": described, "numbers": numbers}
            | "features: meet ids" >> beam.CoGroupByKey()
            | "features: dense ids" >> beam.MapTuple(_with_numbers)
        )
        kept: dict[str, Any] = {"user": None, "item": None}
        count = beam.pvalue.AsSingleton(item_ids | "items: count" >> beam.Map(len))
        if filtering.k_core:
            kept = filters.id_sets(rows, "ids that remain")
            rows = rows | "ids that remain: number" >> beam.Map(filters.renumbered, kept["user"], kept["item"])
            numbered = numbered | "features: that remain" >> beam.Map(of_parts(_that_remain), kept["item"])
            count = beam.pvalue.AsSingleton(
                pipeline
                | "items: once more" >> beam.Create([None])
                | "items: that remain" >> beam.Map(lambda _, ids: filters.Renumbering(ids).count, kept["item"])
            )
        split_rows, method_used = split(
            rows,
            splitting,
            method=method,
            reason=reason,
            seed=seed,
            items=count,
            featured=numbered | "features: items" >> beam.MapTuple(lambda _, batch: batch[1]) if features else None,
            partitions=partitions,
            block_rows=block_rows,
        )
        names = ("user", "item") if columns.timestamp is None else ("user", "item", "timestamp")
        counts.append(feature_rows.without_interactions(distinct_items))
        if features:
            counts.append(feature_rows.without_features(rows, numbered, partitions=partitions))
        counts.append(
            method_used | "method: entry" >> beam.MapTuple(lambda used, why: ("method", used, 0, {"reason": why}))
        )
        for role in ("user", "item"):
            found = counts_of_new(split_rows, role, "new in splits", partitions=partitions)
            counts.append(found | f"new {role}s: entry" >> beam.Map(_entry_of_new, role))
        written = [
            *counts,
            files.write_interactions(
                split_rows,
                output,
                names,
                seed=seed,
                shards=shards,
                block_rows=block_rows,
                check=partial(require_training, method=method or "time"),
            ),
            files.write_items(
                numbered, output, items=count, widths=feature_rows.widths(described, features), shards=shards
            ),
            _write_ids(user_ids, "user", kept["user"], output, USERS_FILE),
            _write_ids(item_ids, "item", kept["item"], output, ITEMS_FILE),
            feature_rows.widths_written(described, features),
        ]
        if times is not None:
            once = pipeline | "times: once" >> beam.Create([None])
            written.append(once | "times: unit" >> beam.Map(_unit_written, times))
        _ = (
            written
            | "written: all" >> beam.Flatten()
            | "written: list" >> beam.combiners.ToList()
            | "written: file" >> beam.Map(_write_list, FileSystems.join(output, WRITTEN))
        )


def _unit_written(_: None, times: Any) -> tuple[str, str, int, dict[str, Any]]:
    return "times", "", 0, {"unit": times.unit}


def _with_numbers(key: Any, found: dict[str, Any]) -> tuple[str, tuple[list[str], Any, Any]]:
    (rows,), (numbers,) = found["rows"], found["numbers"]
    return key[0], (rows[0], numbers, rows[1])


def _entry_of_new(counts: Any, role: str) -> tuple[str, str, int, dict[str, Any]]:
    return "new", role, 0, dict(zip(SPLITS, counts[1].tolist(), strict=True))


def _that_remain(modality: str, batch: tuple[list[str], Any, Any], items: Any) -> Any:
    """The same batch without items that were dropped, with new numbers."""
    import numpy as np

    from tf_metammf.records.beam.filtering import Renumbering

    ids, numbers, features = batch
    renumbering = Renumbering(items)
    rows = np.flatnonzero(renumbering.contains(numbers))
    return modality, ([ids[row] for row in rows], renumbering.of(numbers[rows]), features[rows])


def _write_ids(ids: Any, kind: str, kept: Any, output: str, file: str) -> Any:
    import apache_beam as beam

    arguments = [] if kept is None else [kept]
    return ids | f"{kind}s: write ids" >> beam.Map(_ids_written, kind, output, file, *arguments)


def _ids_written(ids: list[str], kind: str, output: str, file: str, kept: Any = None) -> Any:
    import numpy as np

    from tf_metammf.records.beam.filtering import Renumbering
    from tf_metammf.records.beam.shards import write_ids

    chosen = None if kept is None else Renumbering(kept).contains(np.arange(len(ids)))
    return write_ids(kind, ids, chosen, output, file)


def _write_list(entries: list[Any], path: str) -> None:
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(json.dumps(entries).encode())


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


@contextmanager
def _user_errors() -> Iterator[None]:
    """Errors of ours that a runner wrapped in its own, unwrapped."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(str(error).partition(" [while running")[0]) from error
    except Exception as error:
        found = _USER_ERROR.search(str(error))
        if found is None:
            raise
        raise InvalidInputError(" ".join(found[1].split()).strip("'\"")) from error


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
                f"{file.path}: has other columns than {files[0].name}, expected the same in all. Write them alike."
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
        raise InvalidInputError(
            f'splitting method "{SOURCE_METHOD}": {folder} has no splits of its own. Choose one of {others}.'
        )
    if method in ("leave_last_out", "time") and columns.timestamp is None:
        raise InvalidInputError(
            f'splitting method "{method}" needs timestamps, and {folder} has none. Name their column, or choose '
            "another method."
        )
    return method, AS_ASKED


def _require_beam() -> None:
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "converting with a pipeline needs Apache Beam, which is not installed. Install the extra in an environment "
            "of its own, because Beam asks for protobuf 6: pip install 'tf-metammf[beam]'."
        ) from error
