"""Embeddings of a run for an index of one's own: NumPy arrays, Parquet tables, and what is needed to query them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.staging import staged_directory

if TYPE_CHECKING:
    from tf_metammf.trainer.runs.run_directory import RunDirectory

DESCRIPTION_FILE = "vectors.json"


def write_vectors(run: "RunDirectory", folder: str | Path, *, records: str | Path | None = None) -> Path:
    """Writes the embeddings of all items and users with their raw ids.

    The score of a user and an item is the dot product of their vectors. For each of ``items`` and ``users`` there are
    ``NAME.npy``, float32 ``[n, d]``; ``NAME.txt``, the raw id of row ``n`` in line ``n``; and ``NAME.parquet`` with the
    columns ``id``, ``vector`` (a list of ``d`` float32) and ``trained``. ``trained`` is false for rows without training
    interactions: an export recommends popular items to such users. ``seen.parquet`` has the training interactions,
    ``user_id`` and ``item_id``, which an export leaves out. ``vectors.json`` describes them.

    Args:
        run: The run directory.
        folder: The folder to create.
        records: Where the record set is now; None for where it was in training.

    Returns:
        The folder.

    Raises:
        InvalidInputError: The model has no embeddings, the folder exists or cannot be written, or the record set is not
            the one of the run.
    """
    from tf_metammf.baselines.baseline import Baseline
    from tf_metammf.trainer.evaluation import load_model

    folder = Path(folder)
    model, data = load_model(run, records)
    if isinstance(model, Baseline):
        raise InvalidInputError(
            f"{run.folder}: {type(model).__name__} has no embeddings to write. Give a run of a model that is trained."
        )
    users, items = (np.asarray(each, np.float32) for each in model.embeddings())
    ids = data.record_set
    user, item = data.interactions_of("train")
    with staged_directory(folder, option="--vectors") as staging:
        _write(staging, "users", users, ids.user_ids, np.bincount(user, minlength=len(users)) > 0)
        _write(staging, "items", items, ids.item_ids, np.bincount(item, minlength=len(items)) > 0)
        names = [pa.array(each, pa.string()) for each in (ids.user_ids, ids.item_ids)]
        columns = {"user_id": names[0].take(pa.array(user)), "item_id": names[1].take(pa.array(item))}
        pq.write_table(pa.table(columns), staging / "seen.parquet")
        (staging / DESCRIPTION_FILE).write_text(json.dumps(_description(run, users, items), indent=2) + "\n", "utf-8")
    return folder


def _write(
    folder: Path, name: str, vectors: NDArray[np.float32], ids: Sequence[str], trained: NDArray[np.bool_]
) -> None:
    np.save(folder / f"{name}.npy", vectors)
    (folder / f"{name}.txt").write_text("".join(f"{raw}\n" for raw in ids), encoding="utf-8", newline="\n")
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    table = pa.table({"id": pa.array(ids, pa.string()), "vector": rows, "trained": pa.array(trained)})
    pq.write_table(table, folder / f"{name}.parquet")


def _description(run: "RunDirectory", users: NDArray[np.float32], items: NDArray[np.float32]) -> dict[str, Any]:
    return {
        "format": 1,
        "similarity": "dot product",
        "dimensions": int(items.shape[1]),
        "users": len(users),
        "items": len(items),
        "record_set": run.read("records")["checksum"],
    }
