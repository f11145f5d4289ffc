"""Decoding of one file, once for picture and sound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_metammf.records.media.decoding.frame_selection import FrameSelection
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, Problem, failed
from tf_metammf.records.media.decoding.sound_windows import SoundWindows

if TYPE_CHECKING:
    from av.container import InputContainer

# Formats that one file is: none of the playlists and manifests, which name further files and addresses to read.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpeg,mpegts,flv,asf,wav,w64,mp3,flac,ogg,aac,amr,caf,aiff,"
    "image2,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,apng,webp"
)
_TORN_SHARE = 0.05
"""Share of the packets that may be damaged; players skip such ones, too."""
_MISSING_SHARE, _MISSING_SECONDS = 0.1, 0.25
"""What may be missing of the length that a file declares."""


class LimitExceededError(Exception):
    """A file is beyond a limit; the message says which."""


def decode(request: DecodeRequest, limits: Limits) -> Decoded:
    """Decodes what is wanted of a file.

    Args:
        request: The file and what is wanted.
        limits: What it may take; memory is limited by the process and not here.

    Returns:
        Frames and windows of sound. A modality that is absent or could not be decoded has a problem instead.
    """
    try:
        with _opened(request.path, limits) as container:
            return _decode(container, request, limits)
    except LimitExceededError as error:
        return failed(request, str(error))
    except MemoryError:
        return failed(request, f"needs more than the {limits.memory:,} MB of memory that it may take")
    except Exception as error:  # whatever a made-up file leads to, it is a fault of this file alone
        return failed(request, f"cannot be decoded ({_plain(error)})")


@contextmanager
def _opened(path: str, limits: Limits) -> Iterator[InputContainer]:
    import av

    if not Path(path).stat().st_size:
        raise LimitExceededError("is empty")
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(limits.pixels),
        "max_streams": str(limits.streams + 1),  # further ones are not opened, and nothing is said of them
    }
    # "file:" keeps a name with a colon from being taken for an address.
    with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
        if len(container.streams) > limits.streams:
            raise LimitExceededError(f"has {len(container.streams)} streams, expected at most {limits.streams}")
        yield container


def _decode(container: InputContainer, request: DecodeRequest, limits: Limits) -> Decoded:
    import av

    decoded, takers = Decoded(), []
    if request.frames is not None:
        videos = (stream for stream in container.streams.video if not _is_cover(stream))
        video = next((stream for stream in videos if stream.codec_context is not None), None)
        if video is None:
            decoded.problems["visual"] = Problem("absent", "has no picture")
        else:
            # What limits pixels while a file is opened does not reach the decoder.
            video.codec_context.options = {"max_pixels": str(limits.pixels)}
            takers.append(_Taker("visual", video, FrameSelection(request.frames)))
    if request.sound is not None:
        sound = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
        if sound is None:
            decoded.problems["acoustic"] = Problem("absent", "has no sound")
        else:
            takers.append(_Taker("acoustic", sound, SoundWindows(request.sound)))
    if not takers:
        return decoded
    deadline = time.monotonic() + limits.seconds
    taker_of = {taker.stream.index: taker for taker in takers}
    try:
        for packet in container.demux([taker.stream for taker in takers]):
            taker = taker_of[packet.stream.index]
            if taker.problem is None:
                taker.take(packet, limits)
            if time.monotonic() > deadline:
                raise LimitExceededError(f"takes more than {limits.seconds:g} s to decode")
    except av.error.FFmpegError as error:
        for taker in takers:
            taker.problem = taker.problem or f"cannot be read to its end ({_plain(error)})"
    # Where only the file says how long it is, that is its longest stream: known if all of them were decoded.
    lengths_known = len(takers) == len(container.streams)
    missing = (container.duration or 0) / 1e6 - max(taker.end for taker in takers) if lengths_known else 0.0
    for taker in takers:
        taker.finish(decoded, missing)
    return decoded


class _Taker:
    """One stream on its way into frames or windows."""

    def __init__(self, modality: str, stream: Any, chosen: FrameSelection | SoundWindows) -> None:
        stream.codec_context.thread_count = 1  # files are decoded side by side, so threads would only wait
        self.modality = modality
        self.stream = stream
        self.problem: str | None = None
        self._chosen = chosen
        self._packets = self._torn = self._frames = 0
        self._first: float | None = None
        self._end = 0.0

    def take(self, packet: Any, limits: Limits) -> None:
        """Decodes a packet."""
        import av

        self._packets += 1
        try:
            self._require_size(self.stream.codec_context, limits)
            for frame in packet.decode():
                self._add(frame, limits)
        except av.error.FFmpegError:
            self._torn += 1
        except LimitExceededError as error:
            self.problem = str(error)

    @property
    def end(self) -> float:
        """Seconds at which what was decoded ends."""
        return self._end + (1 / float(self.stream.average_rate or 25) if self.modality == "visual" else 0)

    def finish(self, decoded: Decoded, missing: float) -> None:
        """Puts what came of the stream into the answer.

        Args:
            decoded: The answer.
            missing: Seconds at the end of the file that no stream reaches.
        """
        if self.problem is None and isinstance(self._chosen, SoundWindows):
            self._chosen.add(None)
        sequence = None if self.problem else self._chosen.chosen()
        problem = self.problem or self._damage(missing, lacks_all=sequence is None)
        if problem:
            decoded.problems[self.modality] = Problem("failed", problem)
        elif sequence is not None:
            decoded.sequences[self.modality] = sequence

    def _add(self, frame: Any, limits: Limits) -> None:
        if isinstance(self._chosen, SoundWindows):
            self._chosen.add(frame)
            self._frames += 1
            self._end = self._chosen.seconds
        else:
            self._require_size(frame, limits)
            shown = self._time(frame)
            self._chosen.add(frame, shown)
            self._frames += 1
            self._end = max(self._end, shown)
        if self._end > limits.duration:
            raise LimitExceededError(f"is longer than {limits.duration:g} s")

    def _require_size(self, sized: Any, limits: Limits) -> None:
        if self.modality == "visual" and sized.width * sized.height > limits.pixels:
            raise LimitExceededError(
                f"has frames of {sized.width} x {sized.height} pixels, expected at most {limits.pixels:,} pixels"
            )

    def _time(self, frame: Any) -> float:
        """When a frame is shown, from the first frame on; frames without a time follow at the usual rate."""
        if frame.time is None:
            return self._end + 1 / float(self.stream.average_rate or 25) if self._frames else 0.0
        if self._first is None:
            self._first = frame.time
        return max(0.0, frame.time - self._first)

    def _damage(self, missing: float, *, lacks_all: bool) -> str | None:
        """What is wrong with the stream as a whole, or None."""
        what = "sound" if self.modality == "acoustic" else "frame"
        if lacks_all:
            size = ", or more pixels than it may have" if self.modality == "visual" and self._torn else ""
            return f"has no {what} that can be decoded{size}"
        if self._torn > max(1, _TORN_SHARE * self._packets):
            return f"is damaged: {self._torn} of {self._packets} packets cannot be decoded"
        if self.stream.duration and self.stream.time_base:
            missing = float(self.stream.duration * self.stream.time_base) - self.end
        declared = self.end + missing
        if missing > max(_MISSING_SECONDS, _MISSING_SHARE * declared):
            return f"is cut short: it ends after {self.end:.1f} of {declared:.1f} s"
        return None


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the picture of a record, as files of music have."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _plain(error: BaseException) -> str:
    """What FFmpeg says, without numbers and names of functions."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
