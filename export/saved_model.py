"""Writes the SavedModel of a trained model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.baseline_module import BaselineModule
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.reports import write_reports
from tf_metammf.export.serving_module import ServingModule
from tf_metammf.export.versions import reserved_version, version_directory
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors
from tf_metammf.trainer.refresh import Changes

if TYPE_CHECKING:
    from tf_metammf.trainer.runs.leakage import Leakage
    from tf_metammf.trainer.runs.run_directory import RunDirectory
    from tf_metammf.trainer.training_data import TrainingData

DEFAULT_K = 20
"""Places of the signatures whose number of places is fixed."""

SAMPLED = 1024
"""Items that warm-up requests are made of, the first ones."""


def export_run(
    run: "RunDirectory",
    output: str | Path,
    *,
    records: str | Path | None = None,
    k: int = DEFAULT_K,
    version: int | Literal["timestamp"] | None = None,
    batching: bool = False,
    index: IndexOptions | None = None,
) -> Path:
    """Exports the best weights of a run, with warm-up requests and a model card.

    Args:
        run: The run directory.
        output: The folder of all versions; created where it does not exist.
        records: Where the record set is now; None for where it was in training.
        k: Places of ``serving_default`` and ``similar_items``; capped by the catalogue. Defaults to 20.
        version: Number of the version; None for the next one, ``"timestamp"`` for the seconds since 1970.
        batching: Whether the server will run with ``--enable_batching``; only requests that it
            takes then are in the warm-up. Defaults to False.
        index: How the best items are found. Defaults to exactly.

    Returns:
        The version directory, ``output/<version>``.

    Raises:
        InvalidInputError: An argument is not acceptable, the version exists or cannot be
            written, or the record set is not the one of the run.
    """
    from tf_metammf.trainer.evaluation import load_model

    _check(Path(output), k, version)
    model, data = load_model(run, records)
    assets = _serving_assets(run, model, data, batching=batching)
    return _export_data(model, data, output, k=k, version=version, index=index, write_assets=assets)


def export_refreshed(
    run: "RunDirectory",
    output: str | Path,
    *,
    records: str | Path,
    trained_on: str | Path | None = None,
    allow_leakage: bool = False,
    k: int = DEFAULT_K,
    version: int | Literal["timestamp"] | None = None,
    batching: bool = False,
    index: IndexOptions | None = None,
) -> tuple[Path, Changes]:
    """Exports a run over a grown record set, without training (see :func:`tf_metammf.trainer.refresh.refresh`).

    Args:
        run: The run directory.
        output: As :func:`export_run` has it.
        records: The grown record set.
        trained_on: Where the record set of the training is now; None for where it was.
        allow_leakage: Whether the run may have been trained on interactions that the grown record set holds out.
        k: As :func:`export_run` has it.
        version: As :func:`export_run` has it.
        batching: As :func:`export_run` has it.
        index: As :func:`export_run` has it.

    Returns:
        The version directory, and what is new; that is also in its ``assets.extra/changes.json``.

    Raises:
        InvalidInputError: As :func:`export_run`, or the record set does not fit the run.
    """
    from tf_metammf.trainer.refresh import refresh

    _check(Path(output), k, version)
    found = refresh(run, records, trained_on=trained_on, allow_leakage=allow_leakage)
    target = _export_data(
        found.model,
        found.data,
        output,
        k=k,
        version=version,
        write_assets=_serving_assets(run, found.model, found.data, batching=batching, refreshed=found.leakage),
        index=index,
        untrained=found.untrained,
        reports={"changes": {**found.changes.as_json(), "leakage": found.leakage.counts()}},
    )
    return target, found.changes


def export_model(
    model: Any,
    output: str | Path,
    *,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    seen: tuple[NDArray[np.integer], NDArray[np.integer]],
    k: int = DEFAULT_K,
    version: int | Literal["timestamp"] | None = None,
    index: IndexOptions | None = None,
    untrained: NDArray[np.bool_] | None = None,
    reports: Mapping[str, Mapping[str, Any]] | None = None,
    write_assets: Callable[[Path], None] | None = None,
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
        k: Places of ``serving_default`` and ``similar_items``; capped by the catalogue. Defaults to 20.
        version: Number of the version; None for the next one, ``"timestamp"`` for the seconds since 1970.
        index: How the best items are found; what was measured of it is in ``assets.extra/index.json``. Defaults to
            exactly.
        untrained: bool ``[users]``: users who came after training (see :class:`ServingModule`). Defaults to nobody.
        reports: JSON objects to put into ``assets.extra``, by name of the file.
        write_assets: Called with the folder of the SavedModel before it becomes a version, to add files.

    Returns:
        The version directory, ``output/<version>``.

    Raises:
        InvalidInputError: An argument is not acceptable, or the version exists or cannot be written.
    """
    target = _check(Path(output), k, version)
    # The name of the temporary folder goes into the names of the tables. As it is a new one each time, two versions
    # in one process never share a table.
    with TemporaryDirectory() as labels:
        known: dict[str, Any] = {
            "user_ids": user_ids,
            "item_ids": item_ids,
            "seen": seen,
            "labels": Path(labels),
            "k": k,
        }
        module: ServingModule | BaselineModule
        if isinstance(model, Baseline):
            _require_exact(model, index)
            module, report = BaselineModule(model, **known), {"index": "exact"}
        else:
            module = ServingModule(model, **known, index=index, untrained=untrained)
            report = module.indices.report.content
        signatures = module.signatures()
        with (
            reserved_version(Path(output), version) as target,
            staged_directory(target) as folder,
            tensorflow_errors_as_os_errors(),
        ):
            tf.saved_model.save(module, str(folder), signatures=signatures)
            write_reports(folder, {"index": report, **(reports or {})})
            if write_assets is not None:
                write_assets(folder)
    return target


def _require_exact(model: Baseline, index: IndexOptions | None) -> None:
    if index is not None and index.kind != "exact":
        raise InvalidInputError(
            f"index is {index.kind}, but {type(model).__name__} has no embeddings to partition. Use exact."
        )


def _export_data(model: Any, data: "TrainingData", output: str | Path, **options: Any) -> Path:
    return export_model(
        model,
        output,
        user_ids=data.record_set.user_ids,
        item_ids=data.record_set.item_ids,
        seen=data.interactions_of("train"),
        **options,
    )


def _serving_assets(
    run: "RunDirectory",
    model: Any,
    data: "TrainingData",
    *,
    batching: bool,
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
        provenance = provenance_of(run)
        if refreshed is not None:
            provenance = refreshed_provenance(provenance, ids.metadata, refreshed)
        write_serving_assets(folder, samples, batching=batching, provenance=provenance)

    return write_assets


def _sampled_features(model: Any) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Features and presence of the first items; none of a baseline, whose signatures take no features."""
    if isinstance(model, Baseline):
        return {}, {}
    features, presence = next(iter(model.item_features.blocks(SAMPLED)))
    return (
        {name: rows.numpy() for name, rows in features.items()},
        {name: rows.numpy() for name, rows in presence.items()},
    )


def _check(output: Path, k: int, version: int | Literal["timestamp"] | None) -> Path:
    if k < 1:
        raise InvalidInputError(f"--k is {k}, expected at least 1.")
    return version_directory(output, version)
