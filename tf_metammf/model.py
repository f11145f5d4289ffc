"""MetaMMF: users and dynamically fused items, scored by the dot product of their embeddings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.batches import Batch, batch_of
from tf_metammf.catalogue_model import ITEMS_AT_ONCE, CatalogueModel
from tf_metammf.encoders.encoders import WITHOUT_GRAPH, encoder_uses_features, make_encoder
from tf_metammf.encoders.graph_encoder import GraphEncoder
from tf_metammf.encoders.item_content import ItemContent
from tf_metammf.errors import InvalidInputError
from tf_metammf.feature_source import FeatureSource, extreme_items, feature_statistics
from tf_metammf.feature_table import FeatureTable
from tf_metammf.fusion.fusions import make_fusion
from tf_metammf.keras_version import refuse_keras_3
from tf_metammf.layer_arguments import positive_integer
from tf_metammf.placement import placed, rows_of
from tf_metammf.replicas import gathered, replica_count
from tf_metammf.towers import ItemTower, UserTower

_OTHER_ITEMS = "the batch carries the features of other items than it needs; was its lookup made for another pipeline?"


class MetaMMF(CatalogueModel):
    """Dynamic multimodal fusion for recommendation (Liu et al., arXiv 2501.07110).

    ``score(u, i) = e_u . e_i`` where ``(e_u, e_i) = encoder(user_tower(u), item_tower(x_i, i))``,
    optionally L2-normalised. With ``encoder="mf"`` this is MetaMMF_MF, with ``"sage"`` MetaMMF_GCN (section 3.4).

    Batches are dictionaries with ``user`` and ``item``, int64 ``[B]``, and ``negative``, int64
    ``[B, n]``, for objectives that need it. An item that occurs several times in a batch is
    fused once. Graph encoders take ``neighbourhood`` where the batch has one (see
    :class:`tf_metammf.records.NeighbourSampler`), and propagate the whole graph in every step elsewhere.
    Features come from ``item_features`` where the batch has them (see :class:`tf_metammf.records.ItemLookup`).

    Args:
        users: Number of users.
        features: float ``[items, width]`` by modality name, which are held on the device; or a
            :class:`tf_metammf.feature_source.FeatureSource` for a catalogue that does not fit there, of which
            every batch then has to carry the features that it needs. Both give the same numbers.
        objective: A task of :mod:`tf_metammf.objectives`.
        presence: bool ``[items]`` by modality name; a modality left out is present everywhere. Not with a source,
            which knows it.
        item_frequency: Training interactions of every item, ``[items]``; items with none are
            represented by content alone. Defaults to every item being known.
        fusion: ``"metammf"``, ``"concatenation"``, ``"sum"``, ``"gated"``, ``"attention"``, a
            Keras layer of your own, or None for ID embeddings alone.
        fusion_options: Arguments of a fusion given by name.
        encoder: ``"mf"``, ``"sage"`` (MetaMMF_GCN of the paper), ``"lightgcn"``, a peer out of
            :mod:`tf_metammf.peers` (``"vbpr"``, ``"mmgcn"``, ``"lattice"``, ``"freedom"``, ``"bm3"``, ``"invrl"``),
            or a Keras layer of your own with the methods of :class:`tf_metammf.encoders.encoder.Encoder`.
        encoder_options: Arguments of an encoder given by name; those of graphs need ``graph``, an
            :class:`tf_metammf.InteractionGraph` of the training interactions. Peers get users and features from here.
        id_units: Width of the item ID embedding; 0 for content alone. Defaults to 32, as published.
        combination: How content and ID are joined: ``"concatenate"`` (published) or ``"add"``.
        id_dropout: Share of items in a training batch that lose their ID part. Defaults to 0.
        modality_dropout: Probability that a modality is hidden in training. Defaults to 0.
        standardize: Whether features are standardised with the training items' mean and
            deviation. Defaults to True; published: False.
        normalize: Whether embeddings are L2-normalised. Defaults to False.
        l2: Factor of ``0.5 * l2 * sum(weights ** 2)`` over the dense weights and the embedding
            rows of the batch. Defaults to 0.
        embeddings_initializer: Of the user and ID embeddings. Defaults to ``"glorot_uniform"``.
        jit_compile: Whether XLA compiles the fusion in training. The rest of a step, with its distinct items
            and sparse products, is not for XLA, so ``compile(jit_compile=True)`` does not work. Defaults to False.
        **options: Name, dtype and other arguments of a Keras model. With ``dtype="mixed_bfloat16"`` or
            ``"mixed_float16"``, given or global, towers and encoder compute with 16 bits; weights, sums over
            neighbours, scores and loss have 32, and ``compile`` adds the loss scaling that float16 needs. With
            ``"float64"`` towers compute with 64.

    Attributes:
        logs_gradient_norm: See :class:`tf_metammf.retrieval_model.RetrievalModel`.
        known_items: bool ``[items]``: items whose ID embedding is used; the others have content alone.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    def __init__(
        self,
        users: int,
        features: Mapping[str, NDArray[np.floating]] | FeatureSource,
        objective: keras.layers.Layer,
        *,
        presence: Mapping[str, NDArray[np.bool_]] | None = None,
        item_frequency: NDArray[np.integer] | None = None,
        fusion: str | keras.layers.Layer | None = "metammf",
        fusion_options: Mapping[str, Any] | None = None,
        encoder: str | keras.layers.Layer = "mf",
        encoder_options: Mapping[str, Any] | None = None,
        id_units: int = 32,
        combination: str = "concatenate",
        id_dropout: float = 0.0,
        modality_dropout: float = 0.0,
        standardize: bool = True,
        normalize: bool = False,
        l2: float = 0.0,
        embeddings_initializer: Any = "glorot_uniform",
        jit_compile: bool = False,
        **options: Any,
    ) -> None:
        users = positive_integer("MetaMMF", "users", users)
        refuse_keras_3("MetaMMF", (fusion, encoder, embeddings_initializer))
        if not 0 <= l2 < np.inf:
            raise InvalidInputError(f"l2 is {l2}, expected a number of at least 0.")
        content_of_encoder = encoder_uses_features(encoder) or bool((encoder_options or {}).get("item_neighbours"))
        used = fusion is not None or content_of_encoder
        source = _source(features, presence, item_frequency, used=used)
        super().__init__(users, source.items, objective, **options)
        policy = self.dtype_policy
        self.item_features = source
        self.normalize = normalize
        self.l2 = l2
        if self.streams_features and objective.needs_all_items:
            raise InvalidInputError(
                f"{type(objective).__name__} needs the features of all items in every step, and they are streamed. "
                "Take InBatchSoftmax or BPR, or give the features as a table."
            )
        known = np.ones(self.items, bool) if item_frequency is None else np.asarray(item_frequency) > 0
        if known.shape != (self.items,):
            raise InvalidInputError(
                f"item_frequency has shape {known.shape}, expected [{self.items}]: one number for each item."
            )
        self.known_items = placed(tf.constant(known))
        self.item_tower = ItemTower(
            self.items,
            None if fusion is None else make_fusion(fusion, **_with_policy(fusion, fusion_options, policy)),
            id_units=id_units,
            combination=combination,
            id_dropout=id_dropout,
            modality_dropout=modality_dropout,
            standardize=standardize,
            initializer=embeddings_initializer,
            jit_compile=jit_compile,
            dtype=policy,
            name="item_tower",
        )
        if standardize and fusion is not None:
            self.item_tower.adapt(feature_statistics(self.item_features, known, block_size=ITEMS_AT_ONCE))
        # Where no modality is ever missing, the gradient of the stand-ins is zero, and finding that out would take
        # the gradient of all features: as many products as the fusion's first layers have, a third of its time.
        never_missing = isinstance(self.item_features, FeatureTable) and self.item_features.complete
        self.item_tower.missing_modalities.trainable = modality_dropout > 0 or not never_missing
        # Encoders add up in float32, whatever the towers give.
        of_encoder = "float32" if policy.compute_dtype == "float64" else policy
        options_of_encoder = _with_policy(encoder, encoder_options, of_encoder)
        if content_of_encoder and isinstance(encoder, str):
            options_of_encoder["content"] = ItemContent(self._table(), known, standardize=standardize)
            if encoder in WITHOUT_GRAPH:
                options_of_encoder["users"] = users
        self.encoder = make_encoder(encoder, **options_of_encoder)
        nothing = {name: tf.zeros([1, width]) for name, width in self.item_features.widths.items()}
        everywhere = dict.fromkeys(nothing, tf.ones([1], tf.bool))
        representation = self._represent(tf.zeros([1], tf.int64), nothing, everywhere, training=False)
        self._encode_new_items(representation, nothing, everywhere)
        if used and not standardize:
            self._check_raw_features()
        width = int(representation.shape[-1])
        self.user_tower = UserTower(users, width, initializer=embeddings_initializer, dtype=policy, name="user_tower")
        self.user_tower(tf.zeros([1], tf.int64))
        self._made(features=sorted(source.widths.items()) if self.streams_features else ())

    def call(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Scores ``[B]`` of the pairs ``inputs["user"]``, ``inputs["item"]``, int64 ``[B]``."""
        inputs = batch_of(inputs)
        distinct, position = tf.unique(inputs["item"])
        users, items = self.embed(
            inputs["user"], distinct, item_features=inputs.get("item_features"), training=training
        )
        return tf.reduce_sum(users * tf.gather(items, position), axis=-1)

    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """The objective's mean loss over the batch, plus the L2 penalty."""
        wanted = self.objective.candidates(inputs)
        neighbourhood = inputs.get("neighbourhood")
        if self.objective.needs_all_items and neighbourhood is not None:
            raise InvalidInputError(
                f"{type(self.objective).__name__} needs the embeddings of all items, and sampled neighbourhoods "
                "have those of the batch. Train on the whole graph, or with another objective."
            )
        given = {"neighbourhood": neighbourhood, "item_features": inputs.get("item_features")}
        if training and getattr(self.encoder, "exclude_targets", False):
            # Those of all replicas, as one device would have them.
            given["targets"] = gathered(inputs["user"]), gathered(inputs["item"])
        if self.objective.distinct_candidates:
            queries, candidates = self._encode(inputs["user"], wanted, **given, training=training)
        else:
            distinct, position = tf.unique(wanted)
            queries, encoded = self._encode(inputs["user"], distinct, **given, training=training)
            candidates = tf.gather(encoded, position)
        loss = self.objective(self._finish(queries), self._finish(candidates), inputs)
        if hasattr(self.encoder, "auxiliary_loss"):
            loss += self.encoder.auxiliary_loss(inputs, queries, candidates, training=training)
        return loss + self._penalty(inputs["user"], wanted) if self.l2 else loss

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
        queries, candidates = self._encode(
            users, items, neighbourhood=neighbourhood, item_features=item_features, training=training
        )
        return self._finish(queries), self._finish(candidates)

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
        if self.streams_features and neighbourhood is None and isinstance(self.encoder, GraphEncoder):
            raise InvalidInputError(
                f"{type(self.encoder).__name__} on the whole graph needs the features of all items in every step, and "
                "they are streamed. Sample neighbourhoods, or give the features as a table."
            )
        encoded: tuple[tf.Tensor, tf.Tensor] = self.encoder.embed(
            users,
            items,
            represent_users=self.user_tower,
            represent_items=lambda ids: self._represent_items(ids, item_features, training=training),
            neighbourhood=neighbourhood,
            training=training,
            **({} if targets is None else {"targets": targets}),
        )
        return encoded

    def embed_new_items(self, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items the model has never seen, from content alone.

        Args:
            features: float ``[n, width]`` by modality.
            presence: bool ``[n]`` by modality.
        """
        return self._finish(self._encode_new_items(self.item_tower(features, presence), features, presence))

    def _encode_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        if encoder_uses_features(self.encoder):
            return self.encoder.embed_new_items(representations, features, presence)
        return self.encoder.embed_new_items(representations)

    @property
    def embeds_new_items(self) -> bool:
        """Whether :meth:`embed_new_items` has anything to go by, and the encoder needs no interactions for it."""
        if not getattr(self.encoder, "embeds_new_items", True):
            return False
        return self.item_tower.fusion is not None or encoder_uses_features(self.encoder)

    @property
    def streams_features(self) -> bool:
        """Whether features come with the batches, and not from a table."""
        return not isinstance(self.item_features, FeatureTable)

    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """The weights that have a row for every user, and those that have one for every item."""
        users, items = getattr(self.encoder, "embedding_tables", ([], []))
        if self.item_tower.id_embedding is not None:
            items = [self.item_tower.id_embedding.embeddings, *items]
        return [self.user_tower.embedding.embeddings, *users], items

    def _represent_items(
        self, items: tf.Tensor, carried: Mapping[str, Any] | None = None, *, training: bool
    ) -> tf.Tensor:
        """Tower outputs of items, with the features that the batch carries or else those of the table."""
        if carried is None:
            return self._represent(items, *self._table().lookup(items), training=training)
        count = tf.size(items)
        fitting = tf.reduce_all(tf.equal(carried["item"][:count], items))
        with tf.control_dependencies([tf.debugging.Assert(fitting, [_OTHER_ITEMS])]):
            features, presence = (
                {name: carried[part][name][:count] for name in self.item_features.widths}
                for part in ("features", "presence")
            )
        return self._represent(items, features, presence, training=training)

    def _represent(
        self,
        items: tf.Tensor,
        features: Mapping[str, tf.Tensor],
        presence: Mapping[str, tf.Tensor],
        *,
        training: bool,
    ) -> tf.Tensor:
        known = rows_of(self.known_items, items)
        return self.item_tower(features, presence, items=items, known=known, training=training)

    def _check_raw_features(self) -> None:
        """Refuses features that overflow before anything is learned of them."""
        for name, largest, (features, presence) in extreme_items(self.item_features, block_size=ITEMS_AT_ONCE):
            representation = self.item_tower(features, presence)
            embedding = self._encode_new_items(representation, features, presence)
            squares = [tf.reduce_sum(tf.square(tf.cast(each, tf.float32))) for each in (representation, embedding)]
            if not np.isfinite(squares).all():
                raise InvalidInputError(
                    f'modality "{name}": features reach {largest:g} and are not standardised, so embeddings and losses '
                    "would be NaN or infinite. Set standardize to true, or divide them by a constant."
                )

    def _table(self) -> FeatureTable:
        if not isinstance(self.item_features, FeatureTable):
            raise InvalidInputError(
                "the features of the items are streamed, and the batch carries none. Give "
                "records.interactions(...) the lookup as item_features."
            )
        return self.item_features

    def _finish(self, embeddings: tf.Tensor) -> tf.Tensor:
        embeddings = tf.cast(embeddings, tf.float32)
        if hasattr(self.encoder, "head"):
            embeddings = self.encoder.head(embeddings)
        return tf.math.l2_normalize(embeddings, axis=-1) if self.normalize else embeddings

    def _penalty(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        user_tables, item_tables = self.embedding_tables()
        rows = [tf.gather(table, tf.unique(gathered(users))[0]) for table in user_tables]
        rows += [tf.gather(table, tf.unique(gathered(items))[0]) for table in item_tables]
        tables = [*user_tables, *item_tables]
        dense = [weight for weight in self.trainable_variables if not any(weight is table for table in tables)]
        return (
            self.l2
            / replica_count()
            * tf.add_n([tf.cast(tf.nn.l2_loss(weight), tf.float32) for weight in [*dense, *rows]])
        )


def _source(
    features: Mapping[str, NDArray[np.floating]] | FeatureSource,
    presence: Mapping[str, NDArray[np.bool_]] | None,
    item_frequency: NDArray[np.integer] | None,
    *,
    used: bool,
) -> FeatureTable | FeatureSource:
    """Where the features are from; an empty table where nothing uses them."""
    if not isinstance(features, Mapping):
        if not all(hasattr(features, name) for name in ("items", "widths", "blocks")):
            raise InvalidInputError(
                f"features is {type(features).__name__}, expected a dictionary of arrays [items, width] by modality "
                'name, such as {"visual": array}, or a FeatureSource.'
            )
        if presence is not None:
            raise InvalidInputError("presence was given beside a source of features, which knows it. Leave it out.")
        return features if used else FeatureTable({}, items=features.items)
    if used and not features:
        raise InvalidInputError(
            "there are no modalities to fuse. Give features, or set the fusion to none for ID embeddings alone."
        )
    if used or item_frequency is None:
        return FeatureTable(features, presence)
    return FeatureTable({}, items=len(item_frequency))


def _with_policy(part: Any, options: Mapping[str, Any] | None, policy: Any) -> dict[str, Any]:
    """Options of a part, with name and dtype policy where the part is made here, by its name."""
    # Keras would number the names, and weights of two models would not find each other by them.
    return {"dtype": policy, "name": part, **(options or {})} if isinstance(part, str) else dict(options or {})
