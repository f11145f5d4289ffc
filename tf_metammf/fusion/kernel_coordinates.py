"""Where the items of a catalogue lie by their generated kernels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.features.feature_source import items_at_once
from tf_metammf.fusion.meta_fusion import MetaFusion


def catalogue_kernel_coordinates(model: Any) -> NDArray[np.float32] | None:
    """:meth:`MetaFusion.kernel_coordinates` of all items of a model, float32 ``[items, S]``.

    Args:
        model: A trained :class:`tf_metammf.model.MetaMMF`.

    Returns:
        The coordinates; None where the fusion generates no kernels.
    """
    tower = model.item_tower
    if not isinstance(tower.fusion, MetaFusion):
        return None
    found = []
    for features, presence in model.item_features.blocks(items_at_once(model.item_features)):
        complete, mask = tower.fusion_inputs(features, presence)
        found.append(tower.fusion.kernel_coordinates(complete, mask).numpy())
    return np.concatenate(found)
