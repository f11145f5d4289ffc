"""Calibration of a trained model: what is added to the scores of cold items, and vectors that they borrow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.similar_items import SimilarItems


@dataclass(frozen=True)
class CalibrationSettings:
    """What was chosen on validation.

    Attributes:
        cold_bias: ``b``: added to the scores of items without training interactions.
        borrows: Whether those items take the vectors of the most similar warm items, instead of their own.
    """

    cold_bias: float = 0.0
    borrows: bool = False

    @property
    def is_neutral(self) -> bool:
        """Whether scores stay as they are."""
        return self == CalibrationSettings()


class Calibration:
    """``score(u, i) = e_u . v_i + t_i``, as a dot product that is one number wider: ``[e_u; 1] . [v_i; t_i]``.

    ``t_i`` is 0 for warm items and ``b`` for items without training interactions, cold ones and new ones. ``v_i`` is
    the embedding ``e_i``, but for cold items where they borrow: see :class:`BorrowedVectors`.

    Args:
        settings: What was chosen.
        item_frequency: Training interactions of every item, ``[items]``.
        cold_vectors: Where cold items borrow, their vectors by :meth:`BorrowedVectors.of_items`, float32 ``[c, d]``, in
            the order of their ids.
        borrow: Vectors of new items, likewise: from the model's own, features and presence to float32 ``[n, d]``.
    """

    def __init__(
        self,
        settings: CalibrationSettings,
        item_frequency: ArrayLike,
        *,
        cold_vectors: NDArray[np.float32] | None = None,
        borrow: "Borrow | None" = None,
    ) -> None:
        self.settings = settings
        cold = np.asarray(item_frequency) == 0
        self._terms = tf.constant(settings.cold_bias * cold, tf.float32)
        self._is_cold = tf.constant(cold)
        self._place = tf.constant(np.cumsum(cold) - 1)
        self._cold_vectors = None if cold_vectors is None else tf.constant(cold_vectors)
        self._borrow = borrow

    def users(self, embeddings: tf.Tensor) -> tf.Tensor:
        """``[e_u; 1]``, float32 ``[n, d + 1]``."""
        return tf.concat([embeddings, tf.ones_like(embeddings[:, :1])], axis=1)

    def items(self, embeddings: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """``[v_i; t_i]``, float32 ``[n, d + 1]``, of items by dense id, int64 ``[n]``."""
        vectors = embeddings
        if self._cold_vectors is not None:
            borrowed = tf.gather(self._cold_vectors, tf.maximum(tf.gather(self._place, ids), 0))
            vectors = tf.where(tf.gather(self._is_cold, ids)[:, tf.newaxis], borrowed, embeddings)
        return tf.concat([vectors, tf.gather(self._terms, ids)[:, tf.newaxis]], axis=1)

    def new_items(
        self, embeddings: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """``[v; b]``, float32 ``[n, d + 1]``, of items that the model has never seen."""
        vectors = embeddings if self._borrow is None else self._borrow(embeddings, features, presence)
        return tf.concat([vectors, tf.fill([tf.shape(vectors)[0], 1], self.settings.cold_bias)], axis=1)


Borrow = Callable[[tf.Tensor, Mapping[str, tf.Tensor], Mapping[str, tf.Tensor]], tf.Tensor]


class BorrowedVectors:
    """Vectors of items without interactions, from the warm items with the most similar features.

    ``v`` has the direction of the sum of ``s_j^8 e_j`` over the warm items ``j`` of
    :class:`tf_metammf.features.similar_items.SimilarItems`, and the mean length of the embeddings of warm items. An
    item with no feature, or none that is similar to any, keeps its own.

    Args:
        content: The features of all items.
        embeddings: Those of all items, float32 ``[items, d]``.
        warm: bool ``[items]``: which items have training interactions.
    """

    def __init__(self, content: ItemContent, embeddings: NDArray[np.float32], warm: NDArray[np.bool_]) -> None:
        self._content, self._similar = content, SimilarItems(content, warm)
        self._vectors = tf.Variable(embeddings[warm], trainable=False, name="borrowed", dtype=tf.float32)
        self._length = float(np.linalg.norm(embeddings[warm], axis=1).mean()) if warm.any() else 0.0

    def of_items(self, items: NDArray[np.integer], embeddings: tf.Tensor) -> tf.Tensor:
        """Vectors, float32 ``[n, d]``, of items by dense id, int64 ``[n]``, with their own embeddings ``[n, d]``."""
        return self._of(self._similar.of_items(items), embeddings)

    def of_new_items(
        self, embeddings: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """The same of items that are not in the catalogue."""
        side_by_side = tf.concat(list(self._content.of(features, presence).values()), axis=1)
        return self._of(self._similar.of(side_by_side), embeddings)

    def _of(self, similar: tuple[tf.Tensor, tf.Tensor], embeddings: tf.Tensor) -> tf.Tensor:
        places, weights = similar
        vectors = self._vectors.read_value()
        sums = tf.reduce_sum(weights[:, :, tf.newaxis] * tf.gather(vectors, places), axis=1)
        borrowed = self._length * tf.math.l2_normalize(sums, axis=1)
        return tf.where(tf.reduce_any(weights > 0, axis=1, keepdims=True), borrowed, embeddings)
