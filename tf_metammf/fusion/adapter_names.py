"""Which modalities are added by adapters, readable without TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

from tf_metammf.errors import InvalidInputError, unknown_name


def adapters_of(names: Sequence[str], modalities: Mapping[str, Any], *, fuses: bool) -> list[str]:
    """Modalities of adapters, in the order of the features.

    Args:
        names: The modalities.
        modalities: All modalities, in the order of the features.
        fuses: Whether there is a fusion to add them to.

    Raises:
        InvalidInputError: A modality is unknown, none is left for the fusion, or there is no fusion.
    """
    for name in names:
        if name not in modalities:
            raise unknown_name("modality of adapters", name, modalities)
    if names and (not fuses or len(set(names)) == len(modalities)):
        raise InvalidInputError(
            f"adapters are {', '.join(names)}, which leaves no modality to fuse, and adapters add to what is fused. "
            "Leave one out, or choose a fusion."
        )
    return [name for name in modalities if name in names]
