"""Videos, sound, covers and texts: features are extracted, and interactions are read from a table beside them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.extraction import extract
from tf_metammf.records.media.extraction_output import PROBLEMS_FILE
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_tables import feature_file
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.input_files import require_folder
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources import tabular

SKIPS_ROWS = True
"""Whether rows of interactions that cannot be read can be left out."""


@dataclass(frozen=True)
class Options:
    """Options of the source ``videos``; those of extraction are as in ``records extract``.

    Attributes:
        features: Folder of the features, from the folder of the videos on; features that are there are used again.
        interactions: File of the interactions, in the folder; by default recognised as by the source tabular.
        timestamp_format: How times are written, as for the source tabular.
        visual: Encoder of frames; "none" leaves the modality out.
        visual_settings: Settings of this encoder.
        acoustic: Encoder of sound.
        acoustic_settings: Settings of this encoder.
        textual: Encoder of titles, descriptions, tags and subtitles.
        textual_settings: Settings of this encoder.
        frames: Frames of a video, at most.
        frame_choice: "even" in time, or by "shots".
        windows: Windows of sound, at most.
        batch: Frames, windows or texts that are encoded at once, about.
        workers: Processes that decode; by default one for every core.
        limits: What the decoding of one file may take.
    """

    features: str = "features"
    interactions: str | None = None
    timestamp_format: str | None = None
    visual: str = "image_statistics"
    visual_settings: dict[str, Any] = field(default_factory=dict)
    acoustic: str = "sound_statistics"
    acoustic_settings: dict[str, Any] = field(default_factory=dict)
    textual: str = "hashed_text"
    textual_settings: dict[str, Any] = field(default_factory=dict)
    frames: int = 16
    frame_choice: Literal["even", "shots"] = "even"
    windows: int = 32
    batch: int = 32
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)

    def extraction(self) -> ExtractionSettings:
        """What is extracted, and how."""
        own = ("features", "interactions", "timestamp_format")
        return ExtractionSettings(**{name: value for name, value in vars(self).items() if name not in own})


def read(path: Path, options: Options, *, request: ReadRequest | None = None) -> RawData:
    """Extracts features of the media in a folder, and reads the interactions beside them.

    Args:
        path: A folder of media, maybe with ``items.csv``; see :func:`tf_metammf.records.media.media_files.members`. It
            has a table of interactions, as the source ``tabular`` reads it, whose items are the ids of the media.
        options: What is extracted, and how.
        request: What the conversion needs, and what to do with rows that cannot be read.

    Returns:
        Interactions and features, as the source ``tabular`` gives them.

    Raises:
        InvalidInputError: The folder has no media or interactions, or they cannot be read.
    """
    require_folder(path)
    features = Path(options.features)
    if features.is_absolute() or ".." in features.parts:
        raise InvalidInputError(f"features is {options.features}, expected a folder inside {path}.")
    extracted = extract(path, path / features, options.extraction())
    files = {
        modality: feature_file(features, modality).as_posix() for modality, count in extracted.vectors.items() if count
    }
    if not files:
        raise InvalidInputError(
            f"{path}: no modality of any item could be extracted; {extracted.folder / PROBLEMS_FILE} says why."
        )
    table_options = tabular.Options(
        interactions=options.interactions, features=files, timestamp_format=options.timestamp_format
    )
    read = tabular.read(path, table_options, request=request)
    failed = sum(extracted.failed.values())
    if not failed:
        return read
    note = f"{failed:,} times a file could not be decoded for a modality; {features / PROBLEMS_FILE} names them."
    return replace(read, notes=(*read.notes, note))
