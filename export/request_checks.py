"""Refusals of a request, inside the graph."""

from typing import Any

import tensorflow as tf


def require(condition: tf.Tensor, message: str, *found: tf.Tensor) -> Any:
    """An operation that fails with ``INVALID_ARGUMENT`` unless a condition holds.

    What must not run before it has to stand under ``tf.control_dependencies``.

    Args:
        condition: bool ``[]``.
        message: What was found and what was expected, ``{}`` in the place of each of ``found``.
        found: Tensors to put into the message.
    """
    return tf.debugging.Assert(condition, [tf.strings.format(message, found)])
