"""The pipeline of Apache Beam that converts tables to the shards of a record set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tf_metammf.records.beam import feature_rows, feature_shapes, interaction_rows, vocabulary
from tf_metammf.records.beam import filtering as filters
from tf_metammf.records.beam import shards as files
from tf_metammf.records.beam.columns import Columns, of_parts
from tf_metammf.records.beam.filtering import Renumbering
from tf_metammf.records.beam.pipeline_sizes import PipelineSizes
from tf_metammf.records.beam.raw_parts import RawFile
from tf_metammf.records.beam.splitting import counts_of_new, require_training, split
from tf_metammf.records.beam.written_entries import ODD, WRITTEN
from tf_metammf.records.conversion.conversion_settings import ConversionSettings
from tf_metammf.records.raw_data import SPLITS
from tf_metammf.records.raw_files.id_spelling import OddIds
from tf_metammf.records.raw_files.interaction_table import InteractionColumns
from tf_metammf.records.record_set import ITEMS_FILE, USERS_FILE
from tf_metammf.records.shards import interaction_column_names


@dataclass(frozen=True)
class ConversionPlan:
    """What a pipeline reads, and what it does with it.

    Attributes:
        interactions: Parts of the interactions, numbered in the order of their rows.
        columns: Which column of them is what.
        splits: The split of every part, if the parts are splits.
        features: Feature file of each modality.
        ids_files: The files of raw ids of those that are matrices and have one.
        item_columns: Column of the raw item ids in each feature file; None recognises it.
        timestamp_format: How times are written, as ``strptime`` takes it; None recognises it.
        method: Method of the splits; None lets the pipeline choose by the times.
        reason: Why this method.
        settings: What to drop, how to split, and what becomes of rows that cannot be read.
        tokens: Whether the sequences of extracted features are read, instead of the vectors beside them.
        sizes: How the work is divided.
    """

    interactions: list[RawFile]
    columns: InteractionColumns
    splits: list[str] | None
    features: dict[str, RawFile]
    ids_files: dict[str, RawFile]
    item_columns: dict[str, str | None]
    timestamp_format: str | None
    method: str | None
    reason: str
    settings: ConversionSettings
    tokens: bool
    sizes: PipelineSizes


def run(plan: ConversionPlan, output: str, pipeline_options: Sequence[str]) -> None:
    """Builds the pipeline and runs it to its end.

    It writes all shards, indexes and ids, and the list of their entries; see
    :mod:`tf_metammf.records.beam.written_entries`.

    Args:
        plan: What to read and to do.
        output: The folder to write to, a path or URL.
        pipeline_options: Options of Beam.
    """
    partitions = plan.sizes.partitions
    with beam.Pipeline(argv=list(pipeline_options)) as pipeline:
        read, times, rejected = interaction_rows.read_interactions(
            pipeline,
            plan.interactions,
            plan.columns,
            splits=plan.splits,
            part_bytes=plan.sizes.part_bytes,
            timestamp_format=plan.timestamp_format,
            skip=plan.settings.skips_bad_rows,
        )
        odd_ids: list[Any] = []
        described, of_features_rejected = feature_rows.read_features(
            pipeline,
            plan.features,
            plan.ids_files,
            plan.item_columns,
            part_bytes=plan.sizes.part_bytes,
            skip=plan.settings.skips_bad_rows,
            tokens=plan.tokens,
            most_tokens=plan.settings.most_tokens,
        )
        of_rows = interaction_rows.ids_of(read, "item")
        of_features = described | "features: names" >> beam.MapTuple(lambda key, rows: (key, rows[0]))
        feature_rows.require_rows(of_rows, plan.features, plan.ids_files)
        distinct_users = vocabulary.distinct(interaction_rows.ids_of(read, "user"), "users", partitions=partitions)
        distinct_items = vocabulary.distinct(
            (of_rows, of_features) | "items: of both" >> beam.Flatten(), "items", partitions=partitions
        )
        feature_rows.overlap(distinct_items, list(plan.features))
        feature_rows.require_distinct(described)
        for role, found in (("user", distinct_users), ("item", distinct_items)):
            odd_ids.append(found | f"odd {role}s" >> beam.Map(of_parts(_odd_ids), role))
        user_ids, user_numbers = vocabulary.numbered(distinct_users, "users", partitions=partitions)
        item_ids, item_numbers = vocabulary.numbered(distinct_items, "items", partitions=partitions)
        rows = interaction_rows.with_dense_ids(read, user_numbers, item_numbers, partitions=partitions)
        rows, counts = filters.filtered(
            rows, plan.settings.filtering, partitions=partitions, k_core_rounds=plan.sizes.k_core_rounds
        )
        numbers = vocabulary.look_up(of_features, item_numbers, "features", partitions=partitions)
        numbered = (
            {"rows": described, "numbers": numbers}
            | "features: meet ids" >> beam.CoGroupByKey()
            | "features: dense ids" >> beam.MapTuple(_with_numbers)
        )
        kept: dict[str, Any] = {"user": None, "item": None}
        count = beam.pvalue.AsSingleton(item_ids | "items: count" >> beam.Map(len))
        if plan.settings.filtering.k_core:
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
            plan.settings.splitting,
            method=plan.method,
            reason=plan.reason,
            seed=plan.settings.seed,
            items=count,
            featured=numbered | "features: items" >> beam.MapTuple(lambda _, batch: batch[1])
            if plan.features
            else None,
            partitions=partitions,
            block_rows=plan.sizes.block_rows,
        )
        names = interaction_column_names(
            timestamps=plan.columns.timestamp is not None, weights=plan.columns.weight is not None
        )
        if plan.columns.weight is not None:
            largest = split_rows | "weights: of parts" >> beam.Map(_largest_training_weight)
            counts.append(
                largest
                | "weights: largest" >> beam.CombineGlobally(partial(max, default=0.0))
                | "weights: entry" >> beam.Map(lambda weight: ("weight", "train", 0, {"largest": weight}))
            )
        counts.append(feature_rows.without_interactions(distinct_items))
        if plan.features:
            counts.append(feature_rows.without_features(rows, numbered, partitions=partitions))
        counts.append(
            method_used | "method: entry" >> beam.MapTuple(lambda used, why: ("method", used, 0, {"reason": why}))
        )
        for role in ("user", "item"):
            found = counts_of_new(split_rows, role, "new in splits", partitions=partitions)
            counts.append(found | f"new {role}s: entry" >> beam.Map(_entry_of_new, role))
        written = [
            *counts,
            *rejected,
            *odd_ids,
            of_features_rejected,
            files.write_interactions(
                split_rows,
                output,
                names,
                seed=plan.settings.seed,
                shards=plan.settings.shards,
                block_rows=plan.sizes.block_rows,
                check=partial(require_training, method=plan.method or "time"),
            ),
            files.write_items(
                numbered,
                output,
                items=count,
                shapes=feature_shapes.shapes(described, plan.features),
                shards=plan.settings.shards,
                stored_dtype=plan.settings.stored_dtype,
            ),
            _write_ids(user_ids, "user", kept["user"], output, USERS_FILE),
            _write_ids(item_ids, "item", kept["item"], output, ITEMS_FILE),
            feature_shapes.shapes_written(described, plan.features),
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


def _largest_training_weight(rows: Columns) -> float:
    return float(rows["weight"][rows["split"] == 0].max(initial=0.0))


def _odd_ids(part: int, ids: dict[str, set[str]], role: str) -> tuple[str, str, int, dict[str, Any]]:
    """Ids that are alike are in one part."""
    return ODD, role, part, vars(OddIds.among(ids.get(interaction_rows.ORIGIN, ())))


def _unit_written(_: None, times: Any) -> tuple[str, str, int, dict[str, Any]]:
    return "times", "", 0, {"unit": times.unit, "note": times.note}


def _with_numbers(key: Any, found: dict[str, Any]) -> tuple[str, tuple[list[str], Any, Any]]:
    (rows,), (numbers,) = found["rows"], found["numbers"]
    return key[0], (rows[0], numbers, rows[1])


def _entry_of_new(counts: Any, role: str) -> tuple[str, str, int, dict[str, Any]]:
    return "new", role, 0, dict(zip(SPLITS, counts[1].tolist(), strict=True))


def _that_remain(modality: str, batch: tuple[list[str], Any, Any], items: Any) -> Any:
    """The same batch without items that were dropped, with new numbers."""

    ids, numbers, features = batch
    renumbering = Renumbering(items)
    rows = np.flatnonzero(renumbering.contains(numbers))
    return modality, ([ids[row] for row in rows], renumbering.of(numbers[rows]), features[rows])


def _write_ids(ids: Any, kind: str, kept: Any, output: str, file: str) -> Any:
    arguments = [] if kept is None else [kept]
    return ids | f"{kind}s: write ids" >> beam.Map(_ids_written, kind, output, file, *arguments)


def _ids_written(ids: list[str], kind: str, output: str, file: str, kept: Any = None) -> Any:
    chosen = None if kept is None else Renumbering(kept).contains(np.arange(len(ids)))
    return files.write_ids(kind, ids, chosen, output, file)


def _write_list(entries: list[Any], path: str) -> None:
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(json.dumps(entries).encode())
