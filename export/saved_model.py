"""Writes the SavedModel of a trained model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.attention import write_attention
from tf_metammf.export.baseline_module import BaselineModule
from tf_metammf.export.export_options import ExportFields, ExportOptions, export_options
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.kernel_coordinates import write_kernel_coordinates
from tf_metammf.export.manifest import write_manifest
from tf_metammf.export.recommending_module import RecommendingModule
from tf_metammf.export.reports import write_reports
from tf_metammf.export.serving_module import ServingModule
from tf_metammf.export.versions import reserved_version, version_directory
from tf_metammf.fusion.kernel_coordinates import catalogue_kernel_coordinates
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.trainer.refresh import Changes

if TYPE_CHECKING:
    from tf_metammf.trainer.runs.leakage import Leakage
    from tf_metammf.trainer.runs.run_directory import RunDirectory
    from tf_metammf.trainer.training_data import TrainingData

EXTRACTION = "extraction"
"""Name of the report on what made the features out of media, with which those of a new video are made alike."""

RERANKING = "reranking"
"""Name of the report on how the best items are ordered once more; there is none where they are not."""

SAMPLED = 1024
"""Items that warm-up requests are made of, the first ones."""


def export_run(
    run: "RunDirectory",
    output: str | Path,
    *,
    records: str | Path | None = None,
    options: ExportOptions | None = None,
    **fields: Unpack[ExportFields],
) -> Path:
    """Exports the best weights of a run, with warm-up requests and a model card.

    Args:
        run: The run directory.
        output: The folder of all versions; created where it does not exist.
        records: Where the record set is now; None for where it was in training.
        options: How the version is written.
        fields: Fields of :class:`ExportOptions` by name, which take precedence: ``k=50``.

    Returns:
        The version directory, ``output/<version>``.

    Raises:
        InvalidInputError: An argument is not acceptable, the version exists or cannot be
            written, or the record set is not the one of the run.
    """
    from tf_metammf.trainer.evaluation import load_model

    options = export_options(options, fields)
    version_directory(Path(output), options.version)
    model, data = load_model(run, records)
    assets = _serving_assets(run, model, data, options)
    return _export_data(model, data, output, options.adding(assets))


def export_refreshed(
    run: "RunDirectory",
    output: str | Path,
    *,
    records: str | Path,
    trained_on: str | Path | None = None,
    allow_leakage: bool = False,
    options: ExportOptions | None = None,
    **fields: Unpack[ExportFields],
) -> tuple[Path, Changes]:
    """Exports a run over a grown record set, without training (see :func:`tf_metammf.trainer.refresh.refresh`).

    Args:
        run: The run directory.
        output: The folder of all versions; created where it does not exist.
        records: The grown record set.
        trained_on: Where the record set of the training is now; None for where it was.
        allow_leakage: Whether the run may have been trained on interactions that the grown record set holds out.
        options: How the version is written.
        fields: Fields of :class:`ExportOptions` by name, which take precedence: ``k=50``.

    Returns:
        The version directory, and what is new; that is also in its ``assets.extra/changes.json``.

    Raises:
        InvalidInputError: As :func:`export_run`, or the record set does not fit the run.
    """
    from tf_metammf.trainer.refresh import refresh

    options = export_options(options, fields)
    version_directory(Path(output), options.version)
    found = refresh(run, records, trained_on=trained_on, allow_leakage=allow_leakage)
    assets = _serving_assets(run, found.model, found.data, options, refreshed=found.leakage)
    changes = {**found.changes.as_json(), "leakage": found.leakage.counts()}
    options = options.adding(assets, reports={"changes": changes})
    return _export_data(found.model, found.data, output, options, untrained=found.untrained), found.changes


def export_model(
    model: Any,
    output: str | Path,
    *,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    seen: tuple[NDArray[np.integer], NDArray[np.integer]],
    untrained: NDArray[np.bool_] | None = None,
    popularity: NDArray[np.number] | None = None,
    options: ExportOptions | None = None,
    **fields: Unpack[ExportFields],
) -> Path:
    """Exports a model with its ids and training interactions.

    The version directory is written aside and renamed when it is whole, so that a server
    which polls ``output`` never sees half of it.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`, or a :class:`tf_metammf.baselines.baseline.Baseline`.
        output: The folder of all versions; created where it does not exist.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two integer arrays ``[n]``.
        untrained: bool ``[users]``: users who came after training (see :class:`ServingModule`). Defaults to none.
        popularity: What items are popular by, for unknown users, ``[items]``; by default their training interactions.
        options: How the version is written.
        fields: Fields of :class:`ExportOptions` by name, which take precedence: ``k=50``.

    Returns:
        The version directory, ``output/<version>``.

    Raises:
        InvalidInputError: An argument is not acceptable, or the version exists or cannot be written.
    """
    options = export_options(options, fields)
    version_directory(Path(output), options.version)
    # The name of the temporary folder goes into the names of the tables. As it is a new one each time, two versions
    # in one process never share a table.
    with TemporaryDirectory() as labels:
        known: dict[str, Any] = {
            "user_ids": user_ids,
            "item_ids": item_ids,
            "seen": seen,
            "labels": Path(labels),
            "popularity": popularity,
            "k": options.k,
            "reranking": options.reranking,
        }
        module: RecommendingModule
        if isinstance(model, Baseline):
            _require_exact(model, options.index)
            module, report = BaselineModule(model, **known), {"index": "exact"}
            coordinates = attention = None
        else:
            module = serving = ServingModule(model, **known, index=options.index, untrained=untrained)
            report = serving.indices.report.content
            coordinates, attention = catalogue_kernel_coordinates(model), serving.attention
        signatures = module.signatures()
        with (
            reserved_version(Path(output), options.version) as target,
            staged_directory(target) as folder,
            tensorflow_errors_as_os_errors(),
        ):
            tf.saved_model.save(module, str(folder), signatures=signatures)
            if options.reranking is not None and options.reranking.changes_order:
                write_reports(folder, {RERANKING: options.reranking.to_json()})
            write_reports(folder, {"index": report, **options.reports})
            if coordinates is not None:
                write_kernel_coordinates(folder, coordinates)
            if attention is not None:
                write_attention(folder, attention)
            if options.write_assets is not None:
                options.write_assets(folder)
            write_manifest(folder)
    return target


def _require_exact(model: Baseline, index: IndexOptions | None) -> None:
    if index is not None and index.kind != "exact":
        raise InvalidInputError(
            f"index is {index.kind}, but {type(model).__name__} has no embeddings to partition. Use exact."
        )


def _export_data(
    model: Any,
    data: "TrainingData",
    output: str | Path,
    options: ExportOptions,
    *,
    untrained: NDArray[np.bool_] | None = None,
) -> Path:
    if options.reranking is not None and options.reranking.needs_content:
        options = replace(options, reranking=replace(options.reranking, content=data.content_directions()))
    return export_model(
        model,
        output,
        user_ids=data.record_set.user_ids,
        item_ids=data.record_set.item_ids,
        seen=data.interactions_of("train"),
        untrained=untrained,
        popularity=data.item_popularity,
        options=options,
    )


def _serving_assets(
    run: "RunDirectory",
    model: Any,
    data: "TrainingData",
    options: ExportOptions,
    *,
    refreshed: "Leakage | None" = None,
) -> Callable[[Path], None]:
    """Writes warm-up requests and model card into the folder of a SavedModel."""
    from tf_metammf.export.model_card import provenance_of, refreshed_provenance
    from tf_metammf.export.sample_requests import SampleRequests
    from tf_metammf.export.serving_assets import write_serving_assets

    def write_assets(folder: Path) -> None:
        ids = data.record_set
        features, presence = _sampled_features(model)
        samples = SampleRequests(ids.user_ids, ids.item_ids[:SAMPLED], features, presence)
        provenance = provenance_of(run, None if refreshed is not None else ids, license=options.license)
        if refreshed is not None:
            provenance = refreshed_provenance(provenance, ids, refreshed)
        if options.reranking is not None and options.reranking.changes_order:
            provenance["reranking"] = options.reranking.to_json()
        if extraction := ids.metadata.source.get("extraction"):
            write_reports(folder, {EXTRACTION: extraction})
        write_serving_assets(folder, samples, batching=options.batching, provenance=provenance)

    return write_assets


def _sampled_features(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Features and presence of the first items; none of a baseline, whose signatures take no features."""
    if isinstance(model, Baseline):
        return {}, {}
    features, presence = next(iter(model.item_features.blocks(SAMPLED)))
    return (
        tf.nest.map_structure(lambda rows: rows.numpy(), dict(features)),
        {name: rows.numpy() for name, rows in presence.items()},
    )
