"""Kinds of items, for plots: as a file names them, or found in their features."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.ranking.partition import make_partition
from tf_metammf.records.reader import read_items
from tf_metammf.records.record_set import RecordSet

MOST_KINDS = 8

KINDS_SUFFIX = ".kinds.csv"
"""``NAME.kinds.csv`` beside a record set has the kinds of its items, as ``records synthesize`` writes them."""


@dataclass(frozen=True)
class ItemKinds:
    """A kind for items.

    Attributes:
        names: The kinds, in the order in which they are shown.
        of_item: Position in ``names``, int64 ``[items]``; -1 for items without a kind.
        source: Where they come from, for captions.
    """

    names: list[str]
    of_item: NDArray[np.int64]
    source: str


def find_kinds(record_set: RecordSet, path: str | Path | None = None) -> ItemKinds | None:
    """Kinds from a file, by default from the one beside the record set; None if there is none.

    Raises:
        InvalidInputError: As :func:`read_kinds` raises it.
    """
    folder = record_set.folder.resolve()
    own = folder.with_name(f"{folder.name}{KINDS_SUFFIX}")
    if path is None and not own.is_file():
        return None
    return read_kinds(own if path is None else path, record_set)


def read_kinds(path: str | Path, record_set: RecordSet) -> ItemKinds:
    """Kinds from a CSV file with a header, whose first column is the raw item id and whose second is the kind.

    The :data:`MOST_KINDS` most frequent kinds are kept, the others are one, "other".

    Raises:
        InvalidInputError: The file cannot be read, is malformed, or names no item of the record set.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path}: cannot be read as kinds of items ({error}).") from error
    if short := next((row for row in rows if len(row) < 2), None):
        raise InvalidInputError(f"{path}: has the row {short}, expected item id and kind. Fix it.")
    place = {raw: item for item, raw in enumerate(record_set.item_ids)}
    found = {place[row[0]]: row[1] for row in rows[1:] if row[0] in place}
    if not found:
        raise InvalidInputError(
            f"{path}: none of its {len(rows) - 1} items is in {record_set.folder}. Give the raw ids of items.txt."
        )
    names, counts = np.unique(list(found.values()), return_counts=True)
    kept = [str(name) for name in names[np.argsort(-counts, kind="stable")][:MOST_KINDS]]
    shown = [*kept, "other"] if len(names) > MOST_KINDS else kept
    of_item = np.full(record_set.metadata.items, -1)
    for item, kind in found.items():
        of_item[item] = shown.index(kind) if kind in kept else shown.index("other")
    return ItemKinds(shown, of_item, path.name)


def kinds_of_features(record_set: RecordSet) -> ItemKinds | None:
    """Kinds found by spherical k-means in the standardised features; None where there are no modalities.

    The largest comes first. Items that lack a modality have zeros, the mean, in its place.
    """
    if not record_set.metadata.modalities:
        return None
    table = read_items(record_set, form="vectors")
    features = FeatureTable(table.features, table.presence)
    everything = np.ones(features.items, bool)
    content = ItemContent(features, everything)
    # Every modality counts alike, however wide it is.
    sides = [values / math.sqrt(values.shape[1]) for values in content.all_items().values()]
    parts = min(MOST_KINDS, max(1, math.isqrt(features.items)))
    part = make_partition(np.concatenate(sides, axis=1), parts=parts).part_of_item
    order = np.argsort(-np.bincount(part, minlength=parts), kind="stable")
    return ItemKinds([f"cluster {n + 1}" for n in range(parts)], np.argsort(order)[part], "clusters of their features")
