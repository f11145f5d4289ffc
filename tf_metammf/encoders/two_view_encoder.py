"""What the encoders share that have one view of users and items by interactions and another beside it."""

from abc import abstractmethod
from collections.abc import Mapping

import tensorflow as tf

from tf_metammf.encoders.contrastive_encoder import ContrastiveEncoder
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems


class TwoViewEncoder(ContrastiveEncoder):
    """Scores by the sum of two views, ``e = b + c``, and contrasts ``c`` with ``b``.

    ``b`` is that of LightGCN, ``c`` what :meth:`second_view` gives. Embeddings before the head are ``[b ; c]``,
    ``[n, 2 width]``. Items that are not in the catalogue have no similar items: their second view is 0.

    It takes the arguments of :class:`tf_metammf.encoders.contrastive_encoder.ContrastiveEncoder`.
    """

    @abstractmethod
    def second_view(
        self, first: UsersAndItems, towers: UsersAndItems, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``c`` of all users and items, float32 ``[users, width]`` and ``[items, width]``.

        Args:
            first: ``b`` of all users and items.
            towers: Tower outputs of all users and items, float32.
            neighbourhoods: The graph of interactions.
            training: Whether it is a training step.
        """

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``[b ; c]`` of all nodes."""
        towers = tf.cast(users, tf.float32), tf.cast(items, tf.float32)
        first = super().propagate(*towers, neighbourhoods, training=training)
        second = self.second_view(first, towers, neighbourhoods, training=training)
        of_users, of_items = (tf.concat(views, axis=1) for views in zip(first, second, strict=True))
        return of_users, of_items

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """``[b ; 0]`` of items without interactions or similar items."""
        first = super().embed_new_items(representations, features, presence)
        return tf.concat([first, tf.zeros_like(first)], axis=1)

    def head(self, embeddings: tf.Tensor) -> tf.Tensor:
        """``b + c``."""
        return tf.add_n(tf.split(embeddings, 2, axis=1))

    def contrasted(self, embeddings: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """``c`` and ``b``."""
        first, second = tf.split(embeddings, 2, axis=1)
        return [(second, first)]
