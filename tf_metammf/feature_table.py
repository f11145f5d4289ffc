"""The features of all items on the device, looked up by dense item id."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError


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
        self._presence_arrays = {
            name: np.asarray(presence.get(name, np.ones(self.items, bool)), bool) for name in names
        }
        self._feature_arrays = {name: np.asarray(features[name], np.float32) for name in names}
        for name in names:
            self._check(name)
        self._features = {name: tf.constant(array) for name, array in self._feature_arrays.items()}
        self._presence = {name: tf.constant(array) for name, array in self._presence_arrays.items()}

    def lookup(self, items: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Features ``[n, width]`` and presence ``[n]`` by modality of the given dense item ids ``[n]``."""
        features = {name: tf.gather(table, items) for name, table in self._features.items()}
        presence = {name: tf.gather(table, items) for name, table in self._presence.items()}
        return features, presence

    @property
    def complete(self) -> bool:
        """Whether every item has every modality."""
        return all(presence.all() for presence in self._presence_arrays.values())

    def present_rows(self, modality: str, items: NDArray[np.bool_]) -> NDArray[np.float32]:
        """float32 ``[n, width]``: features of those of the marked items that have the modality."""
        return self._feature_arrays[modality][items & self._presence_arrays[modality]]

    def _check(self, name: str) -> None:
        features, presence = self._feature_arrays[name], self._presence_arrays[name]
        if features.shape[0] != self.items or presence.shape != (self.items,):
            raise InvalidInputError(
                f'modality "{name}" has features {features.shape} and presence {presence.shape}; expected '
                f"[{self.items}, width] and [{self.items}], one row for each item."
            )
        if not np.isfinite(features[presence]).all():
            item = int(np.flatnonzero(presence & ~np.isfinite(features).all(axis=1))[0])
            raise InvalidInputError(
                f'modality "{name}": item {item} has NaN or infinite features. Mend them or mark the modality as '
                "absent for this item."
            )

    def __deepcopy__(self, memo: Any) -> "FeatureTable":
        return self  # immutable data; copying a model must not copy gigabytes
