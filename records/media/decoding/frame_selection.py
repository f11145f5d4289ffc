"""Which frames of a video stand for it, chosen while it is decoded once, whatever its header says of its length."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.media.decoding.requests import FrameRequest, Sequence

if TYPE_CHECKING:
    from av import VideoFrame

_CANDIDATES = {"even": 4, "shots": 8}
"""Frames held for each that is wanted."""
_HELD_PIXELS = 2**27
"""Pixels of all held frames together beyond which they are scaled down at once."""
_SHOT_CHANGE = 0.08
"""Least mean difference of two frames, of the range of values, that is taken for a change of shots."""


@dataclass
class _Held:
    time: float
    frame: Any
    successor: Any = None


class FrameSelection:
    """Takes every frame of a video in its order and keeps few.

    Frames are held at a distance in time that doubles whenever too many are held, so that at the end some more than
    are wanted are spread evenly over the whole video. Those nearest to the middles of equal parts are chosen; or, by
    shots, those in the middle of stretches without a change.

    Args:
        request: What is wanted.
    """

    def __init__(self, request: FrameRequest) -> None:
        self._request = request
        self._most_held = request.most * _CANDIDATES[request.choice] + 1
        self._distance = 0.0
        self._held: list[_Held] = []
        self._waits_for_successor = False

    def add(self, frame: VideoFrame, time: float) -> None:
        """Takes the next frame.

        Args:
            frame: The frame.
            time: When it is shown, in seconds.
        """
        is_wanted = not self._held or time >= self._held[-1].time + self._distance
        if not (is_wanted or self._waits_for_successor):
            return
        held = self._reduced(frame)
        if self._waits_for_successor:
            self._held[-1].successor = held
            self._waits_for_successor = False
        if not is_wanted:
            return
        if len(self._held) >= self._most_held:
            self._thin_out(time)
            if time < self._held[-1].time + self._distance:
                return
        self._held.append(_Held(time, held))
        self._waits_for_successor = self._request.inputs.successors

    def chosen(self) -> Sequence | None:
        """The frames that stand for the video, prepared; None if there was no frame."""
        if not self._held:
            return None
        if self._request.choice == "even":
            numbers = _even(np.array([held.time for held in self._held]), self._request.most)
        else:
            numbers = _by_shots([self._prepared(held.frame) for held in self._held], self._request.most)
        chosen = [self._held[number] for number in numbers]
        values = [self._with_successor(held) for held in chosen]
        return Sequence(np.stack(values), np.array([held.time for held in chosen], np.float32))

    def _thin_out(self, time: float) -> None:
        """Doubles the distance until half of the frames are left."""
        self._distance = max(2 * self._distance, 2 * (time - self._held[0].time) / self._most_held)
        left = self._held[:1]
        for held in self._held[1:]:
            if held.time >= left[-1].time + self._distance:
                left.append(held)
        self._held = left

    def _reduced(self, frame: VideoFrame) -> Any:
        """The frame, or what it becomes in the end where holding it would take much memory."""
        frames = self._most_held * (2 if self._request.inputs.successors else 1)
        return frame if frames * frame.width * frame.height <= _HELD_PIXELS else self._prepared(frame)

    def _with_successor(self, held: _Held) -> NDArray[np.uint8]:
        frame = self._prepared(held.frame)
        if not self._request.inputs.successors:
            return frame
        successor = frame if held.successor is None else self._prepared(held.successor)
        # Streams may change their size in the middle; the middle square has one size.
        return np.stack([frame, successor])

    def _prepared(self, frame: Any) -> NDArray[np.uint8]:
        return frame if isinstance(frame, np.ndarray) else prepared(frame, self._request.inputs.size)


def prepared(frame: VideoFrame, size: int) -> NDArray[np.uint8]:
    """The middle square of an upright frame in RGB, uint8 ``[size, size, 3]``."""
    shorter = min(frame.width, frame.height)
    width = max(size, round(frame.width * size / shorter))
    height = max(size, round(frame.height * size / shorter))
    # What is far longer than wide is cut first, or scaling up its shorter side would take any memory.
    if max(width, height) > 16 * size:
        width, height = min(width, 16 * size), min(height, 16 * size)
    picture = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()
    top, left = (height - size) // 2, (width - size) // 2
    square = picture[top : top + size, left : left + size]
    return np.ascontiguousarray(np.rot90(square, round(frame.rotation / 90) % 4))


def _even(times: NDArray[np.float64], most: int) -> list[int]:
    """Numbers of the frames nearest to the middles of equal parts of the time, each once."""
    if len(times) <= most:
        return list(range(len(times)))
    middles = times[0] + (np.arange(most) + 0.5) / most * (times[-1] - times[0])
    return sorted(set(np.abs(times[np.newaxis] - middles[:, np.newaxis]).argmin(axis=1).tolist()))


def _by_shots(pictures: list[NDArray[np.uint8]], most: int) -> list[int]:
    """Numbers of the middle frames of the stretches between changes of shots; the longest stretches are parted."""
    small = np.stack([picture[::8, ::8].astype(np.float32).mean(axis=2) / 255 for picture in pictures])
    changes = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2))
    largest = np.argsort(-changes, kind="stable")[: most - 1]
    cuts = sorted(int(number) + 1 for number in largest if changes[number] >= _SHOT_CHANGE)
    bounds = [0, *cuts, len(pictures)]
    stretches = list(pairwise(bounds))
    while len(stretches) < most:
        longest = max(range(len(stretches)), key=lambda number: stretches[number][1] - stretches[number][0])
        first, last = stretches[longest]
        if last - first < 2:
            break
        middle = (first + last) // 2
        stretches[longest : longest + 1] = [(first, middle), (middle, last)]
    return [(first + last - 1) // 2 for first, last in stretches]
