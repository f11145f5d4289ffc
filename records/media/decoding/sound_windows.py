"""Windows of the sound of a file, mono and resampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.media.decoding.requests import Sequence, SoundRequest

if TYPE_CHECKING:
    from av import AudioFrame


class SoundWindows:
    """Takes all sound of a file in its order and cuts it into windows.

    Args:
        request: What is wanted.
    """

    def __init__(self, request: SoundRequest) -> None:
        from av import AudioResampler

        self._request = request
        # Two bytes a sample: an hour at 16 kHz is 115 MB.
        self._resampler = AudioResampler(format="s16", layout="mono", rate=request.inputs.sample_rate)
        self._parts: list[NDArray[np.int16]] = []
        self.samples = 0

    @property
    def seconds(self) -> float:
        """Seconds of sound so far."""
        return self.samples / self._request.inputs.sample_rate

    def add(self, frame: AudioFrame | None) -> None:
        """Takes the next frame, or None at the end."""
        if frame is not None:
            frame.pts = None  # gaps and jumps in time are no sound
        for resampled in self._resampler.resample(frame):
            samples = resampled.to_ndarray()[0]
            self._parts.append(samples)
            self.samples += len(samples)

    def chosen(self) -> Sequence | None:
        """The windows, float32 from -1 to 1, and their middles in seconds; None if there was no sound."""
        if not self.samples:
            return None
        sound, inputs = np.concatenate(self._parts), self._request.inputs
        if len(sound) < inputs.samples:
            windows: NDArray[Any] = np.resize(sound, (1, inputs.samples))
            starts = np.zeros(1, np.int64)
            middles = np.array([len(sound) / 2])
        else:
            starts = np.arange(0, len(sound) - inputs.samples + 1, inputs.hop)
            if len(starts) > self._request.most:
                starts = starts[np.linspace(0, len(starts) - 1, self._request.most).round().astype(np.int64)]
            windows = np.stack([sound[start : start + inputs.samples] for start in starts])
            middles = starts + inputs.samples / 2
        return Sequence(
            windows.astype(np.float32) / np.float32(2**15), (middles / inputs.sample_rate).astype(np.float32)
        )
