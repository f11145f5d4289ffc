"""The features of one modality of a record set, as the writer of another takes them: read when they are asked for."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.records.item_lookup import ItemLookup
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.token_arrays import SequenceFeatures, TokenArrays


class StoredVectors:
    """Vectors ``[items, width]`` whose rows are read from the item shards.

    Args:
        record_set: The record set.
        modality: A modality of which items have one vector.
    """

    def __init__(self, record_set: RecordSet, modality: str) -> None:
        entry = record_set.metadata.modalities[modality]
        self._lookup = ItemLookup(record_set, modalities=[modality])
        self._modality = modality
        self.shape = (record_set.metadata.items, entry.width)
        self.dtype = np.dtype(entry.source_dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        found = self._lookup.lookup(tf.constant(rows, tf.int64))["features"][self._modality]
        return np.asarray(found.numpy().astype(self.dtype))


class StoredSequences(SequenceFeatures):
    """Token sequences of all items, read from the item shards.

    Args:
        record_set: The record set.
        modality: A modality of which items have token sequences.
        token_counts: Tokens of every item, int64 ``[items]``.
    """

    def __init__(self, record_set: RecordSet, modality: str, token_counts: NDArray[np.int64]) -> None:
        self._lookup = ItemLookup(record_set, modalities=[modality])
        self._modality, self._counts = modality, token_counts
        self._entry = record_set.metadata.modalities[modality]

    @property
    def token_counts(self) -> NDArray[np.int64]:
        """As they were given."""
        return self._counts

    @property
    def shape(self) -> tuple[int, int]:
        """``(items, width)``."""
        return len(self._counts), self._entry.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that the features were read as, from which the record set was written."""
        return np.dtype(self._entry.source_dtype)

    @property
    def has_times(self) -> bool:
        """Whether the record set has times."""
        return self._entry.tokens is not None and self._entry.tokens.times

    @property
    def most(self) -> int:
        """What the record set says of it."""
        return 0 if self._entry.tokens is None else self._entry.tokens.most

    def __getitem__(self, rows: Any) -> TokenArrays:
        found = self._lookup.lookup(tf.constant(rows, tf.int64))["features"][self._modality]
        mask = found.mask.numpy()
        times = found.times.numpy()[mask] if self.has_times else None
        return TokenArrays(found.values.numpy()[mask].astype(self.dtype), found.lengths.numpy(), times)
