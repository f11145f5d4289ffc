"""What is extracted, and how."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.number_bounds import require_number


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are extracted from media.

    Attributes:
        visual: Encoder of frames, by name or as ``package.module:Class``; "none" leaves the modality out.
        visual_settings: Settings of this encoder, as ``{size: 96}``.
        acoustic: Encoder of sound.
        acoustic_settings: Settings of this encoder.
        textual: Encoder of titles, descriptions, tags and subtitles.
        textual_settings: Settings of this encoder.
        frames: Frames of a video, at most.
        frame_choice: "even" takes frames at even distances in time, "shots" from the middle of shots.
        windows: Windows of sound, at most, at even distances.
        tokens: Whether the vectors of single frames, windows and texts are kept with their times, beside their mean.
        batch: Frames, windows or texts that are encoded at once, about.
        workers: Processes that decode; by default one for every core.
        download: Whether encoders may fetch weights.
        retry: Whether files that could not be decoded before, within the same limits, are tried again.
        limits: What the decoding of one file may take.
    """

    visual: str = "image_statistics"
    visual_settings: dict[str, Any] = field(default_factory=dict)
    acoustic: str = "sound_statistics"
    acoustic_settings: dict[str, Any] = field(default_factory=dict)
    textual: str = "hashed_text"
    textual_settings: dict[str, Any] = field(default_factory=dict)
    frames: int = 16
    frame_choice: Literal["even", "shots"] = "even"
    windows: int = 32
    tokens: bool = False
    batch: int = 32
    workers: int | None = None
    download: bool = False
    retry: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for name, most in (("frames", 1024), ("windows", 4096), ("batch", 65536)):
            require_number(name, getattr(self, name), 1, most)
        if self.workers is not None:
            require_number("workers", self.workers, 1, 1024)
        if self.frame_choice not in ("even", "shots"):
            raise InvalidInputError(f'frame_choice is "{self.frame_choice}", expected even or shots.')
        if {self.visual, self.acoustic, self.textual} == {"none"}:
            raise InvalidInputError("visual, acoustic and textual are all none, expected at least one encoder.")

    def encoder(self, modality: str) -> tuple[str, dict[str, Any]] | None:
        """Name and settings of the encoder of a modality; None where it is left out."""
        name = getattr(self, modality)
        return None if name == "none" else (name, getattr(self, f"{modality}_settings"))
