"""A trained model over a grown record set: new items, users and interactions without training."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.records.record_set import RecordSet
    from tf_metammf.trainer.runs.run_directory import RunDirectory
    from tf_metammf.trainer.training_data import TrainingData

ITEMS_AT_ONCE = 4096
"""Items whose features are compared at once."""


@dataclass(frozen=True)
class Changes:
    """What a refresh found, by raw ids; interactions are distinct pairs of the training split.

    Attributes:
        users: Users now.
        users_added: Users that training did not know.
        users_removed: Users of training that are no longer there.
        items: Items now, all of which were encoded anew.
        items_added: Items that training did not know.
        items_removed: Items of training that are no longer there.
        items_changed: Items of both whose features are others now.
        interactions: Interactions now.
        interactions_added: Interactions that training did not have.
        interactions_removed: Interactions of training that are no longer there.
    """

    users: int
    users_added: int
    users_removed: int
    items: int
    items_added: int
    items_removed: int
    items_changed: int
    interactions: int
    interactions_added: int
    interactions_removed: int

    def as_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(frozen=True)
class RefreshedModel:
    """A model of a grown record set.

    Attributes:
        model: A :class:`tf_metammf.model.MetaMMF` with the weights of the run.
        data: The grown record set.
        untrained: bool ``[users]``: users without an embedding that was trained.
        changes: What is new.
    """

    model: Any
    data: "TrainingData"
    untrained: NDArray[np.bool_]
    changes: Changes


def refresh(run: "RunDirectory", records: str | Path, *, trained_on: str | Path | None = None) -> RefreshedModel:
    """Puts the weights of a run over a grown record set.

    * Weights of fusion, stand-ins, standardisation and encoder stay as they are.
    * Trained embeddings of users and items are found again by raw id, wherever they stand now.
    * An item without a trained embedding, because it is new or had no interactions in training, is represented by
      its content alone.
    * The tower output of a user without a trained embedding is the mean of the trained ones. An encoder of graphs
      propagates to that user over the new interactions, as to everybody; without one the export takes the user's
      interactions for a history (:class:`tf_metammf.export.histories.HistoryEncoder`).

    Args:
        run: The run directory.
        records: The grown record set.
        trained_on: Where the record set of the training is now; None for where it was.

    Raises:
        InvalidInputError: The modalities or their widths are not those of training, items are new that nothing
            could represent, or a record set cannot be opened.
    """
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.assembly import make_model, make_objective
    from tf_metammf.trainer.configuration import CONTENT_ENCODERS
    from tf_metammf.trainer.evaluation import load_model
    from tf_metammf.trainer.training_data import TrainingData

    configuration = run.configuration
    if configuration.model.encoder in CONTENT_ENCODERS or configuration.model.is_baseline:
        raise InvalidInputError(
            f"{run.folder}: its encoder is {configuration.model.encoder}, which has weights for every user or item "
            "of its own, or graphs of items. Train it again on the grown record set, with training.init_from."
        )
    old, old_data = load_model(run, trained_on)
    record_set = open_record_set(records)
    _check_modalities(record_set, old_data.record_set, configuration.model.modalities)
    data = TrainingData.of(record_set, configuration)
    model = make_model(configuration, make_objective(configuration.objective, data), data)
    user_rows = _rows(record_set.user_ids, old_data.record_set.user_ids)
    item_rows = _rows(record_set.item_ids, old_data.record_set.item_ids)
    if model.item_tower.fusion is None and configuration.model.encoder == "mf" and (item_rows < 0).any():
        raise InvalidInputError(
            f"{record_set.folder}: has {int((item_rows < 0).sum())} items that {run.folder} was not trained on, and "
            "that model knows items by their ID alone. Train again, with a fusion for new items to be represented."
        )
    # Whoever had no interactions has an embedding, but one that was never trained.
    trained_users = np.bincount(old_data.train.user, minlength=old.users) > 0
    tables = {id(old.user_tower.embedding.embeddings)}
    users = old.user_tower.embedding.embeddings.numpy()
    known = (user_rows >= 0) & np.append(trained_users, False)[user_rows]
    mean = users[trained_users].mean(axis=0) if trained_users.any() else np.zeros(users.shape[1], users.dtype)
    model.user_tower.embedding.embeddings.assign(np.where(known[:, np.newaxis], users[user_rows], mean))
    model.known_items = tf.constant((item_rows >= 0) & np.append(old_data.item_frequency > 0, False)[item_rows])
    if old.item_tower.id_embedding is not None:
        table = old.item_tower.id_embedding.embeddings
        tables.add(id(table))
        model.item_tower.id_embedding.embeddings.assign(
            np.where(model.known_items[:, np.newaxis], table.numpy()[item_rows], 0.0)
        )
    for source, target in zip(old.weights, model.weights, strict=True):
        if id(source) not in tables:
            target.assign(source)
    _take_statistics(old, model)
    return RefreshedModel(model, data, ~known, _changes(data, old_data, user_rows=user_rows, item_rows=item_rows))


def _take_statistics(old: Any, model: Any) -> None:
    """Standardisation with the statistics of training, also those that Keras derives from the weights."""
    for name, layer in model.item_tower.standardization.items():
        trained = old.item_tower.standardization[name]
        layer.adapt_mean.assign(trained.adapt_mean)
        layer.adapt_variance.assign(trained.adapt_variance)
        layer.finalize_state()


def _rows(new: list[str], old: list[str]) -> NDArray[np.int64]:
    """Of every new id its place among the old ones, -1 where there is none."""
    place = {raw: position for position, raw in enumerate(old)}
    return np.array([place.get(raw, -1) for raw in new], np.int64)


def _check_modalities(new: "RecordSet", old: "RecordSet", chosen: list[str] | None) -> None:
    def widths(record_set: "RecordSet") -> dict[str, int]:
        modalities = record_set.metadata.modalities
        return {name: entry.width for name, entry in modalities.items() if chosen is None or name in chosen}

    found, expected = widths(new), widths(old)
    if found != expected:
        raise InvalidInputError(
            f"{new.folder}: has the modalities {_listed(found)}, but the run was trained on {_listed(expected)}. "
            "Convert the new data with the same features, or train again."
        )


def _listed(widths: dict[str, int]) -> str:
    return ", ".join(f'"{name}" of width {width}' for name, width in sorted(widths.items())) or "none"


def _changes(
    data: "TrainingData", old: "TrainingData", *, user_rows: NDArray[np.int64], item_rows: NDArray[np.int64]
) -> Changes:
    old_users, old_items = old.record_set.metadata.users, old.record_set.metadata.items
    users, items = len(user_rows), len(item_rows)
    # Old ids for all that is there in both, so that pairs can be compared.
    before = np.unique(old.train.user * old_items + old.train.item)
    user, item = user_rows[data.train.user], item_rows[data.train.item]
    in_both = (user >= 0) & (item >= 0)
    kept = len(np.intersect1d(before, user[in_both] * old_items + item[in_both]))
    now = len(np.unique(data.train.user * items + data.train.item))
    return Changes(
        users=users,
        users_added=int((user_rows < 0).sum()),
        users_removed=old_users - int((user_rows >= 0).sum()),
        items=items,
        items_added=int((item_rows < 0).sum()),
        items_removed=old_items - int((item_rows >= 0).sum()),
        items_changed=int(_changed_items(data, old, item_rows).sum()),
        interactions=now,
        interactions_added=now - kept,
        interactions_removed=len(before) - kept,
    )


def _changed_items(data: "TrainingData", old: "TrainingData", item_rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    from tf_metammf.records.item_lookup import ItemLookup

    in_both = np.flatnonzero(item_rows >= 0)
    now, before = (ItemLookup(each.record_set, modalities=each.modalities) for each in (data, old))
    changed = np.zeros(len(in_both), bool)
    for first in range(0, len(in_both) if now.widths else 0, ITEMS_AT_ONCE):
        rows = slice(first, first + ITEMS_AT_ONCE)
        found = now.lookup(tf.constant(in_both[rows], tf.int64))
        known = before.lookup(tf.constant(item_rows[in_both[rows]], tf.int64))
        for name in now.widths:
            changed[rows] |= tf.reduce_any(found["features"][name] != known["features"][name], axis=1).numpy()
            changed[rows] |= (found["presence"][name] != known["presence"][name]).numpy()
    return changed
