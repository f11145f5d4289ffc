"""TensorFlow's errors of files, in the words of the operating system."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def tensorflow_errors_as_os_errors() -> Iterator[None]:
    """TensorFlow reports a full disk as its own kind of error; the rest of the way knows OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error
