"""TensorFlow's errors of files, in the words of the operating system."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

LOST_CONNECTION = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
"""How TensorFlow says that another process of a distributed training is gone."""


@contextmanager
def tensorflow_errors_as_os_errors() -> Iterator[None]:
    """TensorFlow reports a full disk as its own kind of error; the rest of the way knows OSError."""
    try:
        yield
    except LOST_CONNECTION:
        raise
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error
