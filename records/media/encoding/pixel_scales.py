"""How values of pixels become what the weights of a network were trained on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

_MEAN_AND_DEVIATION = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
SCALES = ("0..255", "0..1", "-1..1", *_MEAN_AND_DEVIATION)
"""Scales by name; "imagenet" and "clip" subtract the means of these sets of pictures and divide by their deviations."""


def require_scale(encoder: str, scale: str) -> None:
    """Refuses a scale that is not known, or none: a wrong one gives vectors that look right and are not.

    Raises:
        InvalidInputError: It is not one of :data:`SCALES`.
    """
    if scale not in SCALES:
        raise InvalidInputError(
            f'encoder {encoder}: scale is "{scale}", expected the one that its weights were trained with: '
            f"{', '.join(SCALES)}. Look at the page of the model and give it."
        )


def scaled(frames: NDArray[np.uint8], scale: str) -> NDArray[np.float32]:
    """Scales frames, uint8 ``[..., 3]``."""
    values: Any = frames.astype(np.float32)
    if scale == "0..255":
        return values
    if scale == "-1..1":
        return values / np.float32(127.5) - np.float32(1)
    values /= np.float32(255)
    if scale in _MEAN_AND_DEVIATION:
        mean, deviation = (np.array(each, np.float32) for each in _MEAN_AND_DEVIATION[scale])
        return (values - mean) / deviation
    return values
