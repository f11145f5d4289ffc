"""Softened scores: what teachers think of the items of a batch, and how far a student is from it."""

from collections.abc import Sequence

import tensorflow as tf

_ABSENT = -1e9
"""Logit of an item that is left out: its probability is 0 and its logarithm still finite."""


def mean_probabilities(scores: Sequence[tf.Tensor], present: tf.Tensor, *, temperature: float) -> tf.Tensor:
    """Probabilities of items by several teachers: ``q = 1/K sum_k softmax_J(s_k / temperature)``.

    Probabilities are averaged and not scores, whose scales differ between teachers.

    Args:
        scores: ``s_k`` of every teacher, float32 ``[B, n]``.
        present: bool ``[n]``: the items ``J`` that count.
        temperature: Divides the scores.

    Returns:
        float32 ``[B, n]``, 0 for the items that do not count.
    """
    return tf.add_n([tf.nn.softmax(_masked(each, present, temperature)) for each in scores]) / len(scores)


def divergence(probabilities: tf.Tensor, scores: tf.Tensor, present: tf.Tensor, *, temperature: float) -> tf.Tensor:
    """``KL(q || softmax_J(s / temperature))`` of every row, in nats, float32 ``[B]``; 0 where they are the same.

    Args:
        probabilities: ``q``, as :func:`mean_probabilities` gives it.
        scores: ``s`` of the student, float32 ``[B, n]``.
        present: bool ``[n]``: the items ``J`` that count.
        temperature: Divides the scores.
    """
    logarithms = tf.nn.log_softmax(_masked(scores, present, temperature))
    return tf.reduce_sum(tf.math.xlogy(probabilities, probabilities) - probabilities * logarithms, axis=1)


def contrast(scores: tf.Tensor, positive: tf.Tensor, present: tf.Tensor, *, temperature: float) -> tf.Tensor:
    """``-log softmax_J(s / temperature)`` of the positive of every row, float32 ``[B]``.

    Args:
        scores: ``s``, float32 ``[B, n]``.
        positive: Which item is the positive, int ``[B]``.
        present: bool ``[n]``: the items ``J`` that count.
        temperature: Divides the scores.
    """
    logits = _masked(scores, present, temperature)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=positive, logits=logits)


def _masked(scores: tf.Tensor, present: tf.Tensor, temperature: float) -> tf.Tensor:
    return tf.where(present[tf.newaxis], scores / temperature, _ABSENT)
