"""What of an item is encoded for which modality: its files, and its texts with their times."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_metammf.records.media.decoding.requests import Problem, Sequence
from tf_metammf.records.media.encoding.inputs import TextInput
from tf_metammf.records.media.feature_store import MediaItem
from tf_metammf.records.media.media_files import TEXT_ROLES
from tf_metammf.records.media.subtitles import read_subtitles

_ROLES = {"visual": ("video", "cover"), "acoustic": ("sound", "video")}
"""Where a modality is looked for, the first that has it counts."""


def files_of_modality(item: MediaItem, modality: str) -> list[str]:
    """Paths of the files of an item that may show a modality: video before cover, sound before video."""
    return [item.members[role] for role in _ROLES[modality] if role in item.members]


def modalities_of_files(item: MediaItem) -> dict[str, list[str]]:
    """By path, the modalities that a file is decoded for: a cover even where there is a video, which may be broken."""
    found: dict[str, list[str]] = {}
    for modality in _ROLES:
        paths = files_of_modality(item, modality)
        for path in paths[:1] if modality == "acoustic" else paths:
            found.setdefault(path, []).append(modality)
    return found


@dataclass(frozen=True)
class ItemTexts:
    """The texts of an item.

    Attributes:
        texts: Title, description, tags, and subtitles in their order.
        times: Seconds, 0 for what has no time.
        problem: Why its subtitles could not be read, or None.
    """

    texts: list[str]
    times: list[float]
    problem: Problem | None = None

    def sequence(self) -> Sequence:
        """The texts as an encoder takes them."""
        return Sequence(self.texts, np.array(self.times, np.float32))  # type: ignore[arg-type]


def texts_of_item(item: MediaItem, inputs: TextInput) -> ItemTexts:
    """Reads the texts of an item."""
    timed = [(item.members[role], 0.0) for role in TEXT_ROLES if role in item.members]
    problem = None
    if "subtitles" in item.members:
        try:
            timed += read_subtitles(Path(item.members["subtitles"]))
        except (OSError, ValueError) as error:
            problem = Problem("failed", f"cannot be read ({error.strerror if isinstance(error, OSError) else error})")
    cleaned = [(" ".join(text.split())[: inputs.most_characters], time) for text, time in timed]
    cleaned = [(text, time) for text, time in cleaned if text]
    return ItemTexts([text for text, _ in cleaned], [time for _, time in cleaned], problem)
