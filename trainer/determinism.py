"""Operations that give the same bits in every run."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
from tensorflow.python.framework import config as framework_config


@contextmanager
def deterministic_operations(enabled: bool) -> Iterator[None]:
    """Lets TensorFlow use deterministic operations alone inside the block, and what it used before after it.

    Args:
        enabled: Whether to; False changes nothing.
    """
    if not enabled or framework_config.is_op_determinism_enabled():
        yield
        return
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        # There is no public way back, and a process may have other things to do than to train.
        framework_config.disable_op_determinism()
