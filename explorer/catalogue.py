"""Users and items of a model: ids, interactions, and what the export holds of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.export.attention import Attention
from tf_metammf.export.exported_arrays import read_exported_arrays
from tf_metammf.ranking import exposure


@dataclass(frozen=True)
class Catalogue:
    """Users and items; rows are dense ids.

    Attributes:
        user_ids: Raw user ids.
        item_ids: Raw item ids.
        seen_starts: int64 ``[users + 1]``: where the training items of each user start in ``seen_items``.
        seen_items: int64 ``[n]``: training items, user after user.
        user_embeddings: float32 ``[users, d]``, or None where they are not known.
        item_embeddings: float32 ``[items, d]``, or None.
        modality_shares: float32 ``[items, M]``, or None.
        kernel_coordinates: float32 ``[items, S]``, or None.
        attention: To the tokens of the items, or None.
    """

    user_ids: Sequence[str] = ()
    item_ids: Sequence[str] = ()
    seen_starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    seen_items: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    user_embeddings: NDArray[np.float32] | None = None
    item_embeddings: NDArray[np.float32] | None = None
    modality_shares: NDArray[np.float32] | None = None
    kernel_coordinates: NDArray[np.float32] | None = None
    attention: Attention | None = None

    @cached_property
    def user_numbers(self) -> dict[str, int]:
        """Dense user id by raw id."""
        return {raw: number for number, raw in enumerate(self.user_ids)}

    @cached_property
    def item_numbers(self) -> dict[str, int]:
        """Dense item id by raw id."""
        return {raw: number for number, raw in enumerate(self.item_ids)}

    @cached_property
    def popularity(self) -> NDArray[np.int64]:
        """Training interactions of each item, ``[items]``."""
        return np.bincount(self.seen_items, minlength=len(self.item_ids)).astype(np.int64)

    @cached_property
    def popularity_ranks(self) -> NDArray[np.int64]:
        """Place of each item by training interactions, ``[items]``, from 1; of equal ones the first item is first."""
        return exposure.popularity_ranks(self.popularity)

    @cached_property
    def is_cold(self) -> NDArray[np.bool_]:
        """Which items have no training interaction, ``[items]``."""
        return self.popularity == 0

    @cached_property
    def item_directions(self) -> NDArray[np.float32] | None:
        """Item embeddings of length 1, or 0 for those of length 0."""
        if self.item_embeddings is None:
            return None
        lengths = np.linalg.norm(self.item_embeddings, axis=1, keepdims=True)
        return np.divide(self.item_embeddings, lengths, out=np.zeros_like(self.item_embeddings), where=lengths > 0)

    def items_of(self, user_id: str) -> NDArray[np.int64]:
        """Training items of a user, as dense ids; none of an unknown one."""
        number = self.user_numbers.get(user_id)
        if number is None:
            return np.zeros(0, np.int64)
        return self.seen_items[self.seen_starts[number] : self.seen_starts[number + 1]]

    def numbers_of(self, item_ids: Sequence[str]) -> NDArray[np.int64]:
        """Dense ids of raw ids; -1 for an unknown one."""
        return np.array([self.item_numbers.get(raw, -1) for raw in item_ids], np.int64)


def exported_catalogue(version: Path) -> Catalogue:
    """The catalogue of an exported version.

    Raises:
        InvalidInputError: A file of the version cannot be read.
    """
    return Catalogue(**vars(read_exported_arrays(version)))


def recorded_catalogue(records: str | Path) -> Catalogue:
    """The catalogue of a record set, for a model of which the files are not here: ids and training interactions.

    Raises:
        InvalidRecordSetError: The record set cannot be read.
    """
    from tf_metammf.records.reader import read_interactions
    from tf_metammf.records.record_set import open_record_set

    record_set = open_record_set(records)
    interactions = read_interactions(record_set, "train")
    pairs = np.unique(np.stack([interactions.user, interactions.item], axis=1), axis=0)
    starts = np.searchsorted(pairs[:, 0], np.arange(len(record_set.user_ids) + 1))
    return Catalogue(record_set.user_ids, record_set.item_ids, starts.astype(np.int64), pairs[:, 1])
