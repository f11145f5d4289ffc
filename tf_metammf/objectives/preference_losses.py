"""Losses of preferences over residual scores, ``r = (s - s0) / temperature``: how far a model left its reference.

``s`` and ``s0`` are the scores of the model and of a frozen reference. A policy that is a softmax over the catalogue
has a partition function that cancels in a difference of two items, so none of the losses needs a sum over all items.
"""

import math
from typing import Literal

import tensorflow as tf

from tf_metammf.errors import InvalidInputError

PreferenceLoss = Literal["softmax_dpo", "dpo", "ipo"]
LOSSES: tuple[PreferenceLoss, ...] = ("softmax_dpo", "dpo", "ipo")


def preference_losses(
    chosen: tf.Tensor,
    rejected: tf.Tensor,
    there: tf.Tensor,
    *,
    loss: PreferenceLoss = "softmax_dpo",
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """The loss of every preference.

    With ``h_k = r+ - r_k`` over the rejected items ``k`` of a preference, and ``e`` the label smoothing:

    * ``softmax_dpo`` (S-DPO, arXiv 2406.09215): the softmax cross-entropy of ``beta r`` over the chosen and its
      rejected items, with the probability ``1 - e`` for the chosen one and ``e / K`` for each rejected one
    * ``dpo`` (arXiv 2305.18290): the mean over ``k`` of
      ``-(1 - e) log sigmoid(beta h_k) - e log sigmoid(-beta h_k)``
    * ``ipo`` (arXiv 2310.12036): the mean over ``k`` of
      ``(1 - e) (h_k - 1 / (2 beta))^2 + e (h_k + 1 / (2 beta))^2``

    With one rejected item, ``softmax_dpo`` and ``dpo`` are the same. A larger ``beta`` keeps closer to the reference.

    Args:
        chosen: Residual scores of the chosen items, float32 ``[P]``.
        rejected: Those of the rejected items, float32 ``[P, K]``.
        there: Which of these there are, bool ``[P, K]``; one at least of every preference.
        loss: One of :data:`LOSSES`. Defaults to ``"softmax_dpo"``.
        beta: Above 0. Defaults to 0.1.
        label_smoothing: ``e``, how often a label is expected to be wrong, from 0 to below 0.5. Defaults to 0.

    Returns:
        float32 ``[P]``.
    """
    count = tf.reduce_sum(tf.cast(there, tf.float32), axis=1)
    if loss == "softmax_dpo":
        logits = beta * tf.concat([chosen[:, tf.newaxis], tf.where(there, rejected, -math.inf)], axis=1)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.zeros_like(chosen, tf.int32), logits)
        if not label_smoothing:
            return losses
        mean = _mean_there(rejected, there, count)
        return losses + label_smoothing * beta * (chosen - mean)
    margin = chosen[:, tf.newaxis] - rejected
    if loss == "dpo":
        each = tf.nn.softplus(-beta * margin) + label_smoothing * beta * margin
    else:
        target = 0.5 / beta
        right, wrong = tf.square(margin - target), tf.square(margin + target)
        each = (1 - label_smoothing) * right + label_smoothing * wrong
    return _mean_there(each, there, count)


def check_preference_loss(loss: str, beta: float, label_smoothing: float) -> None:
    """Refuses arguments that :func:`preference_losses` could not be computed with.

    Raises:
        InvalidInputError: The loss is unknown, or a number is out of its bounds.
    """
    if loss not in LOSSES:
        raise InvalidInputError(f'loss is "{loss}", expected one of {", ".join(LOSSES)}.')
    if not 0 < beta < math.inf:
        raise InvalidInputError(f"beta is {beta}, expected a number above 0.")
    if not 0 <= label_smoothing < 0.5:
        raise InvalidInputError(f"label_smoothing is {label_smoothing}, expected a number from 0 to below 0.5.")


def _mean_there(values: tf.Tensor, there: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(tf.reduce_sum(tf.where(there, values, 0.0), axis=1), count)
