"""The other objectives of this package: full softmax, BPR and none.

Losses are means over the batch, ``sum_b w_b l_b / sum_b w_b`` where interactions have weights; where replicas share a
batch, each gives its part of the mean over all of it.
"""

from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch, pair_weights
from tf_metammf.layers.replicas import mean_over_batch
from tf_metammf.objectives.objective import SCORES_ARE_FLOAT32, Objective
from tf_metammf.objectives.objective_arguments import require_positive, require_several
from tf_metammf.objectives.settings import (
    BPRSettings,
    FullSoftmaxSettings,
    NoObjectiveSettings,
    ObjectiveSettings,
)


@keras.saving.register_keras_serializable("tf_metammf")
class FullSoftmax(Objective):
    """Softmax over all items that have training interactions.

    ``-log softmax_j(u . j / temperature)[i]`` over the ``j`` of the catalogue. Items without
    training interactions are no candidates: they would only ever be pushed away, and their
    content with them.

    Args:
        item_frequency: Training interactions of every item, ``[items]``.
        temperature: Divides the scores. Defaults to 1.

    Raises:
        InvalidInputError: ``temperature`` is not positive, or fewer than two items have training interactions.

    Examples:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> from tf_metammf import FullSoftmax
        >>> objective = FullSoftmax(np.array([2, 5, 0, 2]))  # item 2 is cold
        >>> batch = {"item": tf.constant([0, 3])}
        >>> loss = objective(tf.zeros([2, 4]), tf.zeros([3, 4]), batch)
        >>> round(float(loss), 4)  # log 3
        1.0986
    """

    Settings: ClassVar[type[ObjectiveSettings]] = FullSoftmaxSettings

    distinct_candidates = True
    needs_all_items = True

    def __init__(
        self, item_frequency: NDArray[np.integer], *, temperature: float = 1.0, name: str | None = None
    ) -> None:
        super().__init__(name=name, **SCORES_ARE_FLOAT32)
        require_positive("temperature", temperature)
        self.temperature = temperature
        require_several("item", "FullSoftmax", item_frequency)
        self._item_frequency = item_frequency
        warm = np.flatnonzero(np.asarray(item_frequency) > 0)
        column = np.full(len(item_frequency), -1, np.int64)
        column[warm] = np.arange(len(warm))
        self._items = tf.constant(warm, tf.int64)
        self._column = tf.constant(column)

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items whose embeddings the loss needs: all that occur in training."""
        return self._items

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Mean loss of user embeddings ``[B, d]`` against all training items ``[items, d]``."""
        scores = tf.matmul(queries, candidates, transpose_b=True) / self.temperature
        labels = tf.gather(self._column, batch["item"])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores)
        return mean_over_batch(losses, pair_weights(batch))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments; numbers of interactions as a list."""
        frequency = np.asarray(self._item_frequency).tolist()
        return {"name": self.name, "item_frequency": frequency, "temperature": self.temperature}


@keras.saving.register_keras_serializable("tf_metammf")
class BPR(Objective):
    """Bayesian personalised ranking with sampled negatives (Rendle et al., UAI 2009).

    ``-mean_n log sigmoid((u . i - u . j_n) / temperature)`` over the negatives ``j_n`` of the
    batch's ``"negative"``, int64 ``[B, n]``.

    Args:
        temperature: Divides the scores. Defaults to 1, as published.

    Raises:
        InvalidInputError: ``temperature`` is not positive.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import BPR
        >>> batch = {"item": tf.constant([0, 2]), "negative": tf.constant([[1], [3]])}
        >>> loss = BPR()(tf.zeros([2, 4]), tf.zeros([4, 4]), batch)  # users; positives, then negatives
        >>> round(float(loss), 4)  # log 2
        0.6931
    """

    Settings: ClassVar[type[ObjectiveSettings]] = BPRSettings

    def __init__(self, *, temperature: float = 1.0, name: str | None = None) -> None:
        super().__init__(name=name, **SCORES_ARE_FLOAT32)
        require_positive("temperature", temperature)
        self.temperature = temperature

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items whose embeddings the loss needs: positives ``[B]``, then negatives ``[B n]``."""
        if "negative" not in batch:
            raise InvalidInputError(
                'BPR found no "negative" in the batch; give records.interactions(...) a NegativeSampler.'
            )
        shape = batch["negative"].shape
        if shape.rank is not None and (shape.rank != 2 or shape[1] == 0):
            raise InvalidInputError(
                f'BPR: "negative" of the batch has shape {shape}, expected [batch, negatives] with at least one for '
                "each interaction."
            )
        return tf.concat([batch["item"], tf.reshape(batch["negative"], [-1])], axis=0)

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Mean loss of user embeddings ``[B, d]`` against positives and negatives ``[B + B n, d]``."""
        size = tf.shape(queries)[0]
        positives = candidates[:size]
        negatives = tf.reshape(candidates[size:], tf.concat([tf.shape(batch["negative"]), [candidates.shape[-1]]], 0))
        margin = tf.reduce_sum(queries * positives, axis=-1)[:, tf.newaxis] - tf.einsum(
            "bd,bnd->bn", queries, negatives
        )
        losses = tf.reshape(tf.nn.softplus(-margin / self.temperature), [-1])
        return mean_over_batch(losses, pair_weights(batch, each=tf.shape(margin)[1]))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"name": self.name, "temperature": self.temperature}


@keras.saving.register_keras_serializable("tf_metammf")
class NoObjective(Objective):
    """Nothing to minimise: for encoders with a loss of their own, such as :class:`tf_metammf.encoders.bm3.BM3`.

    Their loss gets the embeddings of the items of the batch, in its order.
    """

    Settings: ClassVar[type[ObjectiveSettings]] = NoObjectiveSettings

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name, **SCORES_ARE_FLOAT32)

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items of the batch, ``[B]``."""
        return batch["item"]

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """0."""
        return tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"name": self.name}
