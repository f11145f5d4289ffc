"""Preference optimisation: pairs of items of which one was chosen, and a reference that is not to be left far."""

from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.layers.layer_arguments import not_negative
from tf_metammf.layers.placement import placed, rows_of
from tf_metammf.layers.replicas import mean_over_batch, replica_count
from tf_metammf.objectives.in_batch_softmax import InBatchSoftmax
from tf_metammf.objectives.objective import SCORES_ARE_FLOAT32, Objective
from tf_metammf.objectives.preference_losses import PreferenceLoss, check_preference_loss, preference_losses
from tf_metammf.objectives.settings import ObjectiveSettings, PreferenceSettings

METRICS = ("pair_loss", "pair_accuracy", "chosen_residual", "rejected_residual")
"""What is measured of the preferences of a step."""


@keras.saving.register_keras_serializable("tf_metammf")
class Preference(Objective):
    """Learns from pairs of items of which a user chose one, held to a frozen reference.

    ``anchor L_softmax + L_pairs``. ``L_softmax`` is :class:`tf_metammf.InBatchSoftmax` over the interactions of the
    batch, which keeps the scores of chosen items from sinking and users without preferences in place. ``L_pairs`` is
    the mean over the preferences of the batch of :func:`tf_metammf.objectives.preference_losses.preference_losses`,
    over the residual scores ``r(u, i) = (s(u, i) - s0(u, i)) / temperature`` of a frozen reference with the scores
    ``s0``. The preferences are embedded without dropout, so that a residual is what was learned and not noise.

    Batches have them beside their interactions, as ``"preference"``: ``user`` and ``chosen``, int64 ``[P]``,
    ``rejected``, int64 ``[P, K]``, ``there``, bool ``[P, K]``, and maybe ``weight``, float32 ``[P]``.

    Metrics of the model: ``pair_loss``; ``pair_accuracy``, how often the chosen item is scored above a rejected one;
    ``chosen_residual`` and ``rejected_residual``, means of ``r``. Both may fall while their distance grows.

    Args:
        item_frequency: Training interactions of every item, ``[items]``.
        reference: The tables of the reference; None for a model that is not to be trained.
        loss: ``"softmax_dpo"``, ``"dpo"`` or ``"ipo"``. Defaults to ``"softmax_dpo"``.
        beta: How closely the reference is kept; larger is closer. Defaults to 0.1.
        label_smoothing: How often a label is expected to be wrong, from 0 to below 0.5. Defaults to 0.
        anchor: Factor of the softmax over the interactions. Defaults to 0.5.
        temperature: Divides scores, those of the reference as well. Defaults to 1.

    Raises:
        InvalidInputError: An argument is out of range.

    Examples:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> from tf_metammf.auxiliary.teacher import Teacher
        >>> from tf_metammf.objectives.preference import Preference
        >>> table = np.eye(2, dtype=np.float32)
        >>> reference = Teacher(table, table, np.ones(2, bool))
        >>> objective = Preference(np.array([3, 5]), reference=reference)
        >>> pairs = {"user": [0], "chosen": [0], "rejected": [[1]], "there": tf.constant([[True]])}
        >>> loss = objective.pair_loss(table[:1], table[:1], table[np.newaxis, 1:], pairs)
        >>> round(float(loss), 4)  # scores are those of the reference: log 2
        0.6931
    """

    Settings: ClassVar[type[ObjectiveSettings]] = PreferenceSettings

    distinct_candidates = True
    takes_preferences = True

    def __init__(
        self,
        item_frequency: NDArray[np.integer],
        *,
        reference: Teacher | None = None,
        loss: PreferenceLoss = "softmax_dpo",
        beta: float = 0.1,
        label_smoothing: float = 0.0,
        anchor: float = 0.5,
        temperature: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, **SCORES_ARE_FLOAT32)
        check_preference_loss(loss, beta, label_smoothing)
        self.loss, self.beta, self.label_smoothing = loss, beta, label_smoothing
        self.anchor, self.temperature = not_negative("anchor", anchor), temperature
        self._softmax = InBatchSoftmax(item_frequency, temperature=temperature, name="anchor")
        self._tables = None if reference is None else tuple(map(_placed, (reference.users, reference.items)))
        self._measured = {each: keras.metrics.Mean(name=each) for each in METRICS}

    def candidates(self, batch: Batch) -> tf.Tensor:
        """Dense ids of the items of the interactions, ``[D]``; as :meth:`InBatchSoftmax.candidates`."""
        return self._softmax.candidates(batch)

    def call(self, queries: tf.Tensor, candidates: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The anchor: the softmax over the interactions, times its factor."""
        if not self.anchor:
            return tf.constant(0.0)
        return self.anchor * self._softmax(queries, candidates, batch)

    def pair_loss(self, users: tf.Tensor, chosen: tf.Tensor, rejected: tf.Tensor, pairs: Batch) -> tf.Tensor:
        """The loss of the preferences of a batch: the part of this replica. Measures them as well.

        Args:
            users: Embeddings of their users, float32 ``[P, d]``.
            chosen: Of the chosen items, float32 ``[P, d]``.
            rejected: Of the rejected items, float32 ``[P, K, d]``.
            pairs: The preferences.

        Raises:
            InvalidInputError: The objective has no reference.
        """
        if self._tables is None:
            raise InvalidInputError("Preference has no reference to learn from preferences with. Give it one.")
        of_users, of_items = self._tables
        scores = _scores(users, chosen, rejected)
        before = _scores(
            rows_of(of_users, pairs["user"]), rows_of(of_items, pairs["chosen"]), rows_of(of_items, pairs["rejected"])
        )
        won, lost = ((now - then) / self.temperature for now, then in zip(scores, before, strict=True))
        there, weights = pairs["there"], pairs.get("weight")
        losses = preference_losses(
            won, lost, there, loss=self.loss, beta=self.beta, label_smoothing=self.label_smoothing
        )
        loss = mean_over_batch(losses, weights)
        self._measure(loss, (scores[0][:, tf.newaxis] - scores[1], won, lost), there)
        return loss

    def _measure(self, loss: tf.Tensor, found: tuple[tf.Tensor, tf.Tensor, tf.Tensor], there: tf.Tensor) -> None:
        margin, won, lost = found
        shares = tf.cast(there, tf.float32) / tf.reduce_sum(tf.cast(there, tf.float32), axis=1, keepdims=True)
        right = tf.cast(margin > 0, tf.float32) + 0.5 * tf.cast(margin == 0, tf.float32)
        self._measured["pair_loss"].update_state(loss * replica_count())
        self._measured["pair_accuracy"].update_state(tf.reduce_sum(right * shares, axis=1))
        self._measured["chosen_residual"].update_state(won)
        self._measured["rejected_residual"].update_state(tf.reduce_sum(tf.where(there, lost, 0.0) * shares, axis=1))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments but for the reference, which is data; numbers of interactions as a list."""
        return {
            "name": self.name,
            "item_frequency": self._softmax.get_config()["item_frequency"],
            "loss": self.loss,
            "beta": self.beta,
            "label_smoothing": self.label_smoothing,
            "anchor": self.anchor,
            "temperature": self.temperature,
        }


def _placed(table: NDArray[np.float32]) -> Any:
    return placed(tf.constant(table))


def _scores(users: tf.Tensor, chosen: tf.Tensor, rejected: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores ``[P]`` of the chosen and ``[P, K]`` of the rejected items."""
    return tf.reduce_sum(users * chosen, axis=-1), tf.einsum("pd,pkd->pk", users, rejected)
