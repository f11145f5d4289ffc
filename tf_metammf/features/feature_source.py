"""Where a model gets the features of items from: a table on the device, or a source that streams them."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.token_features import FeatureForm, ModalityFeatures, item_rows, tokens_of, vectors_of
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.records.token_sequences import TokenSequences

FeatureBlock: TypeAlias = tuple[Mapping[str, ModalityFeatures], Mapping[str, tf.Tensor]]
"""Features, float32 (or float64) ``[n, width]`` or token sequences, and presence, bool ``[n]``, of consecutive items,
by modality."""

Statistics: TypeAlias = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Mean and variance of features, float64 ``[width]``, by modality."""


logger = logging.getLogger(__name__)

OUTLYING_SHARE = 0.95
"""Share of the variance of a modality above which one item of at least :data:`FEW_ROWS` is reported."""

FEW_ROWS = 50

LEAST_DEVIATION = 1e-35
"""Least standard deviation of the feature of a modality that varies most: float32 has all its digits from 1e-38 on."""


ITEMS_AT_ONCE = 4096
"""Items read and encoded in one step when the whole catalogue is."""

LEAST_ITEMS = 64
"""The same of items with sequences, however long these are."""


class FeatureSource(Protocol):
    """Features of all items, for a model whose batches carry the features they need.

    :class:`tf_metammf.records.ItemLookup` is one. A source with token sequences also has an attribute ``tokens``: the
    tokens of the longest sequence by modality that items have sequences of, and, where it gives their means, an
    attribute ``form`` that is ``"vectors"``.

    Attributes:
        items: Number of items.
        widths: Feature width by modality name; that of a token, where there are sequences.
    """

    items: int
    widths: dict[str, int]

    def blocks(self, size: int) -> Iterator[FeatureBlock]:
        """All items by dense id, ``size`` after ``size``; the last block is smaller."""


def token_modalities(source: FeatureSource) -> dict[str, int]:
    """Tokens of the longest sequence, by modality that items of a source have sequences of."""
    return dict(getattr(source, "tokens", {}))


def items_at_once(source: FeatureSource) -> int:
    """Items of a block: fewer where a source gives sequences, which are padded to the longest of the block."""
    sequences = token_modalities(source) if getattr(source, "form", "tokens") == "tokens" else {}
    return max(LEAST_ITEMS, ITEMS_AT_ONCE // max([1, *sequences.values()]))


def feature_specs(source: FeatureSource) -> dict[str, Any]:
    """Specs of the features of a batch by modality, in alphabetical order."""
    sequences = token_modalities(source) if getattr(source, "form", "tokens") == "tokens" else {}
    specs: dict[str, Any] = {
        name: tf.TensorSpec([None, width], tf.float32) for name, width in sorted(source.widths.items())
    }
    for name in sequences:
        values, lengths = tf.TensorSpec([None, None, source.widths[name]], tf.float32), tf.TensorSpec([None], tf.int64)
        specs[name] = TokenSequences(values, lengths, tf.TensorSpec([None, None], tf.float32))
    return specs


def feature_statistics(
    source: FeatureSource, items: NDArray[np.bool_], *, block_size: int, form: FeatureForm = "vectors"
) -> Statistics:
    """Mean and variance of the present features of some items, in one pass over all.

    Moments of the blocks are merged as in Chan, Golub and LeVeque (1979), in float64. Those of tokens are of every
    token of an item, padding left out, and every item has the weight 1, whatever the number of its tokens.

    Args:
        source: The features.
        items: bool ``[items]``: those that count.
        block_size: Items read at once.
        form: Whether statistics are those of vectors, which are means where there are sequences, or those of tokens.

    Returns:
        By modality; mean 0 and variance 1, which leave features as they are, where no item counts.

    Raises:
        InvalidInputError: A present feature, of whichever item, is NaN or infinite, or a modality varies by less than
            float32 can compute with.
    """
    moments = {name: _Moments(width) for name, width in source.widths.items()}
    first = 0
    for features, presence in source.blocks(block_size):
        taken = vectors_of(features) if form == "vectors" else tokens_of(features)
        for name, moment in moments.items():
            present = presence[name].numpy()
            counted = present & items[first : first + len(present)]
            values = taken[name]
            if isinstance(values, TokenSequences):
                _add_tokens(name, moment, values, present, counted, first=first)
            else:
                rows = values.numpy()
                check_finite(name, rows, present, first=first)
                moment.add(rows[counted], items=first + np.flatnonzero(counted))
        first += len(next(iter(presence.values()), ()))
    for name, moment in moments.items():
        _check_scale(name, moment)
        _warn_of_outlier(name, moment)
    return {name: (moment.mean, moment.variance) for name, moment in moments.items()}


def _add_tokens(
    name: str,
    moment: "_Moments",
    sequences: TokenSequences,
    present: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    *,
    first: int,
) -> None:
    mask, lengths = sequences.mask.numpy(), sequences.lengths.numpy()
    tokens = TokenArrays(sequences.values.numpy()[mask], lengths)
    check_finite(name, tokens, present, first=first)
    of_item = np.repeat(np.arange(len(lengths)), lengths)
    chosen = counted[of_item]
    moment.add(tokens.values[chosen], 1.0 / lengths[of_item[chosen]], items=first + of_item[chosen])


def extreme_items(source: FeatureSource, *, block_size: int) -> Iterator[tuple[str, float, FeatureBlock]]:
    """For every modality its largest absolute value, and the features and presence of the item that has it.

    The modality of the largest value comes first; those without a value above 0 are left out.
    """
    largest: dict[str, tuple[float, FeatureBlock]] = {}
    for features, presence in source.blocks(block_size):
        for name in source.widths:
            sizes = np.where(presence[name].numpy(), _largest_values(features[name]), 0.0)
            row = int(np.argmax(sizes)) if sizes.size else 0
            if sizes.size and sizes[row] > largest.get(name, (0.0,))[0]:
                item = slice(row, row + 1)
                block = item_rows(features, item), {other: values[item] for other, values in presence.items()}
                largest[name] = float(sizes[row]), block
    ordered = sorted(largest.items(), key=lambda entry: -entry[1][0])
    return ((name, size, block) for name, (size, block) in ordered)


def _largest_values(features: ModalityFeatures) -> NDArray[np.floating]:
    values = features.without_padding() if isinstance(features, TokenSequences) else features
    sizes = np.abs(values.numpy())
    return sizes.reshape(len(sizes), -1).max(axis=1, initial=0.0)


def _check_scale(modality: str, moments: "_Moments") -> None:
    """Refuses features so small that processors, which take the smallest float32 for 0, would lose them."""
    deviation = np.sqrt(moments.variance.max(initial=0.0))
    if 0 < deviation < LEAST_DEVIATION:
        raise InvalidInputError(
            f'modality "{modality}": features are between {moments.lowest:g} and {moments.highest:g} and deviate by at '
            f"most {deviation:.3g} from their means, expected {LEAST_DEVIATION:g} or more in float32. Multiply them by "
            "a constant."
        )


def _warn_of_outlier(modality: str, moments: "_Moments") -> None:
    """Says when one item makes up nearly all of the variance, so that standardisation makes all others alike."""
    if moments.count >= FEW_ROWS and moments.largest > OUTLYING_SHARE * moments.squares:
        logger.warning(
            'modality "%s": nearly all of the variance is that of item %d (number in the record set), whose values are '
            "far from all others (between %g and %g over all items): standardised, the other items are hardly told "
            "apart. Check the features of that item, and convert again without them if they are wrong.",
            modality,
            moments.farthest,
            moments.lowest,
            moments.highest,
        )


def check_finite(
    modality: str, features: NDArray[np.floating] | TokenArrays, presence: NDArray[np.bool_], *, first: int = 0
) -> None:
    """Refuses present features that are NaN or infinite.

    Args:
        modality: Its name, for the message.
        features: ``[n, width]``, or the sequences of ``n`` items.
        presence: bool ``[n]``.
        first: The item of the first row.

    Raises:
        InvalidInputError: There are some; the item is named.
    """
    finite = features.finite if isinstance(features, TokenArrays) else np.isfinite(features).all(axis=1)
    broken = np.flatnonzero(presence & ~finite)
    if len(broken):
        raise InvalidInputError(
            f'modality "{modality}": item {first + broken[0]} has NaN or infinite features. Fix them or mark the '
            "modality as absent for this item."
        )


class _Moments:
    """Mean and variance of weighted rows that arrive in blocks, and the range of their values.

    The largest squared deviation of a row from the mean as it was then, and the item of that row, are kept, too.
    """

    def __init__(self, width: int) -> None:
        self._weight: float = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)
        self.lowest, self.highest = np.inf, -np.inf
        self.count, self.largest, self.farthest = 0, 0.0, -1

    @property
    def squares(self) -> float:
        """Sum of squared deviations from the mean, of all values."""
        return float(self._squares.sum())

    @property
    def variance(self) -> NDArray[np.float64]:
        return self._squares / self._weight if self._weight else np.ones_like(self._squares)

    def add(
        self, rows: NDArray[np.floating], weights: NDArray[np.floating] | None = None, *, items: NDArray[np.integer]
    ) -> None:
        """Takes rows ``[n, width]`` of items, each of the weight 1 or of those of ``weights``, ``[n]``."""
        if not rows.size:
            return
        block = rows.astype(np.float64)
        self.lowest, self.highest = min(self.lowest, block.min()), max(self.highest, block.max())
        weight = len(block) if weights is None else float(weights.sum())
        mean = block.mean(axis=0) if weights is None else weights @ block / weight
        total = self._weight + weight
        # Sums are rounded: a feature that never varies has its value, and not almost its value, for a mean.
        mean = np.where((block == block[0]).all(axis=0), block[0], mean)
        difference = mean - self.mean
        block -= mean
        scaled = block if weights is None else block * weights[:, np.newaxis]
        self._squares += np.einsum("nw,nw->w", scaled, block) + difference**2 * (self._weight * weight / total)
        self.mean = mean if not self._weight else self.mean + difference * (weight / total)
        self._weight = total
        self.count += len(block)
        block += mean - self.mean
        squares = np.einsum("nw,nw->n", block, block)
        squares = squares if weights is None else weights * squares
        if squares[row := int(squares.argmax())] > self.largest:
            self.largest, self.farthest = float(squares[row]), int(items[row])
