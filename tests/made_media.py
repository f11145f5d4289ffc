"""Small media files for tests, most of them broken on purpose; made by PyAV, or byte by byte."""

import os
import signal
import struct
import time
import zlib
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tf_metammf.records.media.decoding.decoding import decode
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.encoding.inputs import SoundInput
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder

NEEDS_AV = "PyAV: pip install 'tf-metammf[media]'"
"""Why tests of media are skipped where PyAV is missing."""

SIZE = 64
RATE = 10
"""Frames a second."""


def moving_square(frames: int = 5, *, color: tuple[int, int, int] = (200, 40, 40), size: int = SIZE) -> np.ndarray:
    """A white square that moves over a ground of one colour, uint8 ``[frames, size, size, 3]``."""
    pictures = np.empty((frames, size, size, 3), np.uint8)
    pictures[:] = color
    for number, picture in enumerate(pictures):
        picture[8:24, 4 * number : 4 * number + 16] = 255
    return pictures


def tone(seconds: float = 0.5, *, hertz: float = 440, rate: int = 16000, channels: int = 1) -> np.ndarray:
    """A sine of half the full range, the same in all channels, float32 ``[channels, samples]``."""
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def write_clips(folder: Path) -> None:
    """Writes four good items: ``red`` (mp4 and srt), ``blue`` (mkv), ``cover`` (png), ``song`` (wav)."""
    from tf_metammf.records.synthesis.clip_files import write_clip, write_picture

    folder.mkdir(exist_ok=True)
    write_clip(folder / "red.mp4", moving_square(), frame_rate=RATE, sound=tone())
    write_clip(folder / "blue.mkv", moving_square(color=(30, 30, 220)), frame_rate=RATE, sound=tone(hertz=1500))
    write_picture(folder / "cover.png", moving_square(1, color=(20, 200, 20))[0])
    write_clip(folder / "song.wav", None, sound=tone(hertz=900), sound_codec="pcm_s16le")
    (folder / "red.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\n<i>Bread</i> rises\n", encoding="utf-8")


def write_silent_and_torn_clips(folder: Path) -> None:
    """Adds ``silent`` (mp4 without sound) and ``torn`` (the first 700 bytes of ``red``) to :func:`write_clips`."""
    from tf_metammf.records.synthesis.clip_files import write_clip

    write_clip(folder / "silent.mp4", moving_square(color=(9, 99, 9)), frame_rate=RATE)
    (folder / "torn.mp4").write_bytes((folder / "red.mp4").read_bytes()[:700])


def write_blank_png(path: Path, width: int, height: int, *, rows: int | None = None) -> None:
    """Writes a black picture of any size, which compresses to almost nothing.

    Args:
        path: The file.
        width: In pixels.
        height: In pixels, as the header says.
        rows: Rows that there really are; all by default.
    """
    compressor = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    data = b"".join(compressor.compress(row) for _ in range(height if rows is None else rows)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks))


def rotate_mp4(path: Path) -> None:
    """Says in the header of an mp4 file that its picture is shown turned by a quarter, clockwise."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def unruly_work(connection: Connection, limits: Limits) -> None:
    """What a worker does, but for files called ``crash`` and ``hang``: they do that to it."""
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        name = Path(request.path).stem
        if name == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "hang":
            time.sleep(600)
        connection.send(decode(request, limits))


@dataclass(frozen=True)
class LoudnessSettings:
    """Settings of :class:`Loudness`: what it adds to a vector, and how long it takes for a window."""

    offset: float = 0.0
    pause: float = 0.0


class Loudness(MediaEncoder):
    """An encoder of a user's own: the mean square and the largest value of a window."""

    Settings = LoudnessSettings
    licence = "none needed"

    def __init__(self, settings: LoudnessSettings, *, download: bool = False) -> None:
        self.settings = settings
        self.inputs = SoundInput(8000, window_seconds=0.1, hop_seconds=0.1)
        self.width = 2

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """Encodes windows."""
        time.sleep(self.settings.pause * len(batch))
        return np.stack([(batch**2).mean(axis=1), batch.max(axis=1)], axis=1) + self.settings.offset


class FailsLater(Loudness):
    """One that passes the check before an extraction, and fails at more than two windows."""

    def encode(self, batch: np.ndarray) -> np.ndarray:
        """Encodes two windows at most."""
        if len(batch) > 2:
            raise ValueError("too many windows")
        return super().encode(batch)
