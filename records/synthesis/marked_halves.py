"""Frames of which the half of the video that they are in decides whether they count."""

import numpy as np
from numpy.typing import NDArray

LEAST_FRAMES = 24
"""Below so many frames, a convolution over seven would see what only the mean of a half shall show."""
_WINDOW = 7


def mark_halves(frames: int, items: int, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws a frame of each half, and one more that says which of the two counts: it is in the same half.

    No seven frames in a row have the frame that says it together with one of the two, or with an end of the video. So
    the mean over each half tells what counts, and convolutions over up to seven frames do not.

    Args:
        frames: Frames of a video, even and at least :data:`LEAST_FRAMES`.
        items: Number of videos.
        random: What they are drawn with.

    Returns:
        The frames of the halves ``[items, 2]``, and the one that says which counts ``[items]``.
    """
    half = frames // 2
    halves, saying = np.zeros((items, 2), np.int64), np.zeros(items, np.int64)
    wanting = np.ones(items, bool)
    while wanting.any():
        number = int(wanting.sum())
        drawn = random.integers(half, size=(number, 2)) + [0, half]
        says = random.integers(frames, size=number)
        halves[wanting], saying[wanting] = drawn, says
        near = (np.abs(halves - saying[:, np.newaxis]) < _WINDOW).any(axis=1)
        wanting = near | (saying < _WINDOW - 1) | (saying > frames - _WINDOW)
    return halves, saying
