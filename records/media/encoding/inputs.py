"""What encoders take: frames, windows of sound or texts, and how these are prepared."""

from dataclasses import dataclass

from tf_metammf.records.number_bounds import require_number

MODALITIES = ("visual", "acoustic", "textual")
"""Modalities that are extracted, in the order in which they are reported."""


@dataclass(frozen=True)
class FrameInput:
    """Frames as a visual encoder takes them: RGB, uint8, the middle square of the upright picture.

    The shorter side is scaled to ``size``, and the middle of the longer one is kept.

    Attributes:
        size: Height and width in pixels.
        successors: Whether every frame comes with the next frame of the video, for motion: ``[n, 2, size, size, 3]``
            instead of ``[n, size, size, 3]``. A frame without a next one is its own successor.

    Raises:
        InvalidInputError: ``size`` is out of its range.
    """

    size: int = 224
    successors: bool = False

    def __post_init__(self) -> None:
        require_number("size of frames", self.size, 8, 2048, why=" pixels")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame, with its successor where that is asked for."""
        frame = (self.size, self.size, 3)
        return (2, *frame) if self.successors else frame


@dataclass(frozen=True)
class SoundInput:
    """Windows of sound as an acoustic encoder takes them: mono, float32 from -1 to 1, ``[n, samples]``.

    All channels are mixed into one and resampled. Sound shorter than a window is repeated until it fills one.

    Attributes:
        sample_rate: Samples a second.
        window_seconds: Length of a window.
        hop_seconds: From the start of a window to that of the next.

    Raises:
        InvalidInputError: A number is out of its range.
    """

    sample_rate: int = 16000
    window_seconds: float = 3.0
    hop_seconds: float = 1.5

    def __post_init__(self) -> None:
        require_number("sample_rate", self.sample_rate, 1000, 192_000)
        for name in ("window_seconds", "hop_seconds"):
            require_number(name, getattr(self, name), 0.01, 60)

    @property
    def samples(self) -> int:
        """Samples in a window."""
        return max(1, round(self.sample_rate * self.window_seconds))

    @property
    def hop(self) -> int:
        """Samples from the start of a window to that of the next."""
        return max(1, round(self.sample_rate * self.hop_seconds))


@dataclass(frozen=True)
class TextInput:
    """Texts as a textual encoder takes them: a list of strings, white space and markup of subtitles removed.

    Attributes:
        most_characters: Characters of a text beyond this number are left out.

    Raises:
        InvalidInputError: ``most_characters`` is below 1.
    """

    most_characters: int = 10_000

    def __post_init__(self) -> None:
        require_number("most_characters", self.most_characters, 1)


EncoderInput = FrameInput | SoundInput | TextInput
