"""A partition of the items by direction, found by spherical k-means."""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

SAMPLE_OF_A_PART = 64
"""Items, on average, that the centre of a part is learned from."""

ITERATIONS = 8
_ITEMS_AT_ONCE = 2**14


@dataclass(frozen=True)
class Partition:
    """Parts of the catalogue, each of items that lie in a similar direction.

    Attributes:
        order: Dense item ids part after part, ascending inside each, int32 ``[items]``.
        starts: Where in ``order`` each part starts, and the end of the last one, int32 ``[parts + 1]``.
        centres: Unit vectors, float32 ``[parts, d]``.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int32]
    centres: NDArray[np.float32]

    @property
    def parts(self) -> int:
        """Number of parts."""
        return len(self.starts) - 1

    @property
    def part_of_item(self) -> NDArray[np.int64]:
        """Part by dense item id, int64 ``[items]``."""
        part = np.empty(len(self.order), np.int64)
        part[self.order] = np.repeat(np.arange(self.parts), np.diff(self.starts))
        return part


def make_partition(vectors: NDArray[np.float32], *, parts: int | None = None, seed: int = 0) -> Partition:
    """Spherical k-means into parts, by default about the square root of as many as there are items.

    So a search looks at about as many centres as an average part has items. The centres are learned by Lloyd's
    iterations (:data:`ITERATIONS`) on a sample; then every item goes to the centre with the largest cosine.

    Args:
        vectors: float32 ``[items, d]``, at least one.
        parts: Number of parts.
        seed: Of sample and first centres; the same arguments give the same partition.
    """
    random = np.random.default_rng(seed)
    directions = _unit(vectors)
    parts = parts or max(1, math.isqrt(len(vectors)))
    sample = directions[random.permutation(len(vectors))[: parts * SAMPLE_OF_A_PART]]
    centres = sample[random.permutation(len(sample))[:parts]]
    for _ in range(ITERATIONS):
        part = _nearest(sample, centres)
        sums = tf.math.unsorted_segment_sum(sample, part, parts).numpy()
        # A part that has lost all its items starts anew somewhere else.
        empty = np.bincount(part, minlength=parts) == 0
        sums[empty] = sample[random.integers(0, len(sample), int(empty.sum()))]
        centres = _unit(sums)
    part = _nearest(directions, centres)
    starts = np.searchsorted(np.sort(part), np.arange(parts + 1))
    return Partition(np.argsort(part, kind="stable").astype(np.int32), starts.astype(np.int32), centres)


def _nearest(directions: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    blocks = range(0, len(directions), _ITEMS_AT_ONCE)
    found = [
        tf.argmax(tf.matmul(directions[first : first + _ITEMS_AT_ONCE], centres, transpose_b=True), axis=1).numpy()
        for first in blocks
    ]
    return np.concatenate(found)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
