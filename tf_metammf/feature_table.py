"""The features of all items on the device, looked up by dense item id."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.feature_source import FeatureBlock, check_finite
from tf_metammf.placement import placed, rows_of
from tf_metammf.row_blocks import stacked

_CHECKED_AT_ONCE = 4096


class FeatureTable:
    """Features and presence of every item, as constants beside the model's weights.

    The table is data, not a weight: it is never trained and never part of a checkpoint.

    Args:
        features: float ``[items, width]`` by modality name; rows of absent modalities are ignored.
        presence: bool ``[items]`` by modality name; a modality left out is present everywhere.
        items: Number of items. Defaults to the rows of the features; needed where there are none.

    Attributes:
        items: Number of items.
        widths: Feature width by modality name, in alphabetical order.

    Raises:
        InvalidInputError: Shapes do not fit each other, or a present feature is NaN or infinite.
    """

    def __init__(
        self,
        features: Mapping[str, NDArray[np.floating]],
        presence: Mapping[str, NDArray[np.bool_]] | None = None,
        *,
        items: int | None = None,
    ) -> None:
        presence = presence or {}
        names = sorted(features)
        if items is None:
            if not names:
                raise InvalidInputError("features is empty, so the number of items has to be given.")
            items = len(features[names[0]])
        self.items = items
        self.widths = {name: int(features[name].shape[1]) for name in names}
        present = {name: np.asarray(presence.get(name, np.ones(self.items, bool)), bool) for name in names}
        for name in names:
            self._check(name, features[name], present[name])
        self._presence = {name: placed(tf.constant(present[name])) for name in names}
        self._features = {
            name: placed(stacked([features[name]], rows=self.items, width=self.widths[name])) for name in names
        }

    def lookup(self, items: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Features ``[n, width]`` and presence ``[n]`` by modality of the given dense item ids ``[n]``."""
        features = {name: rows_of(table, items) for name, table in self._features.items()}
        presence = {name: rows_of(table, items) for name, table in self._presence.items()}
        return features, presence

    @property
    def complete(self) -> bool:
        """Whether every item has every modality."""
        return all(bool(tf.reduce_all(presence)) for presence in self._presence.values())

    def blocks(self, size: int) -> Iterator[FeatureBlock]:
        """All items by dense id, ``size`` after ``size``, as :class:`tf_metammf.feature_source.FeatureSource`."""
        for first in range(0, self.items, size):
            rows = slice(first, first + size)
            yield (
                {name: table[rows] for name, table in self._features.items()},
                {name: table[rows] for name, table in self._presence.items()},
            )

    def _check(self, name: str, features: NDArray[np.floating], presence: NDArray[np.bool_]) -> None:
        if features.shape[0] != self.items or presence.shape != (self.items,):
            raise InvalidInputError(
                f'modality "{name}" has features {features.shape} and presence {presence.shape}; expected '
                f"[{self.items}, width] and [{self.items}], one row for each item."
            )
        for first in range(0, self.items, _CHECKED_AT_ONCE):
            rows = slice(first, first + _CHECKED_AT_ONCE)
            check_finite(name, np.asarray(features[rows], np.float32), presence[rows], first=first)

    def __deepcopy__(self, memo: Any) -> "FeatureTable":
        return self  # immutable data; copying a model must not copy gigabytes
