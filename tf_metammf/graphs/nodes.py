"""The two kinds of nodes of an interaction graph."""

import tensorflow as tf

UsersAndItems = tuple[tf.Tensor, tf.Tensor]
"""A tensor of users, and the same of items."""
