"""Synthetic micro-videos as real files: clips, covers and titles that show what the features would say."""

import csv
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.progress import progress
from tf_metammf.records.raw_data import SPLITS, Interactions, RawData
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.synthesis.clip_files import write_clip, write_picture
from tf_metammf.records.synthesis.synthesis import SyntheticData
from tf_metammf.records.synthesis.synthetic_kinds import write_kinds

CLIPS_FOLDER = "clips"
SIZE, FRAMES, FRAME_RATE = 64, 8, 8
SAMPLE_RATE, SECONDS = 16000, 1.0
TONES = (300.0, 800.0, 1800.0, 4000.0)
"""Hertz of the tones whose loudness is the content of the sound."""
TASTE_WIDTH = len(TONES)
"""Numbers that a content has: as many as a clip can show."""
MODALITIES = 3

_WORDS = (("slow", "fast"), ("dark", "bright"), ("old", "new"), ("small", "big"))
"""Of every number in a content the words that say it where it is negative and where it is positive."""
_MOODS = ("seriously", "ironically")
_SERIES = ("amber", "birch", "coral", "delta", "ember", "frost", "grove", "haven", "indigo")


@dataclass(frozen=True)
class Clip:
    """What one item is as a file.

    Attributes:
        frames: uint8 ``[frames, size, size, 3]``.
        sound: float32 ``[samples]``.
        title: Its title.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    title: str


def render(data: SyntheticData, item: int) -> Clip:
    """Makes the clip of an item, always the same one.

    With the content ``c`` of a modality, four numbers with the deviation 1, and its mood ``s``, -1 or 1:

    - the picture has a ground of ``128 + 40 c[0:3]`` in red, green and blue, which is ``20 c[3]`` brighter at the
      bottom than in the middle; a white square, whose cell of nine is the kind, moves if ``s`` is 1;
    - the sound has four tones of the amplitude ``0.06 exp(0.5 c)``, which swell six times a second if ``s`` is 1, and a
      faint high tone whose pitch is the kind;
    - the title says a word for the sign of each ``c[i]``, as often as ``2.5 |c[i]|`` rounded, one for ``s`` and one for
      the kind.

    Args:
        data: Micro-videos of three modalities with a taste of four numbers; see
            :func:`tf_metammf.records.synthesis.synthesis.synthesize`.
        item: Number of the item, unseen ones after all others.
    """
    contents, moods = data.shown.contents[:, item], data.shown.moods[:, item]
    kind, random = int(data.kind_of_all[item]), np.random.default_rng([item, len(data.kind_of_all)])
    return Clip(
        _frames(contents[0], moods[0], kind, random),
        _sound(contents[1], moods[1], kind, random),
        _title(contents[2], moods[2], kind),
    )


def write_rendered_clips(data: SyntheticData, folder: Path, *, show_progress: bool = False) -> None:
    """Writes all items as files, with tables as ``records convert --source videos`` reads them.

    ``clips/ID.mp4`` and the cover ``clips/ID.jpg`` of each item, ``items.csv`` with paths and titles,
    ``interactions.csv`` with splits, and ``kinds.csv``. A modality that an item lacks is not in its files.

    Args:
        data: As :func:`render` takes them.
        folder: The folder to create.
        show_progress: Whether to draw a progress bar on stderr.

    Raises:
        InvalidInputError: The folder exists, or the data have other modalities or tastes than clips can show.
    """
    require_renderable(data)
    with staged_directory(folder) as staging:
        (staging / CLIPS_FOLDER).mkdir()
        with (staging / "items.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["item_id", "path", "cover", "title"])
            items = range(len(data.raw.item_ids))
            # Encoders of FFmpeg run without Python's lock.
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
                written = threads.map(lambda item: _written(data, item, staging), items)
                rows.writerows(next(written) for _ in progress(items, "clips", show=show_progress))
        write_interactions(data.raw, data.splits, staging / "interactions.csv")
        write_kinds(data, staging / "kinds.csv")


def write_rendered_clip(data: SyntheticData, item: int, path: Path) -> str:
    """Writes the clip of one item with picture and sound, and returns its title."""
    clip = render(data, item)
    write_clip(path, clip.frames, frame_rate=FRAME_RATE, sound=clip.sound, sample_rate=SAMPLE_RATE)
    return clip.title


def require_renderable(data: SyntheticData) -> None:
    """Refuses data that clips cannot show.

    Raises:
        InvalidInputError: They have other modalities or tastes.
    """
    modalities, _, width = data.shown.contents.shape
    if (modalities, width) != (MODALITIES, TASTE_WIDTH):
        raise InvalidInputError(
            f"modalities is {modalities} and taste_width is {width}, and clips show {MODALITIES} modalities and "
            f"{TASTE_WIDTH} numbers of content in each. Leave both out, or videos."
        )


def _written(data: SyntheticData, item: int, folder: Path) -> tuple[str, str, str, str]:
    """Writes the files of an item and returns its row of ``items.csv``."""
    clip, name = render(data, item), data.raw.item_ids[item]
    seen, heard, titled = (data.raw.modalities[name].row_of_item[item] >= 0 for name in data.raw.modalities)
    path, cover = f"{CLIPS_FOLDER}/{name}.mp4", f"{CLIPS_FOLDER}/{name}.jpg"
    if seen:
        write_picture(folder / cover, clip.frames[0])
    if seen or heard:
        write_clip(
            folder / path,
            clip.frames if seen else None,
            frame_rate=FRAME_RATE,
            sound=clip.sound if heard else None,
            sample_rate=SAMPLE_RATE,
        )
    return name, path if seen or heard else "", cover if seen else "", clip.title if titled else ""


def ground(content: NDArray[np.float64]) -> NDArray[np.float64]:
    """A picture ``[size, size, 3]`` that shows four numbers: its colour, and how much brighter it is at the bottom."""
    slope = 20 * content[3] * np.linspace(-1, 1, SIZE)[:, np.newaxis, np.newaxis]
    picture: NDArray[np.float64] = 128 + 40 * content[:3] + slope + np.zeros((SIZE, SIZE, 3))
    return picture


def write_interactions(raw: RawData, splits: Mapping[str, Interactions], path: Path) -> None:
    """Writes the interactions of all splits as a table of user, item and split.

    Args:
        raw: Where the ids are.
        splits: Interactions by split.
        path: The file.
    """
    users, items = raw.user_ids, raw.item_ids
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["user_id", "item_id", "split"])
        for split in SPLITS:
            found = splits[split]
            for user, item in zip(found.user.tolist(), found.item.tolist(), strict=True):
                rows.writerow([users[user], items[item], split])


def _frames(content: NDArray[np.float64], mood: float, kind: int, random: np.random.Generator) -> NDArray[np.uint8]:
    frames = np.tile(ground(content), (FRAMES, 1, 1, 1)) + random.normal(0, 3, (FRAMES, SIZE, SIZE, 1))
    top, left = (5 + 21 * place for place in divmod(kind % 9, 3))
    for number, frame in enumerate(frames):
        moved = 4 * (number % 2) if mood > 0 else 0
        frame[top : top + 12, left + moved : left + moved + 8] = 255
    return np.clip(frames, 0, 255).astype(np.uint8)


def _sound(content: NDArray[np.float64], mood: float, kind: int, random: np.random.Generator) -> NDArray[np.float32]:
    seconds = np.arange(round(SAMPLE_RATE * SECONDS)) / SAMPLE_RATE
    pitches = np.array([*TONES, 5000 + 300 * (kind % 9)])
    amplitudes = np.array([*0.06 * np.exp(0.5 * content), 0.03])
    phases = random.uniform(0, 2 * np.pi, len(pitches))
    sound = np.sin(2 * np.pi * np.outer(seconds, pitches) + phases) @ amplitudes
    if mood > 0:
        sound *= 1 + 0.5 * np.sin(2 * np.pi * 6 * seconds)
    return sound.astype(np.float32)


def _title(content: NDArray[np.float64], mood: float, kind: int) -> str:
    times = np.round(2.5 * np.abs(content)).astype(int)
    words = [pair[int(number > 0)] for pair, number in zip(_WORDS, content, strict=True)]
    said = [word for word, count in zip(words, times, strict=True) for _ in range(count)]
    return f"{' '.join(said)} {_MOODS[int(mood > 0)]} ({_SERIES[kind % 9]})"
