"""The features of one modality of all items, collected from batches that come in any order."""

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.modality_entry import ModalityEntry
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.token_sequences import FeatureForm, TokenSequences


class CollectedVectors:
    """Vectors of all items, float32 ``[items, width]``, zeros where there are none."""

    def __init__(self, items: int, width: int) -> None:
        self._features = np.zeros((items, width), np.float32)

    def add(self, items: NDArray[np.int64], features: NDArray[np.float32]) -> None:
        """Takes the vectors ``[n, width]`` of dense item ids ``[n]``."""
        self._features[items] = features

    def result(self) -> NDArray[np.float32]:
        """The vectors of all items."""
        return self._features


class CollectedSequences:
    """Token sequences of all items, without padding: the memory that they take, once.

    Args:
        items: Number of items.
        entry: What ``metadata.json`` says of the modality.
    """

    def __init__(self, items: int, entry: ModalityEntry) -> None:
        assert entry.tokens is not None
        self._entry = entry
        self._values = np.empty((entry.tokens.total, entry.width), np.float32)
        self._times = np.empty(entry.tokens.total, np.float32) if entry.tokens.times else None
        self._lengths = np.zeros(items, np.int64)
        self._starts = np.zeros(items, np.int64)
        self._filled = 0

    def add(self, items: NDArray[np.int64], features: TokenSequences) -> None:
        """Takes the sequences of dense item ids ``[n]``, as arrays."""
        values, lengths, times = (np.asarray(part) for part in features)
        there = np.arange(values.shape[1]) < lengths[:, np.newaxis]
        tokens = int(lengths.sum())
        place = slice(self._filled, self._filled + tokens)
        if place.stop > len(self._values):
            raise self._other_total(place.stop)
        self._values[place] = values[there]
        if self._times is not None:
            self._times[place] = times[there]
        self._lengths[items] = lengths
        self._starts[items] = self._filled + np.cumsum(lengths) - lengths
        self._filled = place.stop

    def result(self) -> TokenArrays:
        """The sequences of all items.

        Raises:
            InvalidRecordSetError: They have other tokens than ``metadata.json`` says.
        """
        if self._filled != len(self._values):
            raise self._other_total(self._filled)
        in_order = np.cumsum(self._lengths) - self._lengths
        if (self._starts == in_order).all():
            return TokenArrays(self._values, self._lengths, self._times)
        places = np.repeat(self._starts - in_order, self._lengths) + np.arange(self._filled)
        return TokenArrays(self._values[places], self._lengths, None if self._times is None else self._times[places])

    def _other_total(self, found: int) -> InvalidRecordSetError:
        assert self._entry.tokens is not None
        return InvalidRecordSetError(
            f"the item shards have {found} tokens or more of a modality, metadata.json says {self._entry.tokens.total}."
            ' See "tf-metammf records validate", then convert the raw data again.'
        )


def collection_of(items: int, entry: ModalityEntry, form: FeatureForm) -> CollectedVectors | CollectedSequences:
    """What collects the features of a modality in a form."""
    if entry.tokens is None or form == "vectors":
        return CollectedVectors(items, entry.width)
    return CollectedSequences(items, entry)
