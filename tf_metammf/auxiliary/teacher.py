"""A teacher: a trained model as the two tables that its scores are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import items_at_once

if TYPE_CHECKING:
    from tf_metammf.catalogue_model import CatalogueModel


@dataclass(frozen=True)
class Teacher:
    """Embeddings of all users and items of a model whose scores are dot products; nothing else is needed of it.

    Attributes:
        users: float32 ``[users, d]``.
        items: float32 ``[items, d]``.
        taught: bool ``[items]``: the items that the teacher knows something about. An item that has none of its
            modalities is represented by stand-ins, and of these there is nothing to learn.
        modality: The modality that it looks at, if it looks at one alone; None for all others.

    Raises:
        InvalidInputError: The shapes do not fit each other.

    Examples:
        >>> import numpy as np
        >>> from tf_metammf.auxiliary.teacher import Teacher
        >>> Teacher(np.ones([2, 4]), np.ones([3, 4]), np.ones(3, bool), modality="visual").width
        4
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    taught: NDArray[np.bool_]
    modality: str | None = None

    def __post_init__(self) -> None:
        shapes = np.shape(self.users), np.shape(self.items), np.shape(self.taught)
        if not (len(shapes[0]) == len(shapes[1]) == 2 and shapes[0][1] == shapes[1][1] and shapes[2] == shapes[1][:1]):
            raise InvalidInputError(
                f"a teacher has users {list(shapes[0])}, items {list(shapes[1])} and taught {list(shapes[2])}, "
                "expected [users, d], [items, d] and [items]."
            )

    @classmethod
    def of(cls, model: "CatalogueModel", *, modality: str | None = None) -> "Teacher":
        """The tables of a trained model, without its calibration.

        Args:
            model: The model.
            modality: The modality that it looks at, if it looks at one alone.
        """
        calibration, model.calibration = model.calibration, None
        try:
            users, items = (np.asarray(table, np.float32) for table in model.embeddings())
        finally:
            model.calibration = calibration
        return cls(users, items, _taught(model), modality)

    @classmethod
    def together(cls, teachers: "Sequence[Teacher]") -> "Teacher":
        """One teacher whose scores are the sums of those of several, for the items that all of them know."""
        return cls(
            np.concatenate([each.users for each in teachers], axis=1),
            np.concatenate([each.items for each in teachers], axis=1),
            np.all([each.taught for each in teachers], axis=0),
        )

    @property
    def width(self) -> int:
        """``d``."""
        return int(self.users.shape[1])


def _taught(model: "CatalogueModel") -> NDArray[np.bool_]:
    """Items that have a modality that the model fuses; without a fusion, those with a trained embedding."""
    if model.item_tower.fusion is None:
        return np.asarray(model.known_items)
    source = model.item_features
    found = [np.any(np.stack(list(presence.values())), axis=0) for _, presence in source.blocks(items_at_once(source))]
    return np.concatenate(found)
