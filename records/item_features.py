"""The features of all items in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.records.token_arrays import TokenArrays


@dataclass(frozen=True)
class ItemFeatures:
    """Features and presence of every item, by modality; row ``i`` belongs to dense item id ``i``.

    Attributes:
        features: float32 ``[items, width]`` by modality name, zeros where the item lacks the modality; or token
            sequences, where they were read as such.
        presence: bool ``[items]`` by modality name: which items have it.
    """

    features: dict[str, NDArray[np.float32] | TokenArrays]
    presence: dict[str, NDArray[np.bool_]]

    def __post_init__(self) -> None:
        modalities = sorted(self.features)
        object.__setattr__(self, "features", {name: self.features[name] for name in modalities})
        object.__setattr__(self, "presence", {name: self.presence[name] for name in modalities})

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in alphabetical order, which is the order of both dictionaries."""
        return tuple(self.features)

    @property
    def widths(self) -> dict[str, int]:
        """Values of an item, or of each of its tokens, by modality name."""
        return {name: int(features.shape[1]) for name, features in self.features.items()}

    def select(self, modalities: Sequence[str]) -> "ItemFeatures":
        """The same items with the given modalities only.

        Args:
            modalities: Names of the modalities to keep, in any order.

        Returns:
            Features that share their arrays with these.

        Raises:
            InvalidInputError: A modality is not known.
        """
        for name in modalities:
            if name not in self.features:
                raise unknown_name("modality", name, self.features)
        if len(set(modalities)) < len(modalities):
            raise InvalidInputError(f"modalities are {', '.join(modalities)}; expected each once.")
        return ItemFeatures(
            features={name: self.features[name] for name in modalities},
            presence={name: self.presence[name] for name in modalities},
        )
