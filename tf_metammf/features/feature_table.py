"""The features of all items on the device, looked up by dense item id."""

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.feature_source import LEAST_DEVIATION, FeatureBlock, check_finite
from tf_metammf.features.token_features import FeatureForm, ModalityFeatures
from tf_metammf.features.token_table import TokenTable
from tf_metammf.layers.placement import placed, rows_of
from tf_metammf.layers.row_blocks import stacked
from tf_metammf.records.token_arrays import TokenArrays

_CHECKED_AT_ONCE = 4096


class FeatureTable:
    """Features and presence of every item, as constants beside the model's weights.

    The table is data, not a weight: it is never trained and never part of a checkpoint. It is of float32, unless
    float64 features are given that float32 could not tell apart, such as 1e8 plus or minus 1; those stay as they are.

    Args:
        features: Numbers ``[items, width]`` by modality name, or :class:`tf_metammf.records.TokenArrays`; rows of
            absent modalities are ignored.
        presence: bool ``[items]`` by modality name; a modality left out is present everywhere, one of token sequences
            wherever there are tokens.
        items: Number of items. Defaults to the rows of the features; needed where there are none.
        tokens: Tokens of the longest sequence, by modality whose features are means over sequences.

    Attributes:
        items: Number of items.
        widths: Feature width by modality name, in alphabetical order.
        tokens: Tokens of the longest sequence, by modality that items have sequences of.

    Raises:
        InvalidInputError: Features are not matrices of numbers by modality, shapes do not fit each other, or a
            present feature is NaN, infinite or beyond the range of float32.
    """

    def __init__(
        self,
        features: Mapping[str, ArrayLike | TokenArrays],
        presence: Mapping[str, ArrayLike] | None = None,
        *,
        items: int | None = None,
        tokens: Mapping[str, int] | None = None,
    ) -> None:
        if not isinstance(features, Mapping):
            raise InvalidInputError(
                f"features is {type(features).__name__}, expected a dictionary of arrays [items, width] by modality "
                'name, such as {"visual": array}.'
            )
        presence = presence or {}
        for name in presence:
            if name not in features:
                raise unknown_name("modality of presence", str(name), features)
        arrays = {name: _array(name, features[name]) for name in sorted(features)}
        if items is None:
            if not arrays:
                raise InvalidInputError("features is empty, so the number of items has to be given.")
            items = len(next(iter(arrays.values())))
        self.items = items
        self.widths = {name: int(values.shape[1]) for name, values in arrays.items()}
        sequences = {name: values.most for name, values in arrays.items() if isinstance(values, TokenArrays)}
        self.tokens = dict(sorted({**(tokens or {}), **sequences}.items()))
        present = {name: _present(values, presence.get(name), self.items) for name, values in arrays.items()}
        for name, values in arrays.items():
            self._check(name, values, present[name])
        self._presence = {name: placed(tf.constant(values)) for name, values in present.items()}
        self._features = {name: _table(name, values, present[name]) for name, values in arrays.items()}

    def lookup(self, items: tf.Tensor) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
        """Features and presence ``[n]`` by modality of the given dense item ids ``[n]``.

        Features are ``[n, width]``, or :class:`tf_metammf.records.TokenSequences` where sequences were given.
        """
        features = {
            name: table.lookup(items) if isinstance(table, TokenTable) else rows_of(table, items)
            for name, table in self._features.items()
        }
        presence = {name: rows_of(table, items) for name, table in self._presence.items()}
        return features, presence

    def all_items(self) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
        """What :meth:`lookup` gives for all ids in order, without a copy where the table is a tensor."""
        if not all(isinstance(table, tf.Tensor) for table in (*self._features.values(), *self._presence.values())):
            return self.lookup(tf.range(self.items, dtype=tf.int64))
        return dict(self._features), dict(self._presence)

    @property
    def form(self) -> FeatureForm:
        """Whether the features of any modality are token sequences."""
        return "tokens" if any(isinstance(table, TokenTable) for table in self._features.values()) else "vectors"

    @property
    def complete(self) -> bool:
        """Whether every item has every modality."""
        return all(bool(tf.reduce_all(presence)) for presence in self._presence.values())

    def means(self) -> "FeatureTable":
        """The same items with the mean over the tokens in the place of each sequence; itself where there are none."""
        if self.form == "vectors":
            return self
        pooled = copy(self)
        pooled._features = {
            name: placed(
                stacked((block.means() for block in table.blocks(_CHECKED_AT_ONCE)), rows=self.items, width=table.width)
            )
            if isinstance(table, TokenTable)
            else table
            for name, table in self._features.items()
        }
        return pooled

    def blocks(self, size: int) -> Iterator[FeatureBlock]:
        """All items by dense id, ``size`` after ``size``, as a :class:`FeatureSource`."""
        for first in range(0, self.items, size):
            rows = slice(first, first + size)
            ids = tf.range(first, min(first + size, self.items), dtype=tf.int64)
            yield (
                {
                    name: table.lookup(ids) if isinstance(table, TokenTable) else table[rows]
                    for name, table in self._features.items()
                },
                {name: table[rows] for name, table in self._presence.items()},
            )

    def _check(self, name: str, features: NDArray[Any] | TokenArrays, presence: NDArray[np.bool_]) -> None:
        if features.shape[0] != self.items or presence.shape != (self.items,):
            raise InvalidInputError(
                f'modality "{name}" has features {features.shape} and presence {presence.shape}; expected '
                f"[{self.items}, width] and [{self.items}], one row for each item."
            )
        for first in range(0, self.items, _CHECKED_AT_ONCE):
            rows = slice(first, first + _CHECKED_AT_ONCE)
            check_finite(name, features[rows], presence[rows], first=first)

    def __deepcopy__(self, memo: Any) -> "FeatureTable":
        return self  # immutable data; copying a model must not copy gigabytes


def _table(name: str, features: NDArray[Any] | TokenArrays, presence: NDArray[np.bool_]) -> Any:
    """The features on the device: a tensor ``[items, width]``, or a table of token sequences."""
    if isinstance(features, TokenArrays):
        everywhere = np.ones(len(features.values), bool)
        return TokenTable(features, dtype=_float_type(name, features.values, everywhere))
    rows, width = features.shape
    return placed(stacked([features], rows=rows, width=width, dtype=_float_type(name, features, presence)))


def _present(features: NDArray[Any] | TokenArrays, presence: ArrayLike | None, items: int) -> NDArray[np.bool_]:
    given = np.ones(items, bool) if presence is None else np.asarray(presence, bool)
    if isinstance(features, TokenArrays) and given.shape == features.lengths.shape:
        return given & (features.lengths > 0)
    return given


def _array(name: str, features: ArrayLike | TokenArrays) -> NDArray[Any] | TokenArrays:
    """Features as an array of numbers ``[items, width]``, without a copy where they are one; sequences as they are."""
    if isinstance(features, TokenArrays):
        return features
    try:
        values: NDArray[Any] = np.asarray(features)
    except ValueError as error:
        raise InvalidInputError(f'modality "{name}": the rows of its features have different lengths.') from error
    if values.ndim != 2:
        raise InvalidInputError(f'modality "{name}" has features of shape {values.shape}, expected [items, width].')
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f'modality "{name}" has features of type {values.dtype}, expected numbers.')
    return values


def _float_type(name: str, features: NDArray[Any], presence: NDArray[np.bool_]) -> type[np.floating]:
    return np.float64 if _needs_float64(name, features, presence) else np.float32


def _needs_float64(name: str, features: NDArray[Any], presence: NDArray[np.bool_]) -> bool:
    """Whether rounding to float32 takes away more than a hundredth of the range of a feature."""
    if features.dtype in (np.float32, np.float16) or not presence.any():
        return False
    lowest, highest = np.full(features.shape[1], np.inf), np.full(features.shape[1], -np.inf)
    lost = np.zeros(features.shape[1])
    for first in range(0, len(features), _CHECKED_AT_ONCE):
        rows = features[first : first + _CHECKED_AT_ONCE][presence[first : first + _CHECKED_AT_ONCE]].astype(np.float64)
        lowest = np.minimum(lowest, rows.min(axis=0, initial=np.inf))
        highest = np.maximum(highest, rows.max(axis=0, initial=-np.inf))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            lost = np.maximum(lost, np.abs(rows - rows.astype(np.float32)).max(axis=0, initial=0.0))
    least, most = lowest.min(initial=0.0), highest.max(initial=0.0)
    if max(-least, most) > np.finfo(np.float32).max or 0 < (highest - lowest).max(initial=0.0) < LEAST_DEVIATION:
        raise InvalidInputError(
            f'modality "{name}": features are between {least:g} and {most:g}, expected numbers that float32 can hold '
            f"and tell apart, up to 3.4e+38 and at least {LEAST_DEVIATION:g} from each other. Multiply them by a "
            "constant."
        )
    # A range at the rounding errors of float64 is noise, which float32 takes away.
    varies = highest - lowest > 1e-12 * np.maximum(np.abs(highest), np.abs(lowest))
    return bool((varies & (lost > (highest - lowest) / 100)).any())
