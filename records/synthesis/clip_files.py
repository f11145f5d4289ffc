"""Frames and sound as files of video, and pictures as covers."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""Names of the channels, by their number."""


def write_clip(
    path: Path,
    frames: NDArray[np.uint8] | None,
    *,
    frame_rate: int | Fraction = 10,
    sound: NDArray[np.float32] | None = None,
    sample_rate: int = 16000,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound_codec: str = "aac",
    frame_times: NDArray[np.int64] | None = None,
) -> None:
    """Writes a file of video, sound or both, whose format follows from the ending of its name.

    Args:
        path: The file.
        frames: uint8 ``[n, height, width, 3]``, height and width even; None for sound alone.
        frame_rate: Frames a second.
        sound: float32 from -1 to 1, ``[samples]``, or ``[channels, samples]`` for 1, 2, 6 or 8 channels; None for none.
        sample_rate: Samples a second.
        codec: FFmpeg's name of the codec of the video.
        pixel_format: FFmpeg's name of its pixel format.
        sound_codec: FFmpeg's name of the codec of the sound.
        frame_times: When each frame is shown, int64 ``[n]`` in units of ``1 / frame_rate``; by default one after the
            other.
    """
    import av

    # FFmpeg writes when and by which version a file was made, unless it is asked for the same bytes each time.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video: Any = None if frames is None else container.add_stream(codec, rate=frame_rate)
        channels = None if sound is None else np.atleast_2d(sound)
        layout = None if channels is None else _LAYOUTS[len(channels)]
        audio: Any = layout and container.add_stream(sound_codec, rate=sample_rate, layout=layout)
        if frames is not None:
            video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], pixel_format
            video.codec_context.thread_count = 1
            for number, frame in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts = number if frame_times is None else int(frame_times[number])
                container.mux(video.encode(picture))
            container.mux(video.encode())
        if channels is not None:
            _write_sound(container, audio, channels, sample_rate)


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Writes a picture, uint8 ``[height, width, 3]``, as ``.png`` or ``.jpg``."""
    import av

    codec, pixels = ("png", "rgb24") if path.suffix == ".png" else ("mjpeg", "yuvj420p")
    with av.open(str(path), "w", format="image2", options={"update": "1", "fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(codec)
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], pixels
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _write_sound(container: Any, stream: Any, sound: NDArray[np.float32], sample_rate: int) -> None:
    import av

    layout = _LAYOUTS[len(sound)]
    resampler = av.AudioResampler(format=stream.format, layout=layout, rate=sample_rate)
    for start in range(0, sound.shape[1], 1024):
        interleaved = np.ascontiguousarray(sound[:, start : start + 1024].T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate, frame.pts = sample_rate, start
        for resampled in resampler.resample(frame):
            container.mux(stream.encode(resampled))
    container.mux(stream.encode())
