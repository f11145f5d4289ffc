"""Interactions with raw ids in a table, and the data they make together with features."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.raw_files.dense_ids import IdColumn, id_column, in_order
from tf_metammf.records.raw_files.named_features import NamedFeatures
from tf_metammf.records.raw_files.split_names import SPLIT_LABELS
from tf_metammf.records.raw_files.tables import ColumnKind, Table


@dataclass(frozen=True)
class InteractionColumns:
    """Which column of a table is what; None where there is none."""

    user: str
    item: str
    rating: str | None = None
    timestamp: str | None = None
    split: str | None = None

    def kinds(self) -> dict[str, ColumnKind]:
        """What these columns hold, by name, for reading them from text."""
        kinds: dict[str, ColumnKind] = {self.user: "id", self.item: "id"}
        if self.rating is not None:
            kinds[self.rating] = "number"
        if self.timestamp is not None:
            kinds[self.timestamp] = "inferred"
        if self.split is not None:
            kinds[self.split] = "id"
        return kinds


@dataclass(frozen=True)
class NamedInteractions:
    """Interactions by raw id, before ids are dense.

    Attributes:
        user: Raw user ids.
        item: Raw item ids.
        rating: float32 ``[n]``, or None.
        timestamp: int64 ``[n]``, or None.
        split: Position in ``SPLITS``, int64 ``[n]``, or None.
    """

    user: IdColumn
    item: IdColumn
    rating: NDArray[np.float32] | None
    timestamp: NDArray[np.int64] | None
    split: NDArray[np.int64] | None


def interactions_from_table(table: Table, columns: InteractionColumns) -> NamedInteractions:
    """Takes the columns of a table as interactions.

    Raises:
        InvalidInputError: A column does not hold what it has to.
    """
    return NamedInteractions(
        user=id_column(table, columns.user),
        item=id_column(table, columns.item),
        rating=None if columns.rating is None else table.numbers(columns.rating),
        timestamp=None if columns.timestamp is None else table.timestamps(columns.timestamp),
        split=None if columns.split is None else split_labels(table, columns.split),
    )


def raw_data(
    name: str,
    named: NamedInteractions,
    features: Mapping[str, NamedFeatures],
    *,
    provenance: dict[str, object],
    notes: tuple[str, ...] = (),
) -> RawData:
    """Numbers users and items from 0 and puts interactions and features together.

    Dense ids follow the order of :func:`tf_metammf.records.raw_files.dense_ids.in_order`, whatever the
    order of the rows. Items with features and no interaction are kept, as are items without
    features.

    Args:
        name: A short name of the data set.
        named: The interactions.
        features: By modality name.
        provenance: What was read.
        notes: What the user should know, a sentence each.

    Returns:
        The data, with splits where the interactions have them.

    Raises:
        InvalidInputError: No item of a modality has an interaction.
    """
    for modality, of_modality in features.items():
        _check_overlap(modality, of_modality, named.item)
    user_ids = in_order(named.user.distinct)
    item_ids = in_order(chain(named.item.distinct, *(of_modality.item_ids for of_modality in features.values())))
    interactions = Interactions(
        user=named.user.dense(user_ids),
        item=named.item.dense(item_ids),
        timestamp=named.timestamp,
        rating=named.rating,
    )
    splits = None
    if named.split is not None:
        splits = {split: interactions.take(named.split == label) for label, split in enumerate(SPLITS)}
    return RawData(
        name=name,
        user_ids=user_ids,
        item_ids=item_ids,
        interactions=interactions,
        modalities={modality: of_modality.by_dense_id(item_ids) for modality, of_modality in features.items()},
        splits=splits,
        provenance=provenance,
        notes=notes,
    )


def _check_overlap(modality: str, features: NamedFeatures, interacted: IdColumn) -> None:
    if len(features.item_ids) and set(interacted.distinct).isdisjoint(features.item_ids):
        raise InvalidInputError(
            f'modality "{modality}": none of its {len(features.item_ids)} items ("{features.item_ids[0]}", ...) has an '
            f'interaction; the interactions have items such as "{interacted.distinct[0]}". Write the same ids in both.'
        )


def split_labels(table: Table, name: str) -> NDArray[np.int64]:
    """Of every row the position of its split in ``SPLITS``."""
    column = id_column(table, name)
    labels = np.empty(len(column.distinct), np.int64)
    for position, raw in enumerate(column.distinct):
        matches = [label for label, split in enumerate(SPLITS) if raw.lower() in SPLIT_LABELS[split]]
        if not matches:
            raise InvalidInputError(
                f'{table.path}: column "{name}" holds "{raw}"; expected train, validation, test or 0, 1, 2. '
                "Mend it, or name another column of splits."
            )
        labels[position] = matches[0]
    return labels[column.codes]
