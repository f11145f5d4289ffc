"""The user tower: from ids to the vectors that an encoder takes."""

from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer


@keras.saving.register_keras_serializable("tf_metammf")
class UserTower(Layer):
    """One embedding per user.

    Args:
        users: Number of users.
        units: Width of the embedding.
        initializer: Initialiser of the embeddings. Defaults to ``"glorot_uniform"``, as published.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import UserTower
        >>> UserTower(users=10, units=4)(tf.constant([0, 3])).shape
        TensorShape([2, 4])
    """

    def __init__(self, users: int, units: int, *, initializer: Any = "glorot_uniform", **options: Any) -> None:
        super().__init__(**options)
        self.users = positive_integer("UserTower", "users", users)
        self.units = positive_integer("UserTower", "units", units)
        self.embedding = keras.layers.Embedding(
            users, units, embeddings_initializer=initializer, dtype=self.dtype_policy, name="embedding"
        )

    def call(self, users: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[B, units]`` of dense user ids ``[B]``."""
        return self.embedding(users)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "users": self.users,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.embedding.embeddings_initializer),
        }
