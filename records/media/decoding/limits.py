"""What the decoding of one file may take."""

import math
from dataclasses import dataclass

from tf_metammf.records.number_bounds import require_number


@dataclass(frozen=True)
class Limits:
    """Limits of one media file; a file beyond them loses the modality, and no other file does.

    Attributes:
        seconds: Seconds that decoding may take.
        memory: Megabytes (2**20 bytes) that a process may take for it.
        pixels: Pixels of a frame or picture, width times height.
        duration: Seconds of the film or sound itself.
        streams: Streams in the file.
    """

    seconds: float = 120.0
    memory: int = 2048
    pixels: int = 40_000_000
    duration: float = 1200.0
    streams: int = 64

    def __post_init__(self) -> None:
        for name, least in (("seconds", 0.1), ("memory", 64), ("pixels", 64), ("duration", 0.1), ("streams", 1)):
            require_number(name, getattr(self, name), least, math.inf)
