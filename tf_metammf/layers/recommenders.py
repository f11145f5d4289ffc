"""TensorFlow Recommenders, imported after the check that it can run in this process."""

from tf_metammf.layers.keras_version import require_keras_2

require_keras_2()

import tensorflow_recommenders as tfrs  # noqa: E402

__all__ = ["tfrs"]
