"""Inference over the whole catalogue: embeddings of all users and items, block by block."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.encoders.graph_encoder import GraphEncoder
from tf_metammf.encoders.matrix_factorization import MatrixFactorization
from tf_metammf.feature_source import FeatureSource
from tf_metammf.feature_table import FeatureTable
from tf_metammf.retrieval_model import RetrievalModel
from tf_metammf.row_blocks import stacked
from tf_metammf.towers import UserTower

ITEMS_AT_ONCE = 4096
"""Items read and encoded in one step when the whole catalogue is."""


class CatalogueModel(RetrievalModel):
    """A retrieval model that embeds all of its users and items, whatever the size of the catalogue.

    Attributes:
        encoder: What stands between towers and scores, an :class:`tf_metammf.encoders.encoder.Encoder`.
        item_features: The features of all items.
        user_tower: From dense user ids to vectors.
    """

    encoder: Any
    item_features: FeatureTable | FeatureSource
    user_tower: UserTower

    def embeddings(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings of all users and of all items, float32 ``[users, d]`` and ``[items, d]``.

        Items go through their tower in blocks of :data:`ITEMS_AT_ONCE`, then all through an encoder that propagates.
        """
        users, blocks = self._represent_all()
        if type(self.encoder) is MatrixFactorization:
            # Finished block by block: normalising all items at once would take two more tensors of their size.
            finished = (self._finish(block).numpy() for block in blocks)
            return self._finish(users), stacked(finished, rows=self.items, width=int(users.shape[-1]))
        return self._embed_all(users, tf.concat(list(blocks), axis=0))

    def messages(self) -> tf.Tensor | None:
        """What items tell a user who comes after training, float32 ``[items, m]``.

        None where the encoder does not propagate over a graph, or not to newcomers: they are represented by themselves.
        """
        if not isinstance(self.encoder, GraphEncoder) or not getattr(self.encoder, "embeds_new_users", True):
            return None
        users, blocks = self._represent_all()
        return self._all_messages(users, tf.concat(list(blocks), axis=0))

    def embed_new_users(self, representations: tf.Tensor, messages: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[n, d]`` of users who came after training, propagated from the items that they have.

        For graph encoders; arguments as
        :meth:`tf_metammf.encoders.graph_encoder.GraphEncoder.embed_new_users` has them.
        """
        return self._finish(self.encoder.embed_new_users(representations, messages, counts))

    def user_embeddings(self) -> tf.Tensor:
        """The first of :meth:`embeddings`."""
        return self.embeddings()[0]

    def item_embeddings(self) -> tf.Tensor:
        """The second of :meth:`embeddings`."""
        return self.embeddings()[1]

    @tf.function(reduce_retracing=True)
    def _represent_block(
        self, items: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        return self._represent(items, features, presence, training=False)

    def _represent_all(self) -> tuple[tf.Tensor, Iterator[tf.Tensor]]:
        """Tower outputs of all users, and of all items block by block."""
        starts = range(0, self.items, ITEMS_AT_ONCE)
        ids = [tf.range(start, min(start + ITEMS_AT_ONCE, self.items), dtype=tf.int64) for start in starts]
        blocks = zip(ids, self.item_features.blocks(ITEMS_AT_ONCE), strict=True)
        users = self.user_tower(tf.range(self.users, dtype=tf.int64))
        return users, (self._represent_block(items, *block) for items, block in blocks)

    @tf.function(reduce_retracing=True)
    def _all_messages(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return self.encoder.messages(users, items)

    @tf.function(reduce_retracing=True)
    def _embed_all(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_users, of_items = self.encoder.embed_all(users, items)
        return self._finish(of_users), self._finish(of_items)

    @abstractmethod
    def _represent(
        self,
        items: tf.Tensor,
        features: Mapping[str, tf.Tensor],
        presence: Mapping[str, tf.Tensor],
        *,
        training: bool,
    ) -> tf.Tensor:
        """Tower outputs ``[n, width]`` of items."""

    @abstractmethod
    def _finish(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Embeddings as they are scored, float32 ``[n, d]``, of what the encoder gives."""
