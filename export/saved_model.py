"""Writes the SavedModel of a trained model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.serving_module import ServingModule
from tf_metammf.export.versions import version_directory
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.tensorflow_errors import tensorflow_errors_as_os_errors

if TYPE_CHECKING:
    from tf_metammf.trainer.run_directory import RunDirectory

DEFAULT_K = 20
"""Places of the signatures whose number of places is fixed."""


def export_run(
    run: "RunDirectory",
    output: str | Path,
    *,
    records: str | Path | None = None,
    k: int = DEFAULT_K,
    version: int | Literal["timestamp"] | None = None,
    batching: bool = False,
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

    Returns:
        The version directory, ``output/<version>``.

    Raises:
        InvalidInputError: An argument is not acceptable, the version exists or cannot be
            written, or the record set is not the one of the run.
    """
    from tf_metammf.export.model_card import provenance_of
    from tf_metammf.export.sample_requests import SampleRequests
    from tf_metammf.export.serving_assets import write_serving_assets
    from tf_metammf.trainer.evaluation import load_model

    _check(Path(output), k, version)
    model, data = load_model(run, records)

    def write_assets(folder: Path) -> None:
        ids, items = data.record_set, data.item_features
        samples = SampleRequests(ids.user_ids, ids.item_ids, items.features, items.presence)
        write_serving_assets(folder, samples, batching=batching, provenance=provenance_of(run))

    return export_model(
        model,
        output,
        user_ids=data.record_set.user_ids,
        item_ids=data.record_set.item_ids,
        seen=data.interactions_of("train"),
        k=k,
        version=version,
        write_assets=write_assets,
    )


def export_model(
    model: Any,
    output: str | Path,
    *,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    seen: tuple[NDArray[np.integer], NDArray[np.integer]],
    k: int = DEFAULT_K,
    version: int | Literal["timestamp"] | None = None,
    write_assets: Callable[[Path], None] | None = None,
) -> Path:
    """Exports a model with its ids and training interactions.

    The version directory is written aside and renamed when it is whole, so that a server
    which polls ``output`` never sees half of it.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.
        output: The folder of all versions; created where it does not exist.
        user_ids: Raw user ids by dense id.
        item_ids: Raw item ids by dense id.
        seen: Dense user ids and item ids of the training interactions, two integer arrays ``[n]``.
        k: Places of ``serving_default`` and ``similar_items``; capped by the catalogue. Defaults to 20.
        version: Number of the version; None for the next one, ``"timestamp"`` for the seconds since 1970.
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
        module = ServingModule(model, user_ids=user_ids, item_ids=item_ids, seen=seen, labels=Path(labels))
        signatures = module.signatures(k)
        with staged_directory(target) as folder, tensorflow_errors_as_os_errors():
            tf.saved_model.save(module, str(folder), signatures=signatures)
            if write_assets is not None:
                write_assets(folder)
    return target


def _check(output: Path, k: int, version: int | Literal["timestamp"] | None) -> Path:
    if k < 1:
        raise InvalidInputError(f"--k is {k}, expected at least 1.")
    return version_directory(output, version)
