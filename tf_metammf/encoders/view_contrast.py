"""The contrast of two views of the same users or items, as self-supervised models have it."""

import tensorflow as tf

from tf_metammf.features.batches import Batch
from tf_metammf.layers.replicas import first_row, gathered, mean_over_batch


def view_contrast(one: tf.Tensor, other: tf.Tensor, ids: tf.Tensor, *, temperature: float) -> tf.Tensor:
    """InfoNCE (van den Oord et al., 2018): which row of the other view belongs to a row of the one.

    The mean over rows of ``-log(exp(cos(a_n, b_n) / t) / sum_m exp(cos(a_n, b_m) / t))``, where the sum leaves out
    other rows of the same id. Where replicas share a batch, rows of all are in the sum, and each gives its part of the
    mean.

    Args:
        one: Rows ``a``, float32 ``[B, d]``.
        other: Rows ``b``, float32 ``[B, d]``.
        ids: Whose rows they are, int64 ``[B]``; an id may repeat.
        temperature: ``t``.
    """
    others, of_others = gathered(tf.math.l2_normalize(other, axis=1)), gathered(ids)
    logits = tf.matmul(tf.math.l2_normalize(one, axis=1), others, transpose_b=True) / temperature
    own = first_row(ids) + tf.range(tf.shape(ids)[0])
    repeated = (ids[:, tf.newaxis] == of_others) & (own[:, tf.newaxis] != tf.range(tf.shape(of_others)[0]))
    logits = tf.where(repeated, logits.dtype.min, logits)
    return mean_over_batch(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=logits))


def rows_of_items(batch: Batch, candidates: tf.Tensor) -> tf.Tensor:
    """The rows of the items of a batch among those of the candidates of the objective, ``[B, d]``.

    Args:
        batch: With ``item``, int64 ``[B]``, and ``candidate``, the ids of the candidates ``[C]``.
        candidates: A row for each of them, ``[C, d]``.
    """
    ids = tf.cast(batch["candidate"], tf.int64)
    order = tf.argsort(ids, stable=True)
    return tf.gather(candidates, tf.gather(order, tf.searchsorted(tf.gather(ids, order), batch["item"])))
