"""Names of folders that TensorFlow takes as they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATTERN_CHARACTERS = frozenset("*?[]{}\\")
"""Characters that TensorFlow, TFDS and others take for parts of a pattern where they look for files."""


def is_pattern(path: Path) -> bool:
    """Whether a path, made absolute, would be taken for a pattern."""
    return bool(PATTERN_CHARACTERS.intersection(str(path.absolute())))


@contextmanager
def taken_literally(folder: Path) -> Iterator[Path]:
    """The folder under a name without characters of patterns, as long as the block lasts and in this process alone.

    TensorFlow finds a checkpoint or the weights of a SavedModel by matching its name, so that those in ``[lr=0.1]``
    are not found.

    Args:
        folder: A folder that exists.
    """
    if not is_pattern(folder):
        yield folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
