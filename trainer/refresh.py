"""A trained model over a grown record set: new items, users and interactions without training."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import items_at_once
from tf_metammf.features.token_features import item_count
from tf_metammf.records.token_sequences import TokenSequences

if TYPE_CHECKING:
    from tf_metammf.records.record_set import RecordSet
    from tf_metammf.trainer.runs.leakage import Leakage
    from tf_metammf.trainer.runs.run_directory import RunDirectory
    from tf_metammf.trainer.training_data import TrainingData
    from tf_metammf.trainer.weight_transfer import Places

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What a refresh found, by raw ids; interactions are distinct pairs of the training split.

    Attributes:
        users: Users now.
        users_added: Users that training did not know.
        users_removed: Users of training that are no longer there.
        items: Items now, all of which were encoded again.
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
        leakage: What the weights were trained on that the grown record set holds out.
    """

    model: Any
    data: "TrainingData"
    untrained: NDArray[np.bool_]
    changes: Changes
    leakage: "Leakage"


def refresh(
    run: "RunDirectory",
    records: str | Path,
    *,
    trained_on: str | Path | None = None,
    allow_leakage: bool = False,
) -> RefreshedModel:
    """Puts the weights of a run over a grown record set.

    * Weights of fusion, stand-ins, standardisation and encoder stay as they are, whatever features the new items lack.
    * Modalities that training did not know are left aside.
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
        allow_leakage: Whether the run may have been trained on interactions that are validation or test interactions
            of the grown record set.

    Raises:
        InvalidInputError: The run was trained on what the grown record set holds out, a modality of training is
            missing or of another width, items are new that nothing could represent, or a record set cannot be opened.
    """
    from tf_metammf.records.media.provenance import require_same_extraction
    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.assembly import make_model
    from tf_metammf.trainer.calibration import apply_calibration
    from tf_metammf.trainer.evaluation import load_model
    from tf_metammf.trainer.planning.training_plan import TrainingPlan
    from tf_metammf.trainer.runs.leakage import find_leakage, leakage_warning, require_no_leakage
    from tf_metammf.trainer.runs.trained_interactions import trained_interactions
    from tf_metammf.trainer.training_data import TrainingData
    from tf_metammf.trainer.weight_transfer import matched_places, take_statistics, transfer_weights

    configuration = run.configuration
    _check_encoder(run)
    before, record_set = run.open_records(trained_on, option="--trained_on"), open_record_set(records)
    require_same_extraction(
        record_set.metadata.source,
        before.metadata.source,
        where=f"the data of {run.folder}",
        advice="Extract the new data with the same encoder, or train again.",
    )
    leakage = find_leakage(trained_interactions(run, before).outside(record_set), record_set)
    if not allow_leakage:
        require_no_leakage(leakage, record_set, weights=str(run.folder), before=before, allow="give --allow_leakage")
    if warning := leakage_warning(leakage, weights=str(run.folder)):
        logger.warning("%s", warning)
    old, old_data = load_model(run, before.folder)
    _check_modalities(record_set, old)
    modalities = list(old.item_features.widths)
    as_trained = replace(configuration, model=replace(configuration.model, modalities=modalities))
    plan = TrainingPlan.of(as_trained, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_model(plan, data)
    users = matched_places(old_data.record_set.user_ids, record_set.user_ids)
    items = matched_places(old_data.record_set.item_ids, record_set.item_ids)
    new_items = model.items - len(items[1])
    if new_items and model.item_tower.fusion is None and not configuration.model.encoder.graph:
        raise InvalidInputError(
            f"{record_set.folder}: has {new_items} items that {run.folder} was not trained on, and that "
            "model represents items by their ID alone. Train again with a fusion, which represents new items."
        )
    if not len(users[1]) and not len(items[1]):
        raise InvalidInputError(
            f"{record_set.folder}: has no user and no item that {run.folder} was trained on. Ids are matched as text: "
            "convert the new data with the ids of training."
        )
    tables = {table.name for part in model.embedding_tables() for table in part}
    unmatched = [name for name in transfer_weights(old, model, users=users, items=items).new if name not in tables]
    if unmatched:
        raise InvalidInputError(
            f"{run.folder}: its weights {', '.join(unmatched)} do not fit the model of {record_set.folder}. "
            "Train it again."
        )
    # Users and items without interactions have an embedding, too, but one that was never trained.
    known_users = _marked(users, old_data.user_frequency > 0, model.users)
    known_items = _marked(items, np.asarray(old.known_items), model.items)
    trained = old.user_tower.embedding.embeddings.numpy()[old_data.user_frequency > 0]
    table = model.user_tower.embedding.embeddings
    mean = trained.mean(axis=0) if len(trained) else np.zeros(table.shape[1], trained.dtype)
    table.assign(np.where(known_users[:, np.newaxis], table.numpy(), mean))
    model.known_items = tf.constant(known_items)
    take_statistics(old, model)
    if old.calibration is not None:
        # An item without a trained embedding is cold to the model, whatever interactions it has now.
        frequency = np.where(known_items, data.item_frequency, 0)
        apply_calibration(model, old.calibration.settings, data, item_frequency=frequency)
    changes = _changes(data, old_data, users=users, items=items)
    return RefreshedModel(model, data, ~known_users, changes, leakage)


def _check_encoder(run: "RunDirectory") -> None:
    settings = run.configuration.model
    if settings.is_baseline:
        raise InvalidInputError(
            f"{run.folder}: its encoder is {settings.encoder.name}, which has no weights to carry over. "
            "Train it on the grown record set, and export that run."
        )
    if settings.encoder.compares_features:
        raise InvalidInputError(
            f"{run.folder}: its encoder is {settings.encoder.name}, which has further weights for every user or item, "
            "or graphs of items. Train it again on the grown record set, with training.init_from."
        )


def _marked(places: "Places", trained: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """bool ``[size]``: what was there and trained before."""
    marked = np.zeros(size, bool)
    marked[places[1]] = trained[places[0]]
    return marked


def _check_modalities(record_set: "RecordSet", trained: Any) -> None:
    """Refuses a record set that lacks a modality which the model looks at, or has it otherwise."""
    expected = trained.item_features.widths
    found = {name: entry.width for name, entry in record_set.metadata.modalities.items()}
    if any(found.get(name) != width for name, width in expected.items()):
        raise InvalidInputError(
            f"{record_set.folder}: has the modalities {_listed(found)}, but the run was trained on "
            f"{_listed(expected)}. Convert the new data with the same features, or train again."
        )
    for name in expected if trained.item_tower.form == "tokens" else ():
        kinds = {True: "token sequences", False: "one vector an item"}
        before, now = (name in each for each in (trained.token_modalities, record_set.metadata.sequences))
        if before != now:
            raise InvalidInputError(
                f'{record_set.folder}: modality "{name}" has {kinds[now]}, but the run was trained on {kinds[before]}. '
                "Convert the new data as before, or train again."
            )


def _listed(widths: Mapping[str, int]) -> str:
    return ", ".join(f'"{name}" of width {width}' for name, width in sorted(widths.items())) or "none"


def _changes(data: "TrainingData", old: "TrainingData", *, users: "Places", items: "Places") -> Changes:
    # Old ids for all that is there in both, so that pairs can be compared.
    old_users, old_items = old.record_set.metadata.users, old.record_set.metadata.items
    user_rows = _old_rows(users, data.record_set.metadata.users)
    item_rows = _old_rows(items, data.record_set.metadata.items)
    before = np.unique(old.train.user * old_items + old.train.item)
    user, item = user_rows[data.train.user], item_rows[data.train.item]
    in_both = (user >= 0) & (item >= 0)
    kept = len(np.intersect1d(before, user[in_both] * old_items + item[in_both]))
    now = len(np.unique(data.train.user * len(item_rows) + data.train.item))
    return Changes(
        users=len(user_rows),
        users_added=len(user_rows) - len(users[1]),
        users_removed=old_users - len(users[0]),
        items=len(item_rows),
        items_added=len(item_rows) - len(items[1]),
        items_removed=old_items - len(items[0]),
        items_changed=_changed_items(data, old, items),
        interactions=now,
        interactions_added=now - kept,
        interactions_removed=len(before) - kept,
    )


def _old_rows(places: "Places", size: int) -> NDArray[np.int64]:
    """Of every position now the one before, -1 where there is none."""
    rows = np.full(size, -1, np.int64)
    rows[places[1]] = places[0]
    return rows


def _changed_items(data: "TrainingData", old: "TrainingData", items: "Places") -> int:
    """How many items of both have other features now, of the modalities that the model looks at."""
    from tf_metammf.records.item_lookup import ItemLookup

    now, before = (ItemLookup(each.record_set, modalities=data.modalities) for each in (data, old))
    size = items_at_once(now)
    count = 0
    for first in range(0, len(items[1]) if now.widths else 0, size):
        rows = slice(first, first + size)
        known, found = (
            lookup.lookup(tf.constant(part[rows])) for lookup, part in zip((before, now), items, strict=True)
        )
        changed = np.zeros(len(items[1][rows]), bool)
        for name in now.widths:
            changed |= _different(found["features"][name], known["features"][name])
            changed |= (found["presence"][name] != known["presence"][name]).numpy()
        count += int(changed.sum())
    return count


def _different(now: Any, before: Any) -> NDArray[np.bool_]:
    """bool ``[n]``: which items have other features now; all of them, where one has vectors and the other sequences."""
    if isinstance(now, TokenSequences) != isinstance(before, TokenSequences):
        return np.ones(int(item_count({"": now})), bool)
    if not isinstance(now, TokenSequences):
        return np.asarray(tf.reduce_any(now != before, axis=1).numpy())
    found = np.array(now.lengths != before.lengths)
    for parts in ((now.values, before.values), (now.times, before.times)):
        length = min(part.shape[1] for part in parts)
        same = parts[0][:, :length].numpy() == parts[1][:, :length].numpy()
        found |= ~same.reshape(len(found), -1).all(axis=1)
    return found
