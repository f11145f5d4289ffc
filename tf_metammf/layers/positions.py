"""Where ids are among others."""

import tensorflow as tf


def positions_of(wanted: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Of every wanted id ``[...]`` a place among all ids ``[n]``, where it has to be, any of them where it is repeated.

    Examples:
        >>> import tensorflow as tf
        >>> positions_of(tf.constant([7, 5]), tf.constant([5, 9, 7])).numpy()
        array([2, 0], dtype=int32)
    """
    order = tf.argsort(ids)
    return tf.gather(order, tf.searchsorted(tf.gather(ids, order), tf.cast(wanted, ids.dtype)))
