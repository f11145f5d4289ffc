"""Items as Examples: the features of each, serialized."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.modality_entry import ModalityEntry, TokensEntry
from tf_metammf.records.raw_data import FeatureMatrix, ModalityFeatures
from tf_metammf.records.token_arrays import SequenceFeatures, mean_values
from tf_metammf.records.token_examples import time_feature
from tf_metammf.records.value_ranges import ValueRanges, exact_in_single_precision

_ITEMS_AT_ONCE = 4096
_VALUES_AT_ONCE = 2**22
"""Values of one modality that are held at once, where an item has many."""


def modality_entry(modality: ModalityFeatures, *, stored_dtype: str = "float32") -> ModalityEntry:
    """What ``metadata.json`` says of a modality.

    Args:
        modality: Its features.
        stored_dtype: The type that values are stored in.
    """
    features, tokens = modality.features, None
    if isinstance(features, SequenceFeatures):
        counts = features.token_counts
        total = int(counts[modality.row_of_item[modality.present]].sum())
        tokens = TokensEntry(most=features.most, total=total, times=features.has_times)
    return ModalityEntry(
        width=modality.width,
        source_dtype=str(features.dtype),
        items=int(modality.present.sum()),
        tokens=tokens,
        stored_dtype=stored_dtype,
    )


def item_bytes(modalities: Mapping[str, ModalityFeatures], *, stored_dtype: str = "float32") -> int:
    """Bytes that an item takes, about: what shards are sized by."""
    values = 0
    for modality in modalities.values():
        features = modality.features
        if isinstance(features, SequenceFeatures):
            values += mean_values(int(features.token_counts.sum()), len(features), modality.width)
        else:
            values += modality.width
    return 8 + np.dtype(stored_dtype).itemsize * values


def item_examples(
    modalities: Mapping[str, ModalityFeatures],
    item_ids: Sequence[str],
    start: int,
    stop: int,
    ranges: dict[str, ValueRanges] | None = None,
    *,
    first_item: int = 0,
    stored_dtype: str = "float32",
) -> Iterator[bytes]:
    """Serialized items, one after another.

    Args:
        modalities: Features by modality name.
        item_ids: Raw ids, for messages.
        start: Place of the first item among those that ``modalities`` and ``item_ids`` know.
        stop: Place after the last one.
        ranges: Takes the ranges of modalities of types that float32 does not hold exactly.
        first_item: Dense id of the item at place 0.
        stored_dtype: The type that values are stored in, ``"float32"`` or ``"float16"``.

    Yields:
        Examples.

    Raises:
        InvalidInputError: A feature is NaN or infinite, or becomes so in the type that it is stored in.
    """
    named = sorted(modalities.items())
    at_once = min(_items_at_once(modality) for _, modality in named) if named else _ITEMS_AT_ONCE
    for first in range(start, stop, at_once):
        items = np.arange(first, min(first + at_once, stop))
        found = {
            name: _features_of(_Place(name, item_ids, items), modality, ranges, stored_dtype)
            for name, modality in named
        }
        for position, item in enumerate((items + first_item).tolist()):
            example = tf.train.Example()
            example.features.feature["item"].int64_list.value.append(item)
            for name, features in found.items():
                features.write(example, name, position)
            yield example.SerializeToString(deterministic=True)


@dataclass(frozen=True)
class _Place:
    """Where features belong, for messages."""

    modality: str
    item_ids: Sequence[str]
    items: NDArray[np.int64]

    def refusal(self, position: int, row: int, found: str) -> InvalidInputError:
        return InvalidInputError(
            f'modality "{self.modality}": item "{self.item_ids[self.items[position]]}" (row {row}) has {found}'
        )


@dataclass(frozen=True)
class _Values:
    """Values of some items, end to end, little-endian: item ``i`` has those from ``bounds[i]`` up to ``bounds[i + 1]``.

    Attributes:
        values: As they are stored.
        bounds: int64 ``[n + 1]``.
        times: Of the tokens, with bounds of their own; None where there are none.
    """

    values: NDArray[Any]
    bounds: NDArray[np.int64]
    times: "_Values | None" = None

    def write(self, example: tf.train.Example, name: str, position: int) -> None:
        """Puts the values of an item into an Example, or nothing where it has none."""
        start, stop = int(self.bounds[position]), int(self.bounds[position + 1])
        if start == stop:
            return
        content = self.values[start:stop].tobytes()
        feature = example.features.feature[name]
        if self.values.dtype.itemsize == 4:
            feature.float_list.MergeFromString(_packed_floats_header(stop - start) + content)
        else:
            feature.bytes_list.value.append(content)
        if self.times is not None:
            self.times.write(example, time_feature(name), position)


@lru_cache(maxsize=1024)
def _packed_floats_header(width: int) -> bytes:
    """What a serialized FloatList of ``width`` values has before the values, which are little-endian float32.

    A list is parsed from its bytes several times faster than it is filled from Python's floats.
    """
    return tf.train.FloatList(value=[0.0] * width).SerializeToString()[: -4 * width]


def _items_at_once(modality: ModalityFeatures) -> int:
    if not isinstance(modality.features, SequenceFeatures):
        return _ITEMS_AT_ONCE
    return min(_ITEMS_AT_ONCE, max(1, _VALUES_AT_ONCE // max(modality.features.most * modality.width, 1)))


def _features_of(
    place: _Place, modality: ModalityFeatures, ranges: dict[str, ValueRanges] | None, stored_dtype: str
) -> _Values:
    """Features of some items as they are stored; refuses what is NaN or infinite."""
    rows = modality.row_of_item[place.items]
    present = rows >= 0
    features = modality.features
    lengths, times = present.astype(np.int64), None
    if isinstance(features, SequenceFeatures):
        sequences = features[rows[present]]
        found = sequences.values
        lengths[present] = sequences.lengths
        if (sequences.lengths == 0).any():
            position = int(np.flatnonzero(present)[np.argmax(sequences.lengths == 0)])
            raise place.refusal(position, int(rows[position]), "no tokens. Leave its row out.")
        if sequences.times is not None:
            times = _Values(sequences.times.astype("<f4"), np.append(0, np.cumsum(lengths)))
    else:
        found = _matrix_rows(features, rows[present])
    stored = _stored(place, found, np.repeat(np.arange(len(rows)), lengths), rows, stored_dtype)
    if ranges is not None and not exact_in_single_precision(found.dtype):
        here, name = ValueRanges.of(found), place.modality
        ranges[name] = ranges[name].joined(here) if name in ranges else here
    return _Values(stored.reshape(-1), np.append(0, np.cumsum(lengths)) * modality.width, times)


def _matrix_rows(features: FeatureMatrix, rows: NDArray[np.int64]) -> NDArray[Any]:
    return features[rows]


def _stored(
    place: _Place,
    found: NDArray[Any],
    position_of_row: NDArray[np.int64],
    rows: NDArray[np.int64],
    stored_dtype: str,
) -> NDArray[Any]:
    """Values ``[n, width]`` in the type that they are stored in, little-endian."""
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        stored = found.astype(np.dtype(stored_dtype).newbyteorder("<"), copy=False)
    broken = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if not len(broken):
        return stored
    position = int(position_of_row[broken[0]])
    with np.errstate(over="ignore"):
        fits_single = np.isfinite(found[broken[0]].astype(np.float32)).all()
    if fits_single:
        largest = np.abs(found[broken[0]]).max()
        raise place.refusal(
            position, int(rows[position]), f"a value of {largest:g}, and {stored_dtype} ends at 65504. Store float32."
        )
    raise place.refusal(
        position,
        int(rows[position]),
        "NaN or infinite values. Fix the features, or leave the item's row out where the modality is missing.",
    )
