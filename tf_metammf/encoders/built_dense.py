"""Dense layers of encoders, whose weights are there as soon as they are made."""

from typing import Any

import tensorflow as tf
import tf_keras as keras


def built_dense(name: str, before: int, after: int, **options: Any) -> keras.layers.Dense:
    """A dense layer of float32 with its weights ``[before, after]`` and ``[after]``.

    Args:
        name: What its weights are called by.
        before: Width of what goes in.
        after: Width of what comes out.
        **options: Other arguments of :class:`tf_keras.layers.Dense`.
    """
    dense = keras.layers.Dense(after, name=name, dtype="float32", **options)
    # Without the scope, weights of several layers would share a name, which HDF5 files refuse.
    with tf.name_scope(name):
        dense.build((None, before))
    return dense
