"""Weights that balance modalities: more for those that a model makes little use of."""

from collections.abc import Sequence

import tensorflow as tf

from tf_metammf.auxiliary.auxiliary_loss import ItemViews

LEAST, MOST = 1e-8, 10.0
"""Bounds of the utilization, a ratio of small numbers."""


def balance_weights(
    users: tf.Tensor, seen: ItemViews, positive: tf.Tensor, *, names: Sequence[str]
) -> dict[str, tf.Tensor]:
    """Weights ``w_m`` by modality, without a gradient; their mean is 1.

    With ``D``, by how much the items of a batch score higher than its other items on average::

        r_m = clip((D - D_without_m) / D_m_alone, 1e-8, 10)
        w_m = M (1 / r_m) / sum_n (1 / r_n)

    ``r_m`` is how much of what modality ``m`` could tell alone is added by it to the others. For two modalities this
    is ``w_a = 1 - (r_a - r_b) / (r_a + r_b)``, as in modality-balanced learning (CKD, arXiv 2408.06360).

    Args:
        users: Embeddings of the users of the batch, ``[B, d]``.
        seen: The distinct items of the batch.
        positive: Which of them every row has, ``[B]``.
        names: The modalities.
    """
    nothing = {name: tf.zeros_like(present) for name, present in seen.presence.items()}
    margin = _margin(users, seen.embed(seen.presence), positive)
    inverse = {}
    for name in names:
        without = _margin(users, seen.embed({**seen.presence, name: nothing[name]}), positive)
        alone = _margin(users, seen.embed({**nothing, name: seen.presence[name]}), positive)
        inverse[name] = 1 / tf.clip_by_value(tf.math.divide_no_nan(margin - without, alone), LEAST, MOST)
    total = tf.add_n(list(inverse.values()))
    return {name: tf.stop_gradient(len(names) * each / total) for name, each in inverse.items()}


def _margin(users: tf.Tensor, items: tf.Tensor, positive: tf.Tensor) -> tf.Tensor:
    """Mean score of the pairs of a batch less the mean score of its users and items."""
    pairs = tf.reduce_sum(users * tf.gather(items, positive), axis=1)
    return tf.reduce_mean(pairs) - tf.reduce_sum(tf.reduce_mean(users, axis=0) * tf.reduce_mean(items, axis=0))
