"""The objectives that come with this package; see :mod:`tf_metammf.objective` for what an objective is.

Losses are means over the batch; where replicas share a batch, each gives its part of the
mean over all of it, and the in-batch softmax has the items of all of them for candidates.
"""

from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.batches import Batch
from tf_metammf.errors import InvalidInputError
from tf_metammf.objective import SCORES_ARE_FLOAT32, Objective
from tf_metammf.objective_arguments import require_positive, require_several
from tf_metammf.objective_settings import (
    BPRSettings,
    FullSoftmaxSettings,
    InBatchSoftmaxSettings,
    NoObjectiveSettings,
    ObjectiveSettings,
)
from tf_metammf.placement import placed, rows_of
from tf_metammf.replicas import first_row, gathered, mean_over_batch, replica_count

Distinct = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""Distinct ids of a batch ``[D]``, which of them every row has ``[B]``, how many rows each has, and embeddings."""


@keras.saving.register_keras_serializable("tf_metammf")
class InBatchSoftmax(Objective):
    """Softmax over the items of the batch, corrected for how often each gets there.

    For a user ``u`` with the item ``i``, over the items ``j`` of the batch:
    ``-log softmax_j(u . j / temperature - log q(j))[i]`` with ``q(j)`` proportional to the number
    of training interactions of ``j`` (Yi et al., RecSys 2019, section 4). Other occurrences of
    ``i`` in the batch are left out of the sum.

    It is the loss of :class:`tfrs.tasks.Retrieval`, summed over the ``D`` distinct items of the batch instead
    of all ``B``: an item that occurs ``n`` times counts ``n`` times, ``exp(s + log n)`` for ``n exp(s)``. So a step
    takes ``B D`` scores and not ``B^2``, and needs no search for accidental hits among them.

    With ``item_to_user_weight`` ``w`` the same is asked the other way round, which user of the batch an item belongs
    to: ``w`` times ``-log softmax_v(v . i / temperature - log p(v))[u]`` is added, over the users ``v`` of the batch
    and with ``p(v)`` proportional to the number of training interactions of ``v``. So contrasts in both directions
    are added up, as Radford et al. (ICML 2021) do with pairs of images and texts, where both weigh the same.

    A batch of one row has no negative, and a loss of 0. Datasets of :func:`tf_metammf.records.interactions` with
    ``smallest_batch=2`` have none.

    Args:
        item_frequency: Training interactions of every item, ``[items]``.
        user_frequency: Training interactions of every user, ``[users]``; needed to correct the second direction.
        temperature: Divides the scores. Defaults to 1.
        correct_sampling: Whether to subtract ``log q`` and ``log p``. Defaults to True.
        remove_accidental_hits: Whether to leave out other occurrences of the positive. Defaults to True.
        item_to_user_weight: Factor of the second direction. Defaults to 0, which leaves it out.

    Raises:
        InvalidInputError: ``temperature`` is not positive, ``item_to_user_weight`` is negative, the second direction is
            to be corrected and ``user_frequency`` is missing, or there is one item alone and so no negative.
    """

    Settings: ClassVar[type[ObjectiveSettings]] = InBatchSoftmaxSettings

    distinct_candidates = True

    def __init__(
        self,
        item_frequency: NDArray[np.integer],
        *,
        user_frequency: NDArray[np.integer] | None = None,
        temperature: float = 1.0,
        correct_sampling: bool = True,
        remove_accidental_hits: bool = True,
        item_to_user_weight: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, **SCORES_ARE_FLOAT32)
        require_positive("temperature", temperature)
        if not 0 <= item_to_user_weight < np.inf:
            raise InvalidInputError(f"item_to_user_weight is {item_to_user_weight}, expected a number of at least 0.")
        require_several("item", "InBatchSoftmax", item_frequency)
        self.temperature = temperature
        self.correct_sampling = correct_sampling
        self.remove_accidental_hits = remove_accidental_hits
        self.item_to_user_weight = item_to_user_weight
        self._frequencies = {"item_frequency": item_frequency, "user_frequency": user_frequency}
        self._log_probability = _log_share(item_frequency)
        self._log_user_probability = None
        if item_to_user_weight and correct_sampling:
            if user_frequency is None:
                raise InvalidInputError(
                    f"item_to_user_weight is {item_to_user_weight:g} and user_frequency is missing: give the training "
                    "interactions of every user, or set correct_sampling to False."
                )
            require_several("user", "item_to_user_weight", user_frequency)
            self._log_user_probability = _log_share(user_frequency)

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items whose embeddings the loss needs: the distinct ones of the batch, ``[D]``.

        Raises:
            InvalidInputError: The batch is known to have one row, and no other replica has more.
        """
        if batch["item"].shape[:1] == [1] and replica_count() == 1:
            raise InvalidInputError(
                "InBatchSoftmax: the batch has one row, but negatives are the other items of the batch. Take a larger "
                "batch_size, or BPR or FullSoftmax."
            )
        return tf.unique(batch["item"]).y

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Mean loss of user embeddings ``[B, d]`` and the distinct items of the batch ``[D, d]``."""
        items, positive, occurrences = tf.unique_with_counts(batch["item"])
        loss = self._contrast(queries, (items, positive, occurrences, candidates), self._log_probability)
        if not self.item_to_user_weight:
            return loss
        users, own, occurrences = tf.unique_with_counts(batch["user"])
        # With dropout a user may have several embeddings in a batch.
        distinct = tf.math.unsorted_segment_mean(queries, own, tf.size(users))
        of_rows = tf.gather(candidates, positive)
        backward = self._contrast(of_rows, (users, own, occurrences, distinct), self._log_user_probability)
        return loss + self.item_to_user_weight * backward

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments; numbers of interactions as lists."""
        counts = {name: None if each is None else np.asarray(each).tolist() for name, each in self._frequencies.items()}
        return {
            "name": self.name,
            **counts,
            "temperature": self.temperature,
            "correct_sampling": self.correct_sampling,
            "remove_accidental_hits": self.remove_accidental_hits,
            "item_to_user_weight": self.item_to_user_weight,
        }

    def _contrast(self, anchors: tf.Tensor, others: Distinct, log_probability: tf.Tensor | None) -> tf.Tensor:
        """Mean softmax loss of embeddings ``[B, d]``, each against all the others, of which one is its positive."""
        ids, positive, occurrences, embeddings = others if replica_count() == 1 else _of_all_replicas(*others)
        log_occurrences = tf.math.log(tf.cast(occurrences, tf.float32))
        offsets = log_occurrences
        if self.correct_sampling:
            offsets -= rows_of(log_probability, ids)
        scores = tf.matmul(anchors, embeddings / self.temperature, transpose_b=True) + offsets
        if self.remove_accidental_hits:
            places = tf.stack([tf.range(tf.size(positive)), positive], axis=1)
            scores = tf.tensor_scatter_nd_sub(scores, places, tf.gather(log_occurrences, positive))
            return mean_over_batch(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positive, logits=scores))
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positive, logits=scores)
        # The positive is one of its occurrences, not all of them together.
        return mean_over_batch(losses + tf.gather(log_occurrences, positive))


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
        return mean_over_batch(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores))

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
        return mean_over_batch(tf.reshape(tf.nn.softplus(-margin / self.temperature), [-1]))

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


def _log_share(frequency: NDArray[np.integer]) -> tf.Tensor:
    """Logarithm of the share that each has in the interactions, at least one of them."""
    counts = np.maximum(np.asarray(frequency, np.float64), 1)
    return placed(tf.constant(np.log(counts / counts.sum()), tf.float32))


def _of_all_replicas(ids: tf.Tensor, positive: tf.Tensor, occurrences: tf.Tensor, embeddings: tf.Tensor) -> Distinct:
    """The same of the batches of all replicas together, with the positions of the own positives among them."""
    first = first_row(ids)
    distinct, position = tf.unique(gathered(ids))
    count = tf.size(distinct)
    # What several replicas have has one embedding, so the mean is it, and shares its gradient out.
    return (
        distinct,
        tf.gather(position, first + positive),
        tf.math.unsorted_segment_sum(gathered(occurrences), position, count),
        tf.math.unsorted_segment_mean(gathered(embeddings), position, count),
    )
