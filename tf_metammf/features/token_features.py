"""Features in the form that something takes: one vector an item, or a sequence of tokens."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from tf_metammf.records.token_sequences import FeatureForm, TokenSequences

__all__ = [
    "FeatureForm",
    "ModalityFeatures",
    "carried_features",
    "item_count",
    "item_rows",
    "tokens_of",
    "vectors_of",
]

_OTHER_ITEMS = "the batch has features of other items than it needs. Was its lookup made for another pipeline?"

ModalityFeatures: TypeAlias = tf.Tensor | TokenSequences
"""Features of one modality of a batch, as a record set has them."""


def vectors_of(features: Mapping[str, ModalityFeatures]) -> dict[str, tf.Tensor]:
    """One vector an item, ``[n, width]`` by modality: the mean over the tokens where there are several."""
    return {name: values.means() if isinstance(values, TokenSequences) else values for name, values in features.items()}


def tokens_of(features: Mapping[str, ModalityFeatures]) -> dict[str, TokenSequences]:
    """Token sequences by modality: a vector ``[n, width]`` is a sequence of one token at the time 0."""
    return {
        name: values if isinstance(values, TokenSequences) else _single(values) for name, values in features.items()
    }


def item_rows(features: Mapping[str, ModalityFeatures], which: Any) -> dict[str, ModalityFeatures]:
    """Features of some items of a batch: an index or a slice of the first axis, as tensors take it."""
    return {
        name: values.rows(which) if isinstance(values, TokenSequences) else values[which]
        for name, values in features.items()
    }


def carried_features(
    carried: Mapping[str, Any], items: tf.Tensor, names: Iterable[str]
) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
    """Features and presence of items out of what a batch carries for them.

    Args:
        carried: ``item``, ``features`` and ``presence``, whose first rows are the items.
        items: Dense ids ``[n]``.
        names: Modalities that are wanted.

    Raises:
        tf.errors.InvalidArgumentError: They are other items.
    """
    count, names = tf.size(items), list(names)
    fitting = tf.reduce_all(tf.equal(carried["item"][:count], items))
    with tf.control_dependencies([tf.debugging.Assert(fitting, [_OTHER_ITEMS])]):
        features, presence = (
            item_rows({name: carried[part][name] for name in names}, slice(count)) for part in ("features", "presence")
        )
    return features, presence


def item_count(features: Mapping[str, ModalityFeatures]) -> tf.Tensor:
    """The number of items of a batch."""
    return tf.shape(tf.nest.flatten(next(iter(features.values())))[0])[0]


def _single(vectors: tf.Tensor) -> TokenSequences:
    items = tf.shape(vectors)[0]
    return TokenSequences(vectors[:, tf.newaxis, :], tf.ones([items], tf.int64), tf.zeros([items, 1]))
