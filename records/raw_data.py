"""What a source gives: interactions and features in memory or in files, ids made dense."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.preferences import NamedPreferences
from tf_metammf.records.token_arrays import SequenceFeatures

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Interactions:
    """Parallel columns, one entry an interaction.

    Attributes:
        user: Dense user ids, int64 ``[n]``.
        item: Dense item ids, int64 ``[n]``.
        timestamp: Seconds or any other increasing integer, int64 ``[n]``, or None; of sources, see
            :class:`tf_metammf.records.raw_files.timestamps.TimeReading`.
        rating: float32 ``[n]``, or None. Used by the rating threshold and then dropped.
        weight: How much each counts, float32 ``[n]`` of finite numbers of at least 0, or None where all count the same.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    timestamp: NDArray[np.int64] | None = None
    rating: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Interactions":
        """The interactions of the given rows (indices, or a boolean mask), in that order."""
        return Interactions(
            user=self.user[rows],
            item=self.item[rows],
            timestamp=None if self.timestamp is None else self.timestamp[rows],
            rating=None if self.rating is None else self.rating[rows],
            weight=None if self.weight is None else self.weight[rows],
        )


class FeatureMatrix(Protocol):
    """Features ``[rows, width]`` of any float or integer type: an array, or what reads them when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(rows, width)``."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[Any]:
        """``[n, width]`` for the numbers of rows ``[n]``."""


@dataclass(frozen=True)
class ModalityFeatures:
    """The features of one modality.

    Attributes:
        features: ``[rows, width]`` of any float or integer type; or token sequences, a row an item, each of which has
            at least one token.
        row_of_item: int64 ``[items]``; the row of each item, -1 where the item lacks this modality.
    """

    features: FeatureMatrix | SequenceFeatures
    row_of_item: NDArray[np.int64]

    @property
    def width(self) -> int:
        """Values of an item, or of each of its tokens."""
        return int(self.features.shape[1])

    @property
    def present(self) -> NDArray[np.bool_]:
        """bool ``[items]``: which items have this modality."""
        return self.row_of_item >= 0


@dataclass(frozen=True)
class RawData:
    """Everything a source read, ready to be filtered, split and written.

    Attributes:
        name: A short name of the data set.
        user_ids: Raw id of each dense user id; the position is the dense id.
        item_ids: Raw id of each dense item id.
        interactions: All interactions, those of the source's own splits included.
        modalities: Features by modality name.
        splits: Interactions by split name where the source has its own splits, else None.
        provenance: What was read, for ``metadata.json``: plain JSON values, no absolute paths.
        rows_read: Rows of interactions in the raw files, those that were rejected included; None where every row
            became an interaction.
        rows_rejected: Rows that were left out because they could not be read, by reason.
        notes: What the user should know of what was read, a sentence each.
        preferences: Preferences that were found in the log, by raw id; None where none were asked for.
    """

    name: str
    user_ids: list[str]
    item_ids: list[str]
    interactions: Interactions
    modalities: dict[str, ModalityFeatures]
    splits: dict[str, Interactions] | None = None
    provenance: dict[str, object] = field(default_factory=dict)
    rows_read: int | None = None
    rows_rejected: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    preferences: NamedPreferences | None = None

    @property
    def sequences(self) -> list[str]:
        """Names of the modalities that have token sequences."""
        return [name for name, each in self.modalities.items() if isinstance(each.features, SequenceFeatures)]
