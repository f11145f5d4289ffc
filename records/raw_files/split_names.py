"""How splits are called in columns and in names of files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tf_metammf.records.raw_data import SPLITS

if TYPE_CHECKING:
    from tf_metammf.records.raw_files.interaction_table import InteractionColumns
    from tf_metammf.records.raw_files.tables import Table

SPLIT_LABELS = {
    "train": ("0", "0.0", "train", "training"),
    "validation": ("1", "1.0", "validation", "valid", "val", "dev"),
    "test": ("2", "2.0", "test", "testing"),
}
"""What a column of splits may hold for each, in small letters; numbers get a fraction where the column had a gap."""

SPLIT_OF_FILE = "split of the file"
"""The column that :func:`with_split` adds."""


def split_named(word: str) -> str | None:
    """The split that a word stands for, whatever its case; None for any other word, and for numbers."""
    if not word.isalpha():
        return None
    return next((split for split in SPLITS if word.lower() in SPLIT_LABELS[split]), None)


def splits_of_files(words: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Sorts out files by the split in their names.

    Args:
        words: Of every file, the word that may be the name of a split, and the name of the file.

    Returns:
        By split, in the order of ``SPLITS``, the files of it, at least one.
    """
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for word, file in words:
        split = split_named(word)
        if split is not None:
            found[split].append(file)
    return {split: sorted(files) for split, files in found.items() if files}


def split_of_part(stem: str, others: Collection[str] | None = None) -> str | None:
    """The split in the name of a part of the interactions, as ``train``, ``ratings_test`` or ``views-val-0``.

    Args:
        stem: Name of the file without its ending.
        others: What else the name may be made of; None for anything.

    Returns:
        The split; None if the name has no word of a split, or several, or other words than these.
    """
    words = [word for word in re.split(r"[\W_]+", stem.lower()) if word]
    named = [word for word in words if split_named(word)]
    if len(named) != 1 or (others is not None and not set(words) - set(named) <= set(others)):
        return None
    return split_named(named[0])


def with_split(table: Table, split: str) -> Table:
    """The same table with a column that says of every row that it is of one split."""
    import pyarrow

    column = pyarrow.DictionaryArray.from_arrays(
        pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), len(table)), [split]
    )
    return replace(table, columns=table.columns.append_column(SPLIT_OF_FILE, column))


def with_split_column(columns: InteractionColumns) -> InteractionColumns:
    """The same columns with the one that :func:`with_split` adds."""
    return replace(columns, split=SPLIT_OF_FILE)
