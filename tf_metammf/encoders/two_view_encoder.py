"""What the encoders share that have one view of users and items by behaviour and another by content."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ItemGraphEncoder
from tf_metammf.encoders.view_contrast import rows_of_items, view_contrast
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.layer_arguments import not_negative


class TwoViewEncoder(ItemGraphEncoder):
    """Scores by the sum of two views, ``e = b + c``, and contrasts them.

    ``b`` is that of LightGCN; ``c`` is what an encoder makes of features and of ``b`` in :meth:`second_view`.
    Embeddings before the head are ``[b ; c]``, ``[n, 2 width]``. With ``C`` the mean InfoNCE of
    :func:`tf_metammf.encoders.view_contrast.view_contrast`, ``contrast_weight (C(c_u, b_u) + C(c_i, b_i))`` over the
    users and items of the batch is added to the loss.

    Items that are not in the catalogue have no similar items: their second view is 0.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Layers of LightGCN. Defaults to 2.
        contrast_weight: Defaults to 0.01.
        contrast_temperature: Of the contrast. Defaults to 0.2.
        **options: Arguments of :class:`tf_metammf.encoders.graph_encoder.GraphEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    embeds_new_users = False

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 2,
        contrast_weight: float = 0.01,
        contrast_temperature: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(graph, content=content, layers=layers, **options)
        name = type(self).__name__
        if contrast_temperature <= 0:
            raise InvalidInputError(
                f"{name}: contrast_temperature is {contrast_temperature}, expected a number above 0."
            )
        self.contrast_weight = not_negative(f"{name}: contrast_weight", contrast_weight)
        self.contrast_temperature = contrast_temperature

    def second_view(
        self,
        first: UsersAndItems,
        towers: UsersAndItems,
        neighbourhoods: Neighbourhoods,
        *,
        training: bool,
    ) -> UsersAndItems:
        """``c`` of all users and items, float32 ``[users, width]`` and ``[items, width]``.

        Args:
            first: ``b`` of all users and items.
            towers: Tower outputs of all users and items, float32.
            neighbourhoods: The graph of interactions.
            training: Whether it is a training step.
        """
        raise NotImplementedError

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

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """``contrast_weight`` times the contrasts of the users and of the items of the batch.

        Args:
            batch: Users, items and ids of the candidates.
            queries: ``[b ; c]`` of its users, ``[B, 2 width]``.
            candidates: The same of the candidates.
            training: Whether it is a training step.
        """
        if not self.contrast_weight:
            return tf.constant(0.0)
        losses = []
        for rows, ids in ((queries, batch["user"]), (rows_of_items(batch, candidates), batch["item"])):
            first, second = tf.split(rows, 2, axis=1)
            losses.append(view_contrast(second, first, ids, temperature=self.contrast_temperature))
        return self.contrast_weight * tf.add_n(losses)
