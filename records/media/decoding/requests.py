"""What is asked of the decoder, and what it answers."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.media.encoding.inputs import FrameInput, SoundInput

FrameChoice = Literal["even", "shots"]
"""Frames at even distances in time, or in the middle of shots."""


@dataclass(frozen=True)
class FrameRequest:
    """Which frames of a video are wanted.

    Attributes:
        inputs: How they are prepared.
        most: At most so many; a shorter video has fewer.
        choice: How they are chosen.
    """

    inputs: FrameInput
    most: int = 16
    choice: FrameChoice = "even"


@dataclass(frozen=True)
class SoundRequest:
    """Which windows of sound are wanted.

    Attributes:
        inputs: How they are prepared.
        most: At most so many, at even distances; shorter sound has fewer.
    """

    inputs: SoundInput
    most: int = 32


@dataclass(frozen=True)
class DecodeRequest:
    """What is wanted of one file, which is decoded once.

    Attributes:
        path: The file.
        frames: The frames, or None for none.
        sound: The windows of sound, or None for none.
    """

    path: str
    frames: FrameRequest | None = None
    sound: SoundRequest | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """What is wanted."""
        wanted = {"visual": self.frames, "acoustic": self.sound}
        return tuple(name for name, request in wanted.items() if request is not None)


@dataclass(frozen=True)
class Problem:
    """Why a file gives nothing for a modality.

    Attributes:
        kind: "absent" where the file has no such stream, "failed" where it could not be decoded.
        reason: What was found.
    """

    kind: Literal["absent", "failed"]
    reason: str


@dataclass(frozen=True)
class Sequence:
    """Frames or windows of one file.

    Attributes:
        values: uint8 ``[n, size, size, 3]`` or ``[n, 2, size, size, 3]``, or float32 ``[n, samples]``; n at least 1.
        times: Their middle in seconds from the start of the file, float32 ``[n]``.
    """

    values: NDArray[Any]
    times: NDArray[np.float32]


@dataclass
class Decoded:
    """What came of a request: of every modality either a sequence or a problem."""

    sequences: dict[str, Sequence] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)


def failed(request: DecodeRequest, reason: str) -> Decoded:
    """The answer where nothing of a file could be decoded."""
    return Decoded(problems=dict.fromkeys(request.modalities, Problem("failed", reason)))
