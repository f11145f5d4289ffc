"""Imports TensorFlow for a command, without what it prints about drivers and processors."""

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module

_OPTIMIZERS = "tf_keras.src.optimizers"
"""The part of Keras that TensorFlow imports with itself, and all of Keras with it; an ImportError it passes over."""


def import_tensorflow(*, keras: bool = True) -> None:
    """Imports TensorFlow and sees that Keras is version 2.

    TensorFlow writes to file descriptor 2 before its log level is in force, so that is closed
    for the time of the import. Who has set ``TF_CPP_MIN_LOG_LEVEL`` sees everything.

    Args:
        keras: Whether the command needs Keras. Without, its import waits until something does, which saves a command
            that only queries a SavedModel a sixth of its time.

    Raises:
        MetaMMFError: Keras 3 is active.
    """
    with _without_garbage_collection(), _keras_left_out() if not keras else nullcontext():
        if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
            import_module("tensorflow")
        else:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
            _import_silently("tensorflow")
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if keras:
        from tf_metammf.layers.keras_version import require_keras_2

        require_keras_2()
    from tf_metammf.trainer.distribution.devices import grow_gpu_memory

    grow_gpu_memory()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Spares the collector what TensorFlow's modules make, half a million objects that stay: a third of the import."""
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@contextmanager
def _keras_left_out() -> Iterator[None]:
    """Keeps TensorFlow from importing Keras along, which it does for optimisers in checkpoints, and does without."""
    if "tensorflow" in sys.modules or "tf_keras" in sys.modules:
        yield
        return
    sys.modules[_OPTIMIZERS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_OPTIMIZERS]


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
