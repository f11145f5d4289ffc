"""A record set without given users or items, as someone who asks to be forgotten may demand."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.preference_shards import read_preferences
from tf_metammf.records.preferences import Preferences
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.staging import require_absent
from tf_metammf.records.stored_features import StoredSequences, StoredVectors
from tf_metammf.records.token_sequences import TokenSequences
from tf_metammf.records.writer import write_record_set

_ITEMS_AT_ONCE = 1024


@dataclass(frozen=True)
class Removal:
    """What was removed.

    Attributes:
        record_set: The new record set.
        users: Number of users removed.
        items: Number of items removed.
        interactions: Number of interactions removed.
        unknown: Ids that the record set did not have, in the order given.
    """

    record_set: RecordSet
    users: int
    items: int
    interactions: int
    unknown: tuple[str, ...]


def remove(
    record_set: RecordSet,
    target: str | Path,
    *,
    users: Collection[str] = (),
    items: Collection[str] = (),
    seed: int = 0,
    show_progress: bool = False,
) -> Removal:
    """Writes a record set without some users and items, their interactions and their features.

    Everything else stays: the splits of the other interactions, users without interactions, the order of the ids. No
    file of the new record set has a removed id; ``metadata.json`` says how many there were and the checksum of the
    record set that they were in. Interactions are held in memory, features are not.

    Args:
        record_set: The record set to copy from, which is not changed.
        target: The folder to create.
        users: Raw ids of users.
        items: Raw ids of items.
        seed: Seed of the order on disk.
        show_progress: Whether to draw a progress bar on stderr.

    Raises:
        InvalidInputError: No id is in the record set, nothing to train on would be left, or the target exists.
        InvalidRecordSetError: The record set is damaged.
    """
    require_absent(Path(target))
    old = record_set.metadata
    user_ids, item_ids = record_set.user_ids, record_set.item_ids
    known_users, known_items = set(user_ids), set(item_ids)
    unknown = tuple(
        raw for asked, known in ((users, known_users), (items, known_items)) for raw in asked if raw not in known
    )
    keep_users = _kept(user_ids, set(users))
    keep_items = _kept(item_ids, set(items))
    if keep_users.all() and keep_items.all():
        raise InvalidInputError(
            f"{record_set.folder}: has none of the {len(users) + len(items)} ids that are to be removed"
            f"{_examples(unknown)}. Give the raw ids, as users.txt and items.txt have them."
        )
    removed_users, removed_items = int((~keep_users).sum()), int((~keep_items).sum())
    splits = {name: _remaining(read_interactions(record_set, name), keep_users, keep_items) for name in old.splits}
    if not len(splits["train"]):
        raise InvalidInputError(f"{record_set.folder}: no training interactions would be left. Remove fewer ids.")
    data = RawData(
        name=old.name,
        user_ids=[raw for raw, keep in zip(user_ids, keep_users, strict=True) if keep],
        item_ids=[raw for raw, keep in zip(item_ids, keep_items, strict=True) if keep],
        interactions=splits["train"],
        modalities=_features(record_set, np.flatnonzero(keep_items)),
        splits=splits,
        provenance=_provenance(record_set, users=removed_users, items=removed_items),
    )
    stored = {entry.stored_dtype for entry in old.modalities.values()}
    stored_dtype = "float16" if stored == {"float16"} else "float32"
    written = write_record_set(
        data,
        splits,
        target,
        seed=seed,
        stored_dtype=stored_dtype,
        preferences=_preferences(record_set, keep_users, keep_items),
        show_progress=show_progress,
    )
    return Removal(
        written,
        users=removed_users,
        items=removed_items,
        interactions=old.interactions - written.metadata.interactions,
        unknown=unknown,
    )


def _kept(ids: list[str], removed: set[str]) -> NDArray[np.bool_]:
    return np.array([raw not in removed for raw in ids], bool)


def _examples(ids: tuple[str, ...]) -> str:
    return f', "{ids[0]}" for example' if ids else ""


def _remaining(
    interactions: Interactions, keep_users: NDArray[np.bool_], keep_items: NDArray[np.bool_]
) -> Interactions:
    """Interactions of the users and items that stay, with their new dense ids."""
    left = interactions.take(keep_users[interactions.user] & keep_items[interactions.item])
    new_user, new_item = np.cumsum(keep_users) - 1, np.cumsum(keep_items) - 1
    return Interactions(new_user[left.user], new_item[left.item], timestamp=left.timestamp, weight=left.weight)


def _preferences(
    record_set: RecordSet, keep_users: NDArray[np.bool_], keep_items: NDArray[np.bool_]
) -> dict[str, Preferences] | None:
    """Preferences of the users and chosen items that stay, over the rejected items that stay."""
    entry = record_set.metadata.preferences
    if entry is None:
        return None
    new_user, new_item = np.cumsum(keep_users) - 1, np.cumsum(keep_items) - 1
    found = {}
    for split in entry.splits:
        old = read_preferences(record_set, split)
        stays = keep_items[old.rejected]
        counts = np.bincount(old.rows[stays], minlength=len(old))
        left = keep_users[old.user] & keep_items[old.chosen] & (counts > 0)
        sources = None if old.source is None else [each for each, keep in zip(old.source, left, strict=True) if keep]
        found[split] = Preferences(
            new_user[old.user[left]],
            new_item[old.chosen[left]],
            new_item[old.rejected[stays & left[old.rows]]],
            counts[left],
            None if old.weight is None else old.weight[left],
            sources,
        )
    return found


def _features(record_set: RecordSet, items: NDArray[np.int64]) -> dict[str, ModalityFeatures]:
    """The features of the items that stay, read when they are written."""
    names = sorted(record_set.metadata.modalities)
    presence: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in names}
    counts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in names}
    if names:
        lookup = ItemLookup(record_set)
        for features, present in lookup.blocks(_ITEMS_AT_ONCE):
            for name in names:
                presence[name].append(present[name].numpy())
                if isinstance(features[name], TokenSequences):
                    counts[name].append(features[name].lengths.numpy())
    found = {}
    for name in names:
        rows = np.where(np.concatenate(presence[name])[items], items, -1)
        if counts[name]:
            found[name] = ModalityFeatures(StoredSequences(record_set, name, np.concatenate(counts[name])), rows)
        else:
            found[name] = ModalityFeatures(StoredVectors(record_set, name), rows)
    return found


def _provenance(record_set: RecordSet, *, users: int, items: int) -> dict[str, object]:
    step = {"from": record_set.metadata.checksum, "users": users, "items": items}
    source = dict(record_set.metadata.source)
    return {**source, "removed": [*source.get("removed", []), step]}
