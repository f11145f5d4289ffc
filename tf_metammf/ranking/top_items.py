"""The best items of every user: an exact top-k that reads the scores once."""

import math
from typing import Any

import tensorflow as tf

GROUP_ITEMS = 32


def top_items(scores: Any, k: Any) -> tuple[Any, Any]:
    """The ``k`` best items of every row, best first; of equal scores the lower item id comes first.

    Equal to ``tf.math.top_k(scores, k)`` to the last tie. ``tf.math.top_k`` looks at the scores one by one;
    here the maximum of every group of neighbouring items is taken first, which the vector units do at the
    speed of memory, and only the ``k`` groups with the largest maxima are looked into. Nothing outside of
    them can be among the best: each of those groups holds an item that precedes all that was left out.

    Args:
        scores: float ``[users, items]`` without NaN; the number of items is known statically.
        k: How many, an int from 1, or an int32 tensor ``[]`` from 0. Where there are fewer items than that, all of
            them are returned.

    Returns:
        Scores, float ``[users, min(k, items)]``, and item ids, int32 of the same shape.
    """
    items = scores.shape[1]
    groups = -(-items // GROUP_ITEMS)
    if isinstance(k, int):
        k = min(k, items)
        return tuple(tf.math.top_k(scores, k)) if groups <= 2 * k else _top_of_groups(scores, k, groups)
    k = tf.minimum(k, items)
    return tf.cond(
        (groups <= 2 * k) | tf.equal(k, 0),
        lambda: tuple(tf.math.top_k(scores, k)),
        lambda: _top_of_groups(scores, k, groups),
    )


def _top_of_groups(scores: Any, k: Any, groups: int) -> tuple[Any, Any]:
    padding = groups * GROUP_ITEMS - scores.shape[1]
    if padding:
        scores = tf.pad(scores, [[0, 0], [0, padding]], constant_values=-math.inf)
    grouped = tf.reshape(scores, [-1, groups, GROUP_ITEMS])
    _, best_groups = tf.math.top_k(tf.reduce_max(grouped, axis=-1), k, sorted=False)
    # In order of their ids, so that the order of the candidates is the order of the items, also for ties.
    best_groups = tf.sort(best_groups, axis=-1)
    candidates = tf.gather(grouped, best_groups, batch_dims=1)
    best_scores, places = tf.math.top_k(tf.reshape(candidates, [-1, k * GROUP_ITEMS]), k)
    group = tf.gather(best_groups, places // GROUP_ITEMS, batch_dims=1)
    return best_scores, group * GROUP_ITEMS + places % GROUP_ITEMS
