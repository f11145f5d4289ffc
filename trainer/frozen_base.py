"""A trained run under adapters: its weights, its statistics and its known items stay as they are."""

import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.placement import placed
from tf_metammf.model import MetaMMF
from tf_metammf.records.staging import replaced_file
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.weight_transfer import Places, take_statistics

_OF_ADAPTERS = re.compile(r"(^|/)modality_adapters/|/adapter_[ab](:0)?$")


def is_of_adapter(weight: tf.Variable) -> bool:
    """Whether a weight is one of an adapter, which begins as nothing."""
    return _OF_ADAPTERS.search(weight.name) is not None


def take_base(
    before: MetaMMF,
    model: MetaMMF,
    *,
    users: Places,
    items: Places,
    trained_users: NDArray[np.bool_],
    new_weights: Sequence[str],
) -> NDArray[np.bool_]:
    """Makes a model score as a trained one does, until its adapters learn; weights were transferred before.

    Statistics are those of the trained model. A new user has the mean of the trained users, and a new item its content
    alone, also where it has interactions now, as in :func:`tf_metammf.trainer.refresh.refresh`.

    Args:
        before: The trained model.
        model: The model, whose weights are frozen but for those of adapters.
        users: Positions of the users that are in both.
        items: Positions of the items that are in both.
        trained_users: bool ``[users before]``: those with a trained embedding.
        new_weights: Names of the weights of the model that the trained one does not have.

    Returns:
        bool ``[items]``: items whose ID embedding is used.

    Raises:
        InvalidInputError: The model has other weights than the trained one and its adapters.
    """
    tables = {table.name for part in model.embedding_tables() for table in part}
    missing = [name for name in new_weights if name not in tables and not _OF_ADAPTERS.search(name)]
    if missing:
        raise InvalidInputError(
            f"training.freeze is base, and the run of training.init_from has no weights for {', '.join(missing)}, "
            "which would stay as they were drawn. Give the parts and settings of that run, and name in model.adapters "
            "every modality that it does not have."
        )
    take_statistics(before, model)
    table, old = model.user_tower.embedding.embeddings, before.user_tower.embedding.embeddings.numpy()
    known_users = np.zeros(model.users, bool)
    known_users[users[1]] = trained_users[users[0]]
    mean = old[trained_users].mean(axis=0) if trained_users.any() else np.zeros(old.shape[1], old.dtype)
    rows = table.numpy()
    rows[~np.isin(np.arange(model.users), users[1])] = mean
    table.assign(rows)
    known = np.zeros(model.items, bool)
    known[items[1]] = np.asarray(before.known_items)[items[0]]
    model.known_items = placed(tf.constant(known))
    return known


def write_known_items(known: NDArray[np.bool_], run: RunDirectory) -> None:
    """Keeps the items whose ID embedding is used in a run directory."""
    with replaced_file(run.known_items_file) as aside, aside.open("wb") as file:
        np.save(file, known)


def take_known_items(model: MetaMMF, run: RunDirectory) -> None:
    """Tells a model which ID embeddings are used, where its run directory says so.

    Raises:
        InvalidInputError: The file of the run directory is damaged.
    """
    if not run.known_items_file.is_file():
        return
    try:
        known = np.load(run.known_items_file)
        if known.shape != (model.items,) or known.dtype != bool:
            raise ValueError(f"it has {known.dtype} {list(known.shape)}, expected bool [{model.items}]")
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{run.known_items_file}: cannot be read ({error}). Train the model again.") from error
    model.known_items = placed(tf.constant(known))
