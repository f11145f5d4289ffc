"""Synthetic token sequences as real clips, whose frames show what the visual tokens would say."""

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.progress import progress
from tf_metammf.records.staging import staged_directory
from tf_metammf.records.synthesis.clip_files import write_clip
from tf_metammf.records.synthesis.rendered_clips import CLIPS_FOLDER, SIZE, TASTE_WIDTH, ground, write_interactions
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData
from tf_metammf.records.synthesis.synthetic_sequences import MARKS, SyntheticSequences

SEEN_PATTERNS = ("needle", "needles", "order", "motif", "halves", "motif_or_halves")
"""Patterns whose frames alone say what users respond to."""
_SQUARE, _TOP, _BETWEEN = 12, 26, 21


def require_clips(sequences: SyntheticSequences) -> None:
    """Refuses sequences that clips cannot show.

    Raises:
        InvalidInputError: Their sounds count, too, or contents have more or fewer numbers than a picture shows.
    """
    if sequences.pattern not in SEEN_PATTERNS:
        raise InvalidInputError(
            f"the pattern is {sequences.pattern}, and clips are written of {', '.join(SEEN_PATTERNS)}, in which sounds "
            "do not count. Choose one of these, or leave out videos."
        )
    if sequences.taste_width != TASTE_WIDTH:
        raise InvalidInputError(
            f"taste_width is {sequences.taste_width}, and a frame shows {TASTE_WIDTH} numbers of content. Leave it out."
        )


def render_frames(data: SequenceData, item: int) -> NDArray[np.uint8]:
    """Frames of an item, uint8 ``[frames, size, size, 3]``, always the same ones.

    The content of a frame is its ground, as :func:`tf_metammf.records.synthesis.rendered_clips.ground` has it; the
    marks are the brightness ``128 + 60 mark`` of three squares in the middle, from left to right. Keys are not shown.

    Args:
        data: Sequences of a taste of four numbers.
        item: Number of the item.
    """
    shown = data.shown["visual"][item]
    contents, marks = shown[:, :TASTE_WIDTH], shown[:, -MARKS:]
    random = np.random.default_rng([item, len(data.raw.item_ids)])
    frames = np.stack([ground(content) for content in contents])
    for place in range(MARKS):
        left = 5 + _BETWEEN * place
        square = frames[:, _TOP : _TOP + _SQUARE, left : left + _SQUARE]
        square[:] = (128 + 60 * marks[:, place])[:, np.newaxis, np.newaxis, np.newaxis]
    return np.clip(frames + random.normal(0, 3, (len(frames), SIZE, SIZE, 1)), 0, 255).astype(np.uint8)


def write_sequence_clips(
    data: SequenceData, sequences: SyntheticSequences, folder: Path, *, show_progress: bool = False
) -> None:
    """Writes all items as clips without sound, with tables as ``records convert --source videos`` reads them.

    ``clips/ID.mp4``, ``items.csv`` with paths, and ``interactions.csv`` with splits.

    Args:
        data: The sequences.
        sequences: What they were made by.
        folder: The folder to create.
        show_progress: Whether to draw a progress bar on stderr.

    Raises:
        InvalidInputError: The folder exists, or clips cannot show the data.
    """
    require_clips(sequences)
    rate = Fraction(sequences.rate).limit_denominator(1000)
    with staged_directory(folder) as staging:
        (staging / CLIPS_FOLDER).mkdir()

        def write(item: int) -> tuple[str, str]:
            name = data.raw.item_ids[item]
            path = f"{CLIPS_FOLDER}/{name}.mp4"
            write_clip(staging / path, render_frames(data, item), frame_rate=rate)
            return name, path

        with (staging / "items.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["item_id", "path"])
            items = range(len(data.raw.item_ids))
            # Encoders of FFmpeg run without Python's lock.
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
                written = threads.map(write, items)
                rows.writerows(next(written) for _ in progress(items, "clips", show=show_progress))
        write_interactions(data.raw, data.splits, staging / "interactions.csv")
