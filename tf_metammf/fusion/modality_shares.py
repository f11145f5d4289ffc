"""How much each modality has to do with the fused vector of an item."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.features.feature_source import items_at_once


def modality_shares(model: Any, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Share of each modality, by ablation.

    ``share_m = |f(x) - f(x without m)| / sum over n of |f(x) - f(x without n)|``, where ``f`` is the content path up
    to the fused vector, or the embedding of a new item where nothing is fused, and "without m" is how the model
    treats an item that lacks m: its stand-in in the place of the features, and the absence known to the fusion.

    Args:
        model: A :class:`tf_metammf.model.MetaMMF` that looks at content.
        features: float ``[n, width]`` by modality.
        presence: bool ``[n]`` by modality.

    Returns:
        float32 ``[n, M]``, modalities in alphabetical order: 0 for absent ones, 1 in sum; 0 everywhere for an
        item that has none. Where no modality makes any difference, all that are present have the same share.
    """
    content = model.embed_new_items if model.item_tower.fusion is None else model.item_tower.content
    if not tf.executing_eagerly():
        content = tf.function(content)  # traced once and called for every modality
    fused = tf.cast(content(features, presence), tf.float32)
    differences = []
    for modality in sorted(features):
        without = {**presence, modality: tf.zeros_like(presence[modality])}
        ablated = tf.cast(content(features, without), tf.float32)
        differences.append(tf.norm(fused - ablated, axis=1))
    present = tf.stack([tf.cast(presence[modality], tf.float32) for modality in sorted(features)], axis=1)
    lengths = present * tf.stack(differences, axis=1)
    total = tf.reduce_sum(lengths, axis=1, keepdims=True)
    even = tf.math.divide_no_nan(present, tf.reduce_sum(present, axis=1, keepdims=True))
    return tf.where(total > 0, tf.math.divide_no_nan(lengths, total), even)


def catalogue_shares(model: Any) -> NDArray[np.float32]:
    """Shares of all items of a model that looks at content, float32 ``[items, M]``."""
    of_block = tf.function(
        lambda features, presence: modality_shares(model, features, presence), autograph=False, reduce_retracing=True
    )
    source = model.item_features
    return np.concatenate([of_block(*block).numpy() for block in source.blocks(items_at_once(source))])
