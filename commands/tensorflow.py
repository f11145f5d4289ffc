"""Imports TensorFlow for a command, without what it prints about drivers and processors."""

import logging
import os
import sys
from importlib import import_module


def import_tensorflow() -> None:
    """Imports TensorFlow and sees that Keras is version 2.

    TensorFlow writes to file descriptor 2 before its log level is in force, so that is closed
    for the time of the import. Who has set ``TF_CPP_MIN_LOG_LEVEL`` sees everything.

    Raises:
        MetaMMFError: Keras 3 is active.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import_module("tensorflow")
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        _import_silently("tensorflow")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from tf_metammf.layers.keras_version import require_keras_2

    require_keras_2()
    from tf_metammf.trainer.distribution.devices import grow_gpu_memory

    grow_gpu_memory()


def _import_silently(module: str) -> None:
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import_module(module)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
