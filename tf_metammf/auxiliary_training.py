"""A retrieval model with an auxiliary loss: how a step shows items to it, and what is logged of it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import tensorflow as tf

from tf_metammf.auxiliary.auxiliary_loss import AuxiliaryLoss, ItemViews
from tf_metammf.encoders.encoder import Encoder
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch
from tf_metammf.features.feature_source import FeatureSource
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.token_features import ModalityFeatures, vectors_of
from tf_metammf.layers.positions import positions_of
from tf_metammf.retrieval_model import RetrievalModel
from tf_metammf.towers import ItemTower


class AuxiliaryTraining(RetrievalModel):
    """A retrieval model that adds an auxiliary loss in training.

    Attributes:
        auxiliary: A loss beside that of the objective, or None.
        encoder: What stands between towers and scores.
        item_features: The features of all items.
        item_tower: From features and dense item ids to vectors.
    """

    auxiliary: AuxiliaryLoss | None
    auxiliary_generator: Any
    encoder: Encoder
    item_features: FeatureTable | FeatureSource
    item_tower: ItemTower

    @property
    @abstractmethod
    def streams_features(self) -> bool:
        """Whether features come with the batches, and not from a table."""

    @abstractmethod
    def _features_of(
        self, items: tf.Tensor, carried: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
        """Features and presence of items, out of what the batch carries or else out of the table."""

    @abstractmethod
    def _encode_new_items(
        self, representations: tf.Tensor, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """What the encoder gives for items without interactions."""

    @abstractmethod
    def _finish(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Embeddings as they are scored, of what the encoder gives."""

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """A training step; logs what the auxiliary loss measures, beside the loss."""
        logs = super().train_step(inputs)
        measured = [] if self.auxiliary is None else self.auxiliary.metrics
        return logs | {metric.name: metric.result() for metric in measured}

    def _build_auxiliary(self, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]) -> None:
        """Makes the weights of the auxiliary loss, if there is one, with the features and presence of any items."""
        if self.auxiliary is None:
            return
        self.auxiliary.require_items(has_fusion=self.item_tower.fusion is not None, streamed=self.streams_features)
        if self.auxiliary.uses_embeddings and not self.encoder.embeds_new_items:
            raise InvalidInputError(
                f"{type(self.auxiliary).__name__} looks at items by their content alone, and "
                f"{type(self.encoder).__name__} embeds no item without interactions. Use another encoder."
            )
        self.auxiliary.widths = dict(self.item_features.widths)
        self.auxiliary.build((None, int(self.item_tower.content(features, presence).shape[-1])))

    def _auxiliary_loss(
        self,
        auxiliary: AuxiliaryLoss,
        inputs: Batch,
        *,
        users: tf.Tensor,
        candidates: tuple[tf.Tensor, tf.Tensor],
    ) -> tf.Tensor:
        """The auxiliary loss of a batch, with the embeddings of its users and the ids and embeddings of candidates."""
        sampled = None
        if auxiliary.sampled_items:
            shape = [min(auxiliary.sampled_items, self.items)]
            drawn = self.auxiliary_generator.uniform(shape, maxval=self.items, dtype=tf.int64)
            sampled = self._view(tf.unique(drawn)[0])
        seen = self._view(tf.unique(inputs["item"])[0], inputs.get("item_features"))
        if auxiliary.uses_embeddings:
            ids, embeddings = candidates
            inputs = {**inputs, "user_embedding": users}
            seen = replace(seen, embeddings=tf.gather(embeddings, positions_of(seen.items, ids)))
        return auxiliary(inputs, seen, sampled, training=True)

    def _view(self, items: tf.Tensor, carried: Mapping[str, Any] | None = None) -> ItemViews:
        features, presence = self._features_of(items, carried)

        def fuse(others: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return self.item_tower.content(features, others, training=True)

        def embed(others: Mapping[str, tf.Tensor]) -> tf.Tensor:
            representations = self.item_tower(features, others, training=True)
            return self._finish(self._encode_new_items(representations, features, others))

        standardized = vectors_of(self.item_tower.standardized(features))
        return ItemViews(items, fuse(presence), standardized, presence, fuse, embed)
