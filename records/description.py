"""What a record set holds, in numbers: counts, density, degrees, modalities, cold items."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.damage import damage_named
from tf_metammf.records.funnel import Funnel
from tf_metammf.records.preference_description import PreferenceDescription, describe_preferences
from tf_metammf.records.reader import items, read_interactions
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.token_sequences import TokenSequences
from tf_metammf.records.weight_description import WeightDescription, describe_weights

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)

_ITEMS_AT_ONCE = 1024


@dataclass(frozen=True)
class ModalityDescription:
    """One modality.

    Attributes:
        width: Values of an item, or of each of its tokens.
        source_dtype: Type of the raw features.
        missing_share: Share of the items that lack it.
        mean: Mean over all values of all items that have it; 0 without any.
        deviation: Standard deviation over the same values.
        tokens: Mean number of tokens of an item that has it; None where an item has one vector.
        most_tokens: Tokens that no item has more of, likewise.
        stored_dtype: Type of the values in the records.
    """

    width: int
    source_dtype: str
    missing_share: float
    mean: float
    deviation: float
    tokens: float | None = None
    most_tokens: int | None = None
    stored_dtype: str = "float32"


@dataclass(frozen=True)
class Description:
    """A record set in numbers.

    Attributes:
        name: Name of the data set.
        checksum: Of the whole record set.
        users: Number of users.
        items: Number of items.
        interactions: Number of interactions by split.
        density: Share of all user-item pairs that are an interaction of any split.
        user_degrees: Training interactions of a user, at :data:`QUANTILES`.
        item_degrees: Training interactions of an item, at :data:`QUANTILES`.
        users_without_training: Users without training interactions.
        cold_items: Items without training interactions.
        items_without_modality: Items that lack every modality.
        modalities: By name.
        funnel: What became of the rows that were read; None where the record set does not say.
        weights: Weights of the training interactions; None where all count the same.
        preferences: The preferences; None where there are none.
    """

    name: str
    checksum: str
    users: int
    items: int
    interactions: dict[str, int]
    density: float
    user_degrees: tuple[float, ...]
    item_degrees: tuple[float, ...]
    users_without_training: int
    cold_items: int
    items_without_modality: int
    modalities: dict[str, ModalityDescription]
    funnel: Funnel | None = None
    weights: WeightDescription | None = None
    preferences: PreferenceDescription | None = None


def describe(record_set: RecordSet) -> Description:
    """Describes a record set; reads its training split and its items once.

    Raises:
        InvalidRecordSetError: A shard is damaged.
    """
    metadata = record_set.metadata
    train = read_interactions(record_set, "train")
    user_degrees = np.bincount(train.user, minlength=metadata.users)
    item_degrees = np.bincount(train.item, minlength=metadata.items)
    modalities, without = _modalities(record_set)
    return Description(
        name=metadata.name,
        checksum=metadata.checksum,
        users=metadata.users,
        items=metadata.items,
        interactions={name: split.interactions for name, split in metadata.splits.items()},
        density=metadata.interactions / max(1, metadata.users * metadata.items),
        user_degrees=_quantiles(user_degrees),
        item_degrees=_quantiles(item_degrees),
        users_without_training=int((user_degrees == 0).sum()),
        cold_items=int((item_degrees == 0).sum()),
        items_without_modality=without,
        modalities=modalities,
        funnel=metadata.funnel,
        weights=describe_weights(train),
        preferences=describe_preferences(record_set),
    )


def _quantiles(degrees: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(degrees, QUANTILES)) if len(degrees) else (0.0,) * len(QUANTILES)


def _modalities(record_set: RecordSet) -> tuple[dict[str, ModalityDescription], int]:
    metadata = record_set.metadata
    moments = {name: _Moments() for name in metadata.modalities}
    without = 0
    with damage_named(record_set):
        for batch in items(record_set, batch_size=_ITEMS_AT_ONCE).as_numpy_iterator():
            presence = np.array([batch["presence"][name] for name in moments]).reshape(-1, len(batch["item"]))
            without += int((~presence.any(axis=0)).sum())
            for name, moment in moments.items():
                moment.add(_values(batch["features"][name], batch["presence"][name]))
    described = {
        name: ModalityDescription(
            width=entry.width,
            source_dtype=entry.source_dtype,
            missing_share=1 - entry.items / max(1, metadata.items),
            mean=moments[name].mean,
            deviation=moments[name].deviation,
            tokens=None if entry.tokens is None else entry.tokens.total / max(1, entry.items),
            most_tokens=None if entry.tokens is None else entry.tokens.most,
            stored_dtype=entry.stored_dtype,
        )
        for name, entry in metadata.modalities.items()
    }
    return described, without


def _values(features: Any, presence: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The values of the items that have a modality, without padding."""
    if not isinstance(features, TokenSequences):
        return np.asarray(features[presence])
    return np.asarray(features.values[np.arange(features.values.shape[1]) < features.lengths[:, np.newaxis]])


class _Moments:
    """Mean and standard deviation of numbers that arrive in blocks (Chan, Golub and LeVeque 1979), in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self._squares / self.count)) if self.count else 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        if not values.size:
            return
        block = values.astype(np.float64)
        mean, total = float(block.mean()), self.count + block.size
        difference = mean - self.mean
        self._squares += float(((block - mean) ** 2).sum()) + difference**2 * self.count * block.size / total
        self.mean += difference * block.size / total
        self.count = total
