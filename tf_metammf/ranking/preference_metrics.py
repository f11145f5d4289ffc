"""What a model makes of held-out preferences, and how far it is from its reference."""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.auxiliary.teacher import Teacher
from tf_metammf.records.preferences import Preferences

SAMPLED_USERS = 256
"""Users whose scores of the whole catalogue are compared with those of the reference."""

_SCORES_AT_ONCE = 2**24


@dataclass(frozen=True)
class PreferenceMetrics:
    """Metrics of preferences, by the embeddings of a model and of its reference.

    Attributes:
        preferences: The preferences that are held out.
        reference: The tables of the reference.
        temperature: Divides scores.
        cutoff: Items of a user that count as recommended, for the coverage.
        seed: Of the sampled users.
    """

    preferences: Preferences
    reference: Teacher
    temperature: float
    cutoff: int = 20
    seed: int = 0
    _users: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.reference.users)
        drawn = np.random.default_rng(self.seed).permutation(count)[:SAMPLED_USERS]
        object.__setattr__(self, "_users", np.sort(drawn))

    def evaluate(self, users: tf.Tensor, items: tf.Tensor) -> dict[str, float]:
        """The metrics of a model.

        Args:
            users: Embeddings of all users, float32 ``[users, d]``.
            items: Embeddings of all items, float32 ``[items, d]``.

        Returns:
            ``pair_accuracy``, how often the chosen item is scored above a rejected one, each preference counting the
            same and equal scores half; ``chosen_residual`` and ``rejected_residual``, means of ``(s - s0) /
            temperature``, where there are preferences; ``reference_kl``, the mean over sampled users of the divergence
            of the softmax over all items from that of the reference, in nats; ``coverage@K``, the share of the items
            that are among the first K of any of these users, training items included.
        """
        found = self._pairs(np.asarray(users), np.asarray(items)) if len(self.preferences) else {}
        return {**found, **self._catalogue(users, items)}

    def _pairs(self, users: NDArray[np.float32], items: NDArray[np.float32]) -> dict[str, float]:
        held = self.preferences
        won, lost = self._scores(users, items)
        won_before, lost_before = self._scores(self.reference.users, self.reference.items)
        margin = won[held.rows] - lost
        right = (margin > 0) + 0.5 * (margin == 0)
        return {
            "pair_accuracy": _mean_of_means(right, held),
            "chosen_residual": float((won - won_before).mean() / self.temperature),
            "rejected_residual": _mean_of_means(lost - lost_before, held) / self.temperature,
        }

    def _scores(
        self, users: NDArray[np.float32], items: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        held = self.preferences
        of_users = users[held.user]
        won = np.einsum("nd,nd->n", of_users, items[held.chosen])
        return won, np.einsum("nd,nd->n", of_users[held.rows], items[held.rejected])

    def _catalogue(self, users: tf.Tensor, items: tf.Tensor) -> dict[str, float]:
        count = len(self.reference.items)
        cutoff, at_once = min(self.cutoff, count), max(1, _SCORES_AT_ONCE // count)
        shown, divergences = np.zeros(count, bool), []
        for start in range(0, len(self._users), at_once):
            rows = self._users[start : start + at_once]
            scores = tf.matmul(tf.gather(users, rows), items, transpose_b=True)
            before = tf.matmul(tf.gather(self.reference.users, rows), self.reference.items, transpose_b=True)
            log_policy, log_reference = (tf.nn.log_softmax(each / self.temperature) for each in (scores, before))
            divergence = tf.reduce_sum(tf.exp(log_policy) * (log_policy - log_reference), axis=1)
            divergences.append(divergence.numpy())
            shown[tf.math.top_k(scores, cutoff).indices.numpy().ravel()] = True
        return {
            "reference_kl": float(np.concatenate(divergences).mean()),
            f"coverage@{self.cutoff}": float(shown.mean()),
        }


def _mean_of_means(values: NDArray[np.floating], held: Preferences) -> float:
    """The mean over preferences of the means over their rejected items."""
    return float((np.bincount(held.rows, weights=values, minlength=len(held)) / held.counts).mean())
