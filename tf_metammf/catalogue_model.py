"""Inference over the whole catalogue: embeddings of all users and items, block by block."""

from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_metammf.calibration import Calibration
from tf_metammf.encoders.encoder import Encoder
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import FeatureSource, items_at_once, token_modalities
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.modalities import lacking
from tf_metammf.features.token_features import ModalityFeatures, carried_features, vectors_of
from tf_metammf.layers.placement import rows_of
from tf_metammf.layers.row_blocks import stacked
from tf_metammf.preference_training import PreferenceTraining
from tf_metammf.towers import ItemTower
from tf_metammf.user_tower import UserTower


class CatalogueModel(PreferenceTraining):
    """A retrieval model that embeds all of its users and items, whatever the size of the catalogue.

    Attributes:
        calibration: What is added to the scores of the trained model, or None; set it after training.
        encoder: What stands between towers and scores.
        item_features: The features of all items.
        item_tower: From features and dense item ids to vectors.
        known_items: bool ``[items]``: items whose ID embedding is used; the others have content alone.
        normalize: Whether embeddings are L2-normalised.
        user_tower: From dense user ids to vectors.
    """

    calibration: Calibration | None = None
    encoder: Encoder
    item_features: FeatureTable | FeatureSource
    item_tower: ItemTower
    known_items: tf.Tensor
    normalize: bool
    user_tower: UserTower

    def embeddings(self, *, without: str | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings of all users and of all items, float32 ``[users, d]`` and ``[items, d]``.

        They are one number wider where the model is calibrated. Items go through their tower in blocks of
        :data:`tf_metammf.features.feature_source.ITEMS_AT_ONCE`, or fewer, then all through an encoder that propagates.

        Args:
            without: A modality that all items are taken to lack; edges between similar items stay. Defaults to None.

        Raises:
            InvalidInputError: There is no such modality, or the encoder looks at features itself.
        """
        if without is not None and self.encoder.compares_features:
            name = type(self.encoder).__name__
            raise InvalidInputError(f"without is {without}, and {name} sees features itself. Use mf, sage or lightgcn.")
        users, items = self._embeddings(without)
        if self.calibration is None:
            return users, items
        return self.calibration.users(users), self.calibration.items(items, tf.range(self.items, dtype=tf.int64))

    def _embeddings(self, without: str | None) -> tuple[tf.Tensor, tf.Tensor]:
        users, blocks = self._represent_all(without)
        if self.encoder.passes_towers_through:
            # Finished block by block: normalising all items at once would take two more tensors of their size.
            finished = (self._finish(block).numpy() for block in blocks)
            items = stacked(finished, rows=self.items, width=int(users.shape[-1]))
            return self._finish(self.user_tower.with_items(users, items)), items
        return self._embed_all(users, tf.concat(list(blocks), axis=0))

    def messages(self) -> tf.Tensor | None:
        """What items tell a user who comes after training, float32 ``[items, m]``.

        None where the encoder does not propagate over a graph, or not to newcomers: they are represented by themselves.
        """
        if not self.encoder.embeds_new_users:
            return None
        users, blocks = self._represent_all()
        return self._all_messages(users, tf.concat(list(blocks), axis=0))

    def embed_new_users(self, representations: tf.Tensor, messages: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """Embeddings ``[n, d]`` of users who came after training, propagated from the items that they have.

        For graph encoders; arguments as
        :meth:`tf_metammf.encoders.graph_encoder.GraphEncoder.embed_new_users` has them.
        """
        return self.calibrated_users(self._finish(self.encoder.embed_new_users(representations, messages, counts)))

    def calibrated_users(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Embeddings of users as they are scored: as they are, or one number wider where the model is calibrated."""
        return embeddings if self.calibration is None else self.calibration.users(embeddings)

    def user_embeddings(self) -> tf.Tensor:
        """The first of :meth:`embeddings`."""
        return self.embeddings()[0]

    def item_embeddings(self) -> tf.Tensor:
        """The second of :meth:`embeddings`."""
        return self.embeddings()[1]

    @tf.function(reduce_retracing=True)
    def _represent_block(
        self, items: tf.Tensor, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        return self._represent(items, features, presence, training=False)

    def _represent_all(self, without: str | None = None) -> tuple[tf.Tensor, Iterator[tf.Tensor]]:
        """Tower outputs of all users, and of all items block by block, taken to lack a modality."""
        size = items_at_once(self.item_features)
        starts = range(0, self.items, size)
        ids = [tf.range(start, min(start + size, self.items), dtype=tf.int64) for start in starts]
        blocks = zip(ids, self.item_features.blocks(size), strict=True)
        users = self.user_tower(tf.range(self.users, dtype=tf.int64))
        return users, (
            self._represent_block(items, features, lacking(presence, without)) for items, (features, presence) in blocks
        )

    @tf.function(reduce_retracing=True)
    def _all_messages(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return self.encoder.messages(users, items)

    @tf.function(reduce_retracing=True)
    def _embed_all(self, users: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_users, of_items = self.encoder.embed_all(users, items)
        return self._finish(of_users), self._finish(of_items)

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        neighbourhood: Mapping[str, Any] | None = None,
        item_features: Mapping[str, Any] | None = None,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings, float32 ``[U, d]`` and ``[I, d]``, of dense user ids ``[U]`` and item ids ``[I]``.

        Args:
            users: Dense user ids.
            items: Dense item ids, each once.
            neighbourhood: That of the batch, where it was sampled.
            item_features: Those of the batch, which begin with the items that are represented.
            training: Whether dropout is applied.

        Raises:
            InvalidInputError: Features are streamed, and the batch lacks them or cannot have all that it needs.
        """
        queries, candidates = self._encode_with_histories(
            users, items, neighbourhood=neighbourhood, item_features=item_features, training=training
        )
        of_users, of_items = self._finish(queries), self._finish(candidates)
        if training or self.calibration is None:
            return of_users, of_items
        return self.calibration.users(of_users), self.calibration.items(of_items, items)

    def _encode_with_histories(
        self, users: tf.Tensor, items: tf.Tensor, *, without: tf.Tensor | None = None, training: bool, **given: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What :meth:`_encode` gives, users with what their items add to them.

        Args:
            users: Dense user ids ``[U]``.
            items: Dense item ids ``[I]``, each once.
            without: Dense item ids ``[U]`` that the users are embedded without; None for none.
            training: Whether dropout is applied.
            **given: As :meth:`_encode`.
        """
        tower = self.user_tower
        if tower.histories is None or tower.history is None:
            return self._encode(users, items, **given, training=training)
        seen, there = tower.histories.of(users, without=without)
        # Each item is encoded once, however often it occurs; the candidates come first.
        distinct, position = tf.unique(tf.concat([items, tf.reshape(seen, [-1])], axis=0))
        queries, encoded = self._encode(users, distinct, **given, training=training)
        seen = tf.reshape(position[tf.size(items) :], tf.shape(seen))
        queries = tower.history(queries, tf.gather(self._finish(encoded), seen), there, training=training)
        return queries, encoded[: tf.size(items)]

    def _encode(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        neighbourhood: Mapping[str, Any] | None = None,
        item_features: Mapping[str, Any] | None = None,
        targets: tuple[tf.Tensor, tf.Tensor] | None = None,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What the encoder gives, before its head and the normalisation."""
        if self.streams_features and neighbourhood is None and self.encoder.needs_all_features:
            raise InvalidInputError(
                f"{type(self.encoder).__name__} on the whole graph needs the features of all items in every step, "
                "but they are streamed. Sample neighbourhoods, or give the features as a table."
            )
        return self.encoder.embed(
            users,
            items,
            represent_users=lambda ids: self.user_tower.everyone() if ids is None else self.user_tower(ids),
            represent_items=lambda ids: self._represent_items(ids, item_features, training=training),
            neighbourhood=neighbourhood,
            targets=targets,
            training=training,
        )

    def embed_new_items(self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items the model has never seen, from content alone.

        Args:
            features: float ``[n, width]`` by modality; or :class:`tf_metammf.records.TokenSequences`, as long as they
                are.
            presence: bool ``[n]`` by modality.
        """
        embeddings = self._finish(self._encode_new_items(self.item_tower(features, presence), features, presence))
        if self.calibration is None:
            return embeddings
        return self.calibration.new_items(embeddings, vectors_of(features), presence)

    def _encode_new_items(
        self, representations: tf.Tensor, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        return self.encoder.embed_new_items(representations, vectors_of(features), presence)

    @property
    def embeds_new_items(self) -> bool:
        """Whether :meth:`embed_new_items` has anything to go by, and the encoder needs no interactions for it."""
        return self.encoder.embeds_new_items and (self.item_tower.fusion is not None or self.encoder.compares_features)

    @property
    def token_modalities(self) -> dict[str, int]:
        """Tokens of the longest sequence, by modality that items have sequences of."""
        return token_modalities(self.item_features)

    @property
    def streams_features(self) -> bool:
        """Whether features come with the batches, and not from a table."""
        return not isinstance(self.item_features, FeatureTable)

    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """The weights that have a row for every user, and those that have one for every item."""
        users, items = self.encoder.embedding_tables
        if self.item_tower.id_embedding is not None:
            items = [self.item_tower.id_embedding.embeddings, *items]
        return [self.user_tower.embedding.embeddings, *users], items

    def _represent_items(
        self, items: tf.Tensor | None, carried: Mapping[str, Any] | None = None, *, training: bool
    ) -> tf.Tensor:
        """Tower outputs of items, with the features that the batch carries or else those of the table; None is all."""
        if items is not None:
            return self._represent(items, *self._features_of(items, carried), training=training)
        ids = tf.range(self.items, dtype=tf.int64)
        given = self._table().all_items() if carried is None else self._features_of(ids, carried)
        return self._represent(ids, *given, every_item=True, training=training)

    def _features_of(
        self, items: tf.Tensor, carried: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, ModalityFeatures], dict[str, tf.Tensor]]:
        """Features and presence of items, out of what the batch carries or else out of the table."""
        if carried is None:
            return self._table().lookup(items)
        return carried_features(carried, items, self.item_features.widths)

    def _build_towers(self) -> int:
        """Makes the weights of item tower, encoder and auxiliary loss; returns the width of what the tower gives."""
        nothing = {name: tf.zeros([1, width]) for name, width in self.item_features.widths.items()}
        everywhere = dict.fromkeys(nothing, tf.ones([1], tf.bool))
        representation = self._represent(tf.zeros([1], tf.int64), nothing, everywhere, training=False)
        width = int(representation.shape[-1])
        self.encoder.build((None, width))
        self._encode_new_items(representation, nothing, everywhere)
        self._build_auxiliary(nothing, everywhere)
        return width

    def _represent(
        self,
        items: tf.Tensor,
        features: Mapping[str, ModalityFeatures],
        presence: Mapping[str, tf.Tensor],
        *,
        every_item: bool = False,
        training: bool,
    ) -> tf.Tensor:
        known = rows_of(self.known_items, items)
        return self.item_tower(features, presence, items=items, known=known, every_item=every_item, training=training)

    def _table(self) -> FeatureTable:
        if not isinstance(self.item_features, FeatureTable):
            raise InvalidInputError(
                "the features of the items are streamed, but the batch has none. Give "
                "records.interactions(...) the lookup as item_features."
            )
        return self.item_features

    def _finish(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Embeddings as they are scored, float32 ``[n, d]``, of what the encoder gives."""
        embeddings = self.encoder.head(tf.cast(embeddings, tf.float32))
        return tf.math.l2_normalize(embeddings, axis=-1) if self.normalize else embeddings
