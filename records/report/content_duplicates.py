"""Items with the same content, or nearly: copies, and stand-ins for features that were missing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR = 0.999
"""Cosine of the centred features of two items from which on they count as nearly the same."""

MOST_SAMPLED = 2000
_PROJECTED = 64
_ITEMS_AT_ONCE = 8192
_EXAMPLES = 5


@dataclass(frozen=True)
class ContentDuplicates:
    """One modality.

    Attributes:
        items: Items that have it.
        distinct: Different features among them.
        copies: Items whose features another item has to the bit.
        largest_group: Items that share the most frequent features.
        sampled: Items that were compared with all others.
        near: Of those, the ones that have another item at a cosine of at least :data:`NEAR`, copies included.
        constant: Values of the features that are the same for all items.
        examples: Dense ids of a few pairs that are nearly the same, but are not copies.
    """

    items: int
    distinct: int
    copies: int
    largest_group: int
    sampled: int
    near: int
    constant: int
    examples: tuple[tuple[int, int], ...]


def content_duplicates(batches: Iterable[Mapping[str, Any]], *, seed: int = 0) -> dict[str, ContentDuplicates]:
    """Finds items with the same content; reads the items once.

    Copies are counted among all items, by a checksum. Near ones are looked for from a sample of :data:`MOST_SAMPLED`
    items among all, by the cosine of their features less the mean. Features of more than 64 values are first projected
    to 64 by a random normal matrix, of which a cosine ``c`` keeps an error of about ``(1 - c^2) / 8``: 0.0003 at
    :data:`NEAR`. Memory: 600 bytes an item and modality.

    Args:
        batches: What :func:`tf_metammf.records.reader.items` yields, as NumPy arrays.
        seed: Of the projection and of the sample.

    Returns:
        By modality.
    """
    collected: dict[str, _Collected] = {}
    for batch in batches:
        for name, values in batch["features"].items():
            if name not in collected:
                collected[name] = _Collected(values.shape[1], seed)
            present = batch["presence"][name]
            collected[name].add(batch["item"][present], values[present])
    return {name: each.result() for name, each in collected.items()}


class _Collected:
    """What is kept of one modality: checksums, projections, and the range of each value."""

    def __init__(self, width: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._projection = self._random.normal(size=(width, _PROJECTED)) if width > _PROJECTED else None
        self._checksums: list[bytes] = []
        self._items: list[NDArray[np.int64]] = []
        self._projected: list[NDArray[np.float64]] = []
        self._low = np.full(width, np.inf, np.float32)
        self._high = np.full(width, -np.inf, np.float32)

    def add(self, items: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        if not len(items):
            return
        self._checksums += [blake2b(row.tobytes(), digest_size=8).digest() for row in values]
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))
        self._items.append(items)
        # In float64: features may be as large as float32 holds.
        self._projected.append(values.astype(np.float64) if self._projection is None else values @ self._projection)

    def result(self) -> ContentDuplicates:
        groups = Counter(self._checksums)
        sampled, near, examples = self._near() if len(groups) > 1 else (0, 0, ())
        count = len(self._checksums)
        return ContentDuplicates(
            items=count,
            distinct=len(groups),
            copies=sum(size for size in groups.values() if size > 1),
            largest_group=max(groups.values(), default=0),
            sampled=sampled,
            near=near,
            constant=int((self._low == self._high).sum()) if count > 1 else 0,
            examples=examples,
        )

    def _near(self) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """Items that were sampled, those of them that have a near one, and a few pairs."""
        points, items = np.concatenate(self._projected), np.concatenate(self._items)
        points -= points.mean(axis=0)
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        sample = self._random.choice(len(points), min(MOST_SAMPLED, len(points)), replace=False)
        best, found = np.full(len(sample), -2.0), np.full(len(sample), -1)
        for start in range(0, len(points), _ITEMS_AT_ONCE):
            cosines = points[sample] @ points[start : start + _ITEMS_AT_ONCE].T
            inside = (sample >= start) & (sample < start + _ITEMS_AT_ONCE)
            cosines[inside, sample[inside] - start] = -2.0
            row = cosines.argmax(axis=1)
            better = cosines[np.arange(len(sample)), row] > best
            best[better], found[better] = cosines[better, row[better]], row[better] + start
        near = best >= NEAR
        pairs = [
            (int(items[one]), int(items[two]))
            for one, two in zip(sample[near], found[near], strict=True)
            if self._checksums[one] != self._checksums[two]
        ]
        return len(sample), int(near.sum()), tuple(pairs[:_EXAMPLES])
