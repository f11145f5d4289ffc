"""Where the features of a model are from: arrays that it holds, or a source of batches."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import FeatureSource
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.token_features import FeatureForm
from tf_metammf.records.token_arrays import TokenArrays


def known_items(item_frequency: NDArray[np.integer] | None, items: int) -> NDArray[np.bool_]:
    """bool ``[items]``: which items have training interactions; all of them, where nothing is said.

    Raises:
        InvalidInputError: There is not one number for each item.
    """
    known = np.ones(items, bool) if item_frequency is None else np.asarray(item_frequency) > 0
    if known.shape != (items,):
        raise InvalidInputError(
            f"item_frequency has shape {known.shape}, expected [{items}]: one number for each item."
        )
    return known


def feature_source(
    features: Mapping[str, NDArray[np.floating] | TokenArrays] | FeatureSource,
    presence: Mapping[str, NDArray[np.bool_]] | None,
    item_frequency: NDArray[np.integer] | None,
    *,
    used: bool,
    form: FeatureForm = "vectors",
) -> FeatureTable | FeatureSource:
    """Where the features are from; an empty table where nothing uses them.

    Arrays of token sequences become a table of their means where nothing takes tokens: as small as a table of vectors,
    and as fast. A source gives what it gives.
    """
    if not isinstance(features, Mapping):
        if not all(hasattr(features, name) for name in ("items", "widths", "blocks")):
            raise InvalidInputError(
                f"features is {type(features).__name__}, expected a dictionary of arrays [items, width] by modality "
                'name, such as {"visual": array}, or a FeatureSource.'
            )
        if presence is not None:
            raise InvalidInputError("presence was given with a FeatureSource, which contains it. Leave it out.")
        return features if used else FeatureTable({}, items=features.items)
    if used and not features:
        raise InvalidInputError(
            "there are no modalities to fuse. Give features, or set the fusion to none for ID embeddings alone."
        )
    if used or item_frequency is None:
        return FeatureTable(features, presence) if form == "tokens" else _means(features, presence)
    return FeatureTable({}, items=len(item_frequency))


def _means(
    features: Mapping[str, NDArray[np.floating] | TokenArrays], presence: Mapping[str, NDArray[np.bool_]] | None
) -> FeatureTable:
    """A table with the means of token sequences."""
    sequences = {name: values for name, values in features.items() if isinstance(values, TokenArrays)}
    if not sequences:
        return FeatureTable(features, presence)
    given = dict(presence or {})
    present = {name: (values.lengths > 0) & given.pop(name, np.True_) for name, values in sequences.items()}
    vectors = {name: values.means() if isinstance(values, TokenArrays) else values for name, values in features.items()}
    return FeatureTable(vectors, {**given, **present}, tokens={name: values.most for name, values in sequences.items()})
