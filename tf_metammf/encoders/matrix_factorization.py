"""Matrix factorization: no encoder between towers and score."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.encoder import Represent


@keras.saving.register_keras_serializable("tf_metammf")
class MatrixFactorization(keras.layers.Layer):
    """Takes the tower outputs as the embeddings: MetaMMF_MF of the paper (section 3.4)."""

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Mapping[str, Any] | None = None,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Tower outputs of the given users and items."""
        return represent_users(users), represent_items(items)

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The tower outputs themselves."""
        return users, items

    def embed_new_items(self, representations: tf.Tensor) -> tf.Tensor:
        """The representations themselves."""
        return representations
