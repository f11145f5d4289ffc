"""TensorFlow Recommenders runs on Keras 2 only; this says so before anything fails obscurely."""

import os
import sys
from typing import Any

import tensorflow as tf

from tf_metammf.errors import MetaMMFError


def require_keras_2() -> None:
    """Checks that ``tf.keras`` is Keras 2 in this process.

    TensorFlow decides when ``tf.keras`` is first used: Keras 2 where ``TF_USE_LEGACY_KERAS`` is 1,
    which ``import tf_metammf`` sees to unless the variable has another value, and Keras 3 otherwise.

    Raises:
        MetaMMFError: ``tf.keras`` is Keras 3, or docstrings are stripped (``python -OO``), without which Keras 2
            cannot be imported.
    """
    if sys.flags.optimize > 1:
        raise MetaMMFError(
            "Python strips docstrings in this process (PYTHONOPTIMIZE=2 or python -OO), without which tf_keras cannot "
            "be imported. Start Python with PYTHONOPTIMIZE=1 at most."
        )
    version = getattr(tf.keras, "version", None)  # tf.keras has no such function in Keras 2
    if version is None:
        return
    setting = os.environ.get("TF_USE_LEGACY_KERAS", "")
    raise MetaMMFError(
        f'tf.keras is Keras {version()} in this process (TF_USE_LEGACY_KERAS is now "{setting}"), expected Keras 2: '
        "TensorFlow Recommenders runs on no other. Import tf_metammf before tf.keras is first used, "
        "or start Python with TF_USE_LEGACY_KERAS=1."
    )


def refuse_keras_3(where: str, value: Any) -> None:
    """Refuses tensors, layers, optimisers and callbacks of Keras 3, which Keras 2 takes for something else.

    Args:
        where: What got the value, for the message.
        value: Any nested structure.

    Raises:
        MetaMMFError: A part of it is an object of the package ``keras``, version 3.
    """
    for part in tf.nest.flatten(value):
        for kind in type(part).__mro__:
            if kind.__module__.partition(".")[0] == "keras":
                raise MetaMMFError(
                    f"{where}: found {type(part).__name__} of Keras 3 ({kind.__module__}), expected Keras 2, which "
                    "TensorFlow Recommenders runs on. Make it with tf_keras, e.g. tf_keras.Input for keras.Input."
                )
