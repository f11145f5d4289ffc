"""What the encoders share that contrast several views of the same users and items."""

from abc import abstractmethod
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ItemGraphEncoder
from tf_metammf.encoders.contrastive_peer_settings import ContrastiveSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.encoders.view_contrast import rows_of_items, view_contrast
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.layers.layer_arguments import not_negative


class ContrastiveEncoder(ItemGraphEncoder):
    """LightGCN with other views of users and items beside it, which are contrasted with each other.

    ``contrast_weight`` times the sum of the mean InfoNCE of
    :func:`tf_metammf.encoders.view_contrast.view_contrast`, over the pairs of :meth:`contrasted` and over the users and
    the items of the batch, is added to the loss. What an encoder needs for it stands in its embeddings before the head.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Layers of LightGCN. Defaults to 2.
        contrast_weight: Defaults to 0.01.
        contrast_temperature: Defaults to 0.2.
        **options: Arguments of :class:`tf_metammf.encoders.graph_encoder.GraphEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = ContrastiveSettings
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
        self.contrast_weight = not_negative(f"{name}: contrast_weight", contrast_weight)
        if not contrast_temperature > 0:
            raise InvalidInputError(
                f"{name}: contrast_temperature is {contrast_temperature}, expected a number above 0."
            )
        self.contrast_temperature = contrast_temperature

    @abstractmethod
    def contrasted(self, embeddings: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """The views ``[n, d]`` of some users or items that are contrasted, in pairs, from their embeddings.

        Args:
            embeddings: As they are before the head, ``[n, .]``.
        """

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """``contrast_weight`` times the contrasts of the users and of the items of the batch.

        Args:
            batch: Users, items and ids of the candidates.
            queries: Embeddings of its users before the head.
            candidates: The same of the candidates.
            training: Whether it is a training step.
        """
        if not self.contrast_weight:
            return tf.constant(0.0)
        losses = [
            view_contrast(one, other, ids, temperature=self.contrast_temperature)
            for rows, ids in ((queries, batch["user"]), (rows_of_items(batch, candidates), batch["item"]))
            for one, other in self.contrasted(rows)
        ]
        return self.contrast_weight * tf.add_n([tf.constant(0.0), *losses])
