"""The L2 penalty of a model with tables of embeddings, of which a step uses some rows."""

from collections.abc import Sequence

import tensorflow as tf

from tf_metammf.layers.replicas import gathered, replica_count

Tables = tuple[Sequence[tf.Variable], Sequence[tf.Variable]]
"""Weights with a row for every user, and those with one for every item."""


def weight_penalty(weights: Sequence[tf.Variable], tables: Tables, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """``0.5 sum(w^2)`` over the dense weights and over the rows of a batch, as the part of one replica.

    Args:
        weights: All trainable weights.
        tables: Those of them whose rows belong to users and items.
        users: Dense ids of the users of the batch.
        items: Dense ids of its items.
    """
    user_tables, item_tables = tables
    rows = [tf.gather(table, tf.unique(gathered(users))[0]) for table in user_tables]
    rows += [tf.gather(table, tf.unique(gathered(items))[0]) for table in item_tables]
    embeddings = [*user_tables, *item_tables]
    dense = [weight for weight in weights if not any(weight is table for table in embeddings)]
    return tf.add_n([tf.cast(tf.nn.l2_loss(weight), tf.float32) for weight in [*dense, *rows]]) / replica_count()
