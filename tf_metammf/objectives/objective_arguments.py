"""Arguments of objectives that a loss could not be computed with, or only one that is always 0."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError


def require_positive(name: str, value: Any) -> None:
    """Refuses a number that is not above 0, or not finite.

    Raises:
        InvalidInputError: The number is named.
    """
    if not 0 < value < np.inf:
        raise InvalidInputError(f"{name} is {value}, expected a number above 0.")


def require_several(kind: str, contrast: str, frequency: NDArray[np.integer]) -> None:
    """Refuses numbers of interactions that leave a softmax one candidate, and so a loss of 0.

    Args:
        kind: ``"item"`` or ``"user"``.
        contrast: What compares them, for the message.
        frequency: Training interactions of each.

    Raises:
        InvalidInputError: They are not counts, or fewer than two are above 0.
    """
    counts = np.asarray(frequency)
    if counts.ndim != 1 or counts.dtype.kind not in "iufb" or not (np.isfinite(counts) & (counts >= 0)).all():
        raise InvalidInputError(f"{kind}_frequency has to be one number of interactions, at least 0, for each {kind}.")
    if np.count_nonzero(counts) < 2:
        raise InvalidInputError(
            f"{kind}_frequency counts interactions of {np.count_nonzero(counts)} {kind}s, expected at least 2: "
            f"{contrast} needs others to compare with."
        )
