"""Matrix factorization: no encoder between towers and score."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.encoder import Encoder, Represent
from tf_metammf.encoders.settings import EncoderSettings, MatrixFactorizationSettings
from tf_metammf.graphs.nodes import UsersAndItems


@keras.saving.register_keras_serializable("tf_metammf")
class MatrixFactorization(Encoder):
    """Takes the tower outputs as the embeddings: MetaMMF_MF of the paper (section 3.4).

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import MatrixFactorization
        >>> users, items = MatrixFactorization().embed_all(tf.ones([2, 4]), tf.ones([3, 4]))
        >>> tf.matmul(users, items, transpose_b=True).shape  # scores
        TensorShape([2, 3])
    """

    Settings: ClassVar[type[EncoderSettings]] = MatrixFactorizationSettings
    passes_towers_through = True

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Mapping[str, Any] | None = None,
        targets: UsersAndItems | None = None,
        training: bool,
    ) -> UsersAndItems:
        """Tower outputs of the given users and items."""
        return represent_users(users), represent_items(items)

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """The tower outputs themselves."""
        return users, items

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """The representations themselves."""
        return representations
