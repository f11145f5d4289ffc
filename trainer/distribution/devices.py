"""GPUs, where there are any."""

import os

import tensorflow as tf

VARIABLE = "TF_FORCE_GPU_ALLOW_GROWTH"


def grow_gpu_memory() -> None:
    """Lets TensorFlow take the memory of GPUs as it is needed, and not all of it at once.

    Does nothing where the environment says something else by ``TF_FORCE_GPU_ALLOW_GROWTH``, or where TensorFlow uses
    the GPUs already.
    """
    if VARIABLE in os.environ:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            return
