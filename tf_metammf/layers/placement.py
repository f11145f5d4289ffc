"""Where large constant tables are: on the device, or, in a training with parameter servers, on those."""

from typing import Any

import tensorflow as tf


def placed(table: tf.Tensor) -> Any:
    """A table to look rows up in, with :func:`rows_of`.

    With parameter servers it is a variable of theirs, cut into parts as large weights are: a constant of the
    coordinator would be sent along with every step.

    Args:
        table: Any values, a row an item.
    """
    if isinstance(tf.distribute.get_strategy(), tf.distribute.experimental.ParameterServerStrategy):
        return tf.Variable(table, trainable=False)
    return table


def rows_of(table: Any, rows: tf.Tensor) -> tf.Tensor:
    """Rows of a table of :func:`placed`."""
    return tf.nn.embedding_lookup(table, rows)
