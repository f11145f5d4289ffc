"""Where a model gets the features of items from: a table on the device, or a source that streams them."""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

FeatureBlock: TypeAlias = tuple[Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]]
"""Features, float32 (or float64) ``[n, width]``, and presence, bool ``[n]``, of consecutive items, by modality."""

Statistics: TypeAlias = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Mean and variance of features, float64 ``[width]``, by modality."""


LEAST_DEVIATION = 1e-35
"""Least standard deviation of the feature of a modality that varies most: float32 has all its digits from 1e-38 on."""


class FeatureSource(Protocol):
    """Features of all items, for a model whose batches carry the features they need.

    :class:`tf_metammf.records.ItemLookup` is one.

    Attributes:
        items: Number of items.
        widths: Feature width by modality name.
    """

    items: int
    widths: dict[str, int]

    def blocks(self, size: int) -> Iterator[FeatureBlock]:
        """All items by dense id, ``size`` after ``size``; the last block is smaller."""


def feature_statistics(source: FeatureSource, items: NDArray[np.bool_], *, block_size: int) -> Statistics:
    """Mean and variance of the present features of some items, in one pass over all.

    Moments of the blocks are merged as in Chan, Golub and LeVeque (1979), in float64.

    Args:
        source: The features.
        items: bool ``[items]``: those that count.
        block_size: Items read at once.

    Returns:
        By modality; mean 0 and variance 1, which leave features as they are, where no item counts.

    Raises:
        InvalidInputError: A present feature, of whichever item, is NaN or infinite, or a modality varies by less than
            float32 can compute with.
    """
    moments = {name: _Moments(width) for name, width in source.widths.items()}
    first = 0
    for features, presence in source.blocks(block_size):
        for name, moment in moments.items():
            rows, present = features[name].numpy(), presence[name].numpy()
            check_finite(name, rows, present, first=first)
            moment.add(rows[present & items[first : first + len(rows)]])
        first += len(next(iter(presence.values()), ()))
    for name, moment in moments.items():
        _check_scale(name, moment)
    return {name: (moment.mean, moment.variance) for name, moment in moments.items()}


def extreme_items(source: FeatureSource, *, block_size: int) -> Iterator[tuple[str, float, FeatureBlock]]:
    """For every modality its largest absolute value, and the features and presence of the item that has it.

    The modality of the largest value comes first; those without a value above 0 are left out.
    """
    largest: dict[str, tuple[float, FeatureBlock]] = {}
    for features, presence in source.blocks(block_size):
        for name in source.widths:
            sizes = np.where(presence[name].numpy(), np.abs(features[name].numpy()).max(axis=1, initial=0.0), 0.0)
            row = int(np.argmax(sizes)) if sizes.size else 0
            if sizes.size and sizes[row] > largest.get(name, (0.0,))[0]:
                item = slice(row, row + 1)
                block = (
                    {other: values[item] for other, values in features.items()},
                    {other: values[item] for other, values in presence.items()},
                )
                largest[name] = float(sizes[row]), block
    ordered = sorted(largest.items(), key=lambda entry: -entry[1][0])
    return ((name, size, block) for name, (size, block) in ordered)


def _check_scale(modality: str, moments: "_Moments") -> None:
    """Refuses features so small that processors, which take the smallest float32 for 0, would lose them."""
    deviation = np.sqrt(moments.variance.max(initial=0.0))
    if 0 < deviation < LEAST_DEVIATION:
        raise InvalidInputError(
            f'modality "{modality}": features are between {moments.lowest:g} and {moments.highest:g} and deviate by at '
            f"most {deviation:.3g} from their means, expected {LEAST_DEVIATION:g} or more in float32. Multiply them by "
            "a constant."
        )


def check_finite(modality: str, features: NDArray[np.floating], presence: NDArray[np.bool_], *, first: int = 0) -> None:
    """Refuses present features that are NaN or infinite.

    Args:
        modality: Its name, for the message.
        features: ``[n, width]``.
        presence: bool ``[n]``.
        first: The item of the first row.

    Raises:
        InvalidInputError: There are some; the item is named.
    """
    broken = np.flatnonzero(presence & ~np.isfinite(features).all(axis=1))
    if len(broken):
        raise InvalidInputError(
            f'modality "{modality}": item {first + broken[0]} has NaN or infinite features. Fix them or mark the '
            "modality as absent for this item."
        )


class _Moments:
    """Mean and variance of rows that arrive in blocks, and the range of their values."""

    def __init__(self, width: int) -> None:
        self._count = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)
        self.lowest, self.highest = np.inf, -np.inf

    @property
    def variance(self) -> NDArray[np.float64]:
        return self._squares / self._count if self._count else np.ones_like(self._squares)

    def add(self, rows: NDArray[np.floating]) -> None:
        if not rows.size:
            return
        block = rows.astype(np.float64)
        self.lowest, self.highest = min(self.lowest, block.min()), max(self.highest, block.max())
        mean, total = block.mean(axis=0), self._count + len(block)
        # Sums are rounded: a feature that never varies has its value, and not almost its value, for a mean.
        mean = np.where((block == block[0]).all(axis=0), block[0], mean)
        difference = mean - self.mean
        block -= mean
        self._squares += np.einsum("nw,nw->w", block, block) + difference**2 * (self._count * len(block) / total)
        self.mean = mean if not self._count else self.mean + difference * (len(block) / total)
        self._count = total
