"""Videos, sound, covers and texts: features are extracted, and interactions are read from a table beside them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.extraction import extract
from tf_metammf.records.media.extraction_output import PROBLEMS_FILE
from tf_metammf.records.media.extraction_settings import ExtractionSettings
from tf_metammf.records.media.feature_tables import feature_file
from tf_metammf.records.raw_data import RawData
from tf_metammf.records.raw_files.input_files import require_file, require_folder
from tf_metammf.records.raw_files.table_choice import table_files
from tf_metammf.records.read_request import ReadRequest
from tf_metammf.records.sources import tabular


@dataclass(frozen=True)
class Options(ExtractionSettings):
    """Options of the source ``videos``, which has those of ``records extract``.

    Attributes:
        features: Folder of the features, from the folder of the videos on; features that are there are used again.
        interactions: File of the interactions, in the folder; by default recognised as by the source tabular.
        timestamp_format: How times are written, as for the source tabular.
        weight: Weight of an interaction, as for the source tabular.
    """

    features: str = "features"
    interactions: str | None = None
    timestamp_format: str | None = None
    weight: str | None = None

    later: ClassVar[frozenset[str]] = frozenset({"weight"})
    """Options that a record set names only where they are given, as earlier releases did not have them."""


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
    with _options_of_videos():
        _require_interactions(path, options)  # extraction may take hours
    extracted = extract(path, path / features, options)
    files = {
        modality: feature_file(features, modality).as_posix() for modality, count in extracted.vectors.items() if count
    }
    if not files:
        raise InvalidInputError(
            f"{path}: no modality of any item could be extracted; {extracted.folder / PROBLEMS_FILE} says why."
        )
    table_options = tabular.Options(
        interactions=options.interactions,
        features=files,
        tokens=options.tokens,
        timestamp_format=options.timestamp_format,
        weight=options.weight,
    )
    with _options_of_videos():
        read = tabular.read(path, table_options, request=request)
    failed = sum(extracted.failed.values())
    if not failed:
        return read
    note = f"{failed:,} times a file could not be decoded for a modality; {features / PROBLEMS_FILE} names them."
    return replace(read, notes=(*read.notes, note))


def _require_interactions(path: Path, options: Options) -> None:
    names = [file.name for file in path.iterdir() if file.is_file()]
    files = table_files(path, names, interactions=options.interactions, features={}, modalities=None)
    for name in files.interactions:
        require_file(path / name)


@contextmanager
def _options_of_videos() -> Iterator[None]:
    """Names the options of this source where an error names those of ``tabular``."""
    try:
        yield
    except InvalidInputError as error:
        text = re.sub(r"--tabular\.(interactions|timestamp_format)\b", r"--videos.\1", str(error))
        if "--tabular." in text:
            text += " Options of tabular need --source tabular, with the features that records extract wrote."
        raise InvalidInputError(text) from error
