"""The softmax over the items of the batch, the default objective.

Its loss is a mean over the batch, weighted where interactions have weights; replicas that share a batch have the items
of all of them for candidates, and each gives its part of the mean.
"""

from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch, pair_weights
from tf_metammf.layers.placement import placed, rows_of
from tf_metammf.layers.replicas import first_row, gathered, mean_over_batch, replica_count
from tf_metammf.objectives.objective import SCORES_ARE_FLOAT32, Objective
from tf_metammf.objectives.objective_arguments import require_positive, require_several
from tf_metammf.objectives.settings import InBatchSoftmaxSettings, ObjectiveSettings

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
    takes ``B D`` scores and not ``B^2``, and needs no search for accidental hits among them. Where rows of the same
    user have one embedding, its scores and the sum over them are computed once, ``U D`` for ``U`` distinct users; a row
    then takes the other occurrences of its own item out of the sum.

    With ``item_to_user_weight`` ``w`` the same is asked the other way round, which user of the batch an item belongs
    to: ``w`` times ``-log softmax_v(v . i / temperature - log p(v))[u]`` is added, over the users ``v`` of the batch
    and with ``p(v)`` proportional to the number of training interactions of ``v``. So contrasts in both directions
    are added up, as Radford et al. (ICML 2021) do with pairs of images and texts, where both weigh the same.

    Where the batch has weights, the loss is ``sum_b w_b l_b / sum_b w_b``, in both directions. Candidates and their
    corrections are counts all the same: these say how often an item gets into a batch, not how much it counts there.

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

    Examples:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> from tf_metammf import InBatchSoftmax
        >>> objective = InBatchSoftmax(np.array([2, 5, 2]), temperature=0.2)
        >>> batch = {"item": tf.constant([0, 2, 0])}
        >>> objective.candidates(batch).numpy()
        array([0, 2], dtype=int32)
        >>> loss = objective(tf.zeros([3, 4]), tf.zeros([2, 4]), batch)  # users, distinct items
        >>> loss.shape
        TensorShape([])
    """

    Settings: ClassVar[type[ObjectiveSettings]] = InBatchSoftmaxSettings

    distinct_candidates = True
    distinct_queries = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "call" in vars(cls) and "distinct_queries" not in vars(cls):
            # A call of its own has queries of rows, unless it says that it knows better.
            cls.distinct_queries = False

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
                "InBatchSoftmax: the batch has one row, but negatives are the other items of the batch. Use a larger "
                "batch_size, BPR or FullSoftmax."
            )
        return tf.unique(batch["item"]).y

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Mean loss of user embeddings ``[B, d]`` and the distinct items of the batch ``[D, d]``."""
        items, positive, occurrences = tf.unique_with_counts(batch["item"])
        weights, query = pair_weights(batch), batch.get("query")
        of_items = items, positive, occurrences, candidates
        loss = self._contrast(queries, of_items, self._log_probability, weights, anchor=query)
        if not self.item_to_user_weight:
            return loss
        if query is not None:
            queries = tf.gather(queries, query)
        users, own, occurrences = tf.unique_with_counts(batch["user"])
        # With dropout a user may have several embeddings in a batch.
        distinct = tf.math.unsorted_segment_mean(queries, own, tf.size(users))
        of_rows = tf.gather(candidates, positive)
        backward = self._contrast(of_rows, (users, own, occurrences, distinct), self._log_user_probability, weights)
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

    def _contrast(
        self,
        anchors: tf.Tensor,
        others: Distinct,
        log_probability: tf.Tensor | None,
        weights: tf.Tensor | None,
        *,
        anchor: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Mean softmax loss of embeddings ``[B, d]``, each against all the others, of which one is its positive.

        With ``anchor``, int ``[B]``, the embeddings are distinct, and it says which of them every row has.
        """
        ids, positive, occurrences, embeddings = others if replica_count() == 1 else _of_all_replicas(*others)
        log_occurrences = tf.math.log(tf.cast(occurrences, tf.float32))
        offsets = log_occurrences
        if self.correct_sampling:
            offsets -= rows_of(log_probability, ids)
        scores = tf.matmul(anchors, embeddings / self.temperature, transpose_b=True) + offsets
        if anchor is not None:
            return mean_over_batch(self._losses_of_shared(scores, anchor, positive, log_occurrences), weights)
        if self.remove_accidental_hits:
            places = tf.stack([tf.range(tf.size(positive)), positive], axis=1)
            scores = tf.tensor_scatter_nd_sub(scores, places, tf.gather(log_occurrences, positive))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positive, logits=scores)
            return mean_over_batch(losses, weights)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positive, logits=scores)
        # The positive is one of its occurrences, not all of them together.
        return mean_over_batch(losses + tf.gather(log_occurrences, positive), weights)

    def _losses_of_shared(
        self, scores: tf.Tensor, anchor: tf.Tensor, positive: tf.Tensor, log_occurrences: tf.Tensor
    ) -> tf.Tensor:
        """Losses ``[B]`` of rows that share scores ``[U, D]``, which have the logarithm of occurrences added."""
        # The fused operation gives log sum exp(s) - s_0 without the tensors as large as the scores that a sum takes.
        first = tf.zeros_like(scores[:, 0], tf.int32)
        sums = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=first, logits=scores) + scores[:, 0]
        sums = tf.gather(sums, anchor)
        own = tf.gather_nd(scores, tf.stack([anchor, positive], axis=1))
        log_count = tf.gather(log_occurrences, positive)
        if self.remove_accidental_hits:
            # Of n occurrences n - 1 go: never more than the share 1 - 1 / n of the sum, so its logarithm is finite.
            sums += tf.math.log1p(tf.exp(tf.minimum(own - sums, 0.0)) * (tf.exp(-log_count) - 1.0))
        return sums - own + log_count


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
