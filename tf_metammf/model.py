"""MetaMMF: users and dynamically fused items, scored by the dot product of their embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from tf_metammf.auxiliary.auxiliary_loss import make_auxiliary
from tf_metammf.catalogue_model import CatalogueModel
from tf_metammf.encoders.encoder import Encoder
from tf_metammf.encoders.encoders import attached_encoder, encoder_settings, make_encoder
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.batches import Batch, batch_of
from tf_metammf.features.feature_source import (
    FeatureSource,
    extreme_items,
    feature_specs,
    feature_statistics,
    items_at_once,
)
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.model_features import feature_source, known_items
from tf_metammf.fusion.adapter_names import adapters_of
from tf_metammf.fusion.fusions import form_of, make_fusion
from tf_metammf.layers.dropout import new_generator
from tf_metammf.layers.keras_version import refuse_keras_3
from tf_metammf.layers.layer_arguments import not_negative, positive_integer
from tf_metammf.layers.placement import placed
from tf_metammf.layers.replicas import gathered
from tf_metammf.objectives.objective import make_objective
from tf_metammf.parts.named_options import named_options
from tf_metammf.records.token_arrays import TokenArrays
from tf_metammf.towers import ItemTower
from tf_metammf.user_histories import UserHistories
from tf_metammf.user_tower import UserTower
from tf_metammf.weight_penalty import weight_penalty


class MetaMMF(CatalogueModel):
    """Dynamic multimodal fusion for recommendation (Liu et al., arXiv 2501.07110).

    ``score(u, i) = e_u . e_i`` where ``(e_u, e_i) = encoder(user_tower(u), item_tower(x_i, i))``,
    optionally L2-normalised. With ``encoder="mf"`` this is MetaMMF_MF, with ``"sage"`` MetaMMF_GCN (section 3.4).

    Batches are dictionaries with ``user`` and ``item``, int64 ``[B]``, and for some objectives ``negative``, int64
    ``[B, n]``; ``weight``, float32 ``[B]``, is how much each interaction counts. An item that occurs several times in a
    batch is fused once. Graph encoders take ``neighbourhood`` where the batch has one
    (:class:`tf_metammf.records.NeighbourSampler`) and else propagate the whole graph; features come from
    ``item_features`` where the batch has them (:class:`tf_metammf.records.ItemLookup`).

    Args:
        users: Number of users.
        features: float ``[items, width]`` by modality name, or token sequences,
            :class:`tf_metammf.records.TokenArrays`, which are held on the device; or a
            :class:`tf_metammf.features.feature_source.FeatureSource` for a catalogue that does not fit there, where
            every batch carries the features that it needs. Both give the same numbers. A fusion that takes vectors
            gets the mean over the tokens.
        objective: The name of an objective (``"in_batch_softmax"``, ``"full_softmax"``, ``"bpr"``, ``"none"``), an
            :class:`tf_metammf.objectives.objective.Objective`, or a task of TFRS such as ``tfrs.tasks.Retrieval()``.
        presence: bool ``[items]`` by modality name; one left out is present everywhere. A source knows it itself.
        item_frequency: Training interactions of every item; those with none have content alone. Defaults to all known.
        fusion: ``"metammf"``, ``"concatenation"``, ``"sum"``, ``"gated"``, ``"attention"``, a Keras layer, or None.
        fusion_options: Arguments of a fusion given by name.
        objective_options: Arguments of an objective given by name.
        auxiliary: A loss that is added in training, by name or as a layer; None for none.
        auxiliary_options: Arguments of an auxiliary loss given by name.
        encoder: ``"mf"``, ``"sage"`` (MetaMMF_GCN of the paper), ``"lightgcn"``, a peer out of
            :mod:`tf_metammf.encoders` such as ``"vbpr"`` or ``"mgcn"``, ``"package.module:Class"``, or a layer that
            extends :class:`tf_metammf.encoders.encoder.Encoder`.
        encoder_options: Arguments of an encoder given by name; those of graphs need ``graph``, an
            :class:`tf_metammf.InteractionGraph` of the training interactions. Peers get users and features from here.
        id_units: Width of the item ID embedding; 0 for content alone. Defaults to 32, as published.
        combination: How content and ID are joined: ``"concatenate"`` (published) or ``"add"``.
        id_dropout: Share of items in a training batch that lose their ID part. Defaults to 0.
        modality_dropout: Probability that a modality is hidden in training. Defaults to 0.
        adapters: Modalities that are not fused, but added to the fused vector by adapters that begin as nothing, for
            modalities that arrive after training.
        adapter_units: Width of the bottlenecks of the adapters. Defaults to 16.
        modality_heads: Whether each modality has a linear map beside the fusion, which represents an item that has no
            other modality, without stand-ins. Defaults to False.
        standardize: Whether features are standardised over the training items. Defaults to True; published: False.
        normalize: Whether embeddings are L2-normalised. Defaults to False.
        l2: Factor of ``0.5 * l2 * sum(weights ** 2)``, dense weights and embedding rows of the batch. Defaults to 0.
        embeddings_initializer: Of the user and ID embeddings. Defaults to ``"glorot_uniform"``.
        jit_compile: Whether XLA compiles the fusion in training. ``compile(jit_compile=True)`` does not work: distinct
            items and sparse products of a step are not for XLA. Defaults to False.
        histories: Training items of users, to which users attend (:class:`tf_metammf.UserHistories`): in training
            without the item that is asked for. For the encoder ``"mf"`` and features in a table. Defaults to None.
        user_id_dropout: Share of users in a training batch that are known by their items alone, where there are
            histories. Defaults to 0.5.
        **options: Name, dtype and other arguments of a Keras model. With ``"mixed_bfloat16"`` or ``"mixed_float16"``,
            given or global, towers and encoder compute with 16 bits; weights, sums over neighbours, scores and loss
            have 32, and ``compile`` adds loss scaling for float16. With ``"float64"`` towers compute with 64.

    Attributes:
        known_items: bool ``[items]``: items whose ID embedding is used; the others have content alone.

    Raises:
        InvalidInputError: An argument is not acceptable.

    Examples:
        >>> from tf_metammf import MetaMMF
        >>> model = MetaMMF(2, {"visual": [[0.0, 1.0], [1.0, 0.0]]}, "in_batch_softmax", item_frequency=[1, 1])
        >>> model.compile("adam")
        >>> history = model.fit({"user": [0, 1], "item": [1, 0]}, verbose=0)
        >>> [embeddings.shape for embeddings in model.embeddings()]
        [TensorShape([2, 64]), TensorShape([2, 64])]
    """

    def __init__(
        self,
        users: int,
        features: Mapping[str, NDArray[np.floating] | TokenArrays] | FeatureSource,
        objective: Any,
        *,
        presence: Mapping[str, NDArray[np.bool_]] | None = None,
        item_frequency: NDArray[np.integer] | None = None,
        fusion: str | keras.layers.Layer | None = "metammf",
        fusion_options: Mapping[str, Any] | None = None,
        encoder: str | Encoder = "mf",
        encoder_options: Mapping[str, Any] | None = None,
        objective_options: Mapping[str, Any] | None = None,
        auxiliary: Any = None,
        auxiliary_options: Mapping[str, Any] | None = None,
        id_units: int = 32,
        combination: str = "concatenate",
        id_dropout: float = 0.0,
        modality_dropout: float = 0.0,
        adapters: Sequence[str] = (),
        adapter_units: int = 16,
        modality_heads: bool = False,
        standardize: bool = True,
        normalize: bool = False,
        l2: float = 0.0,
        embeddings_initializer: Any = "glorot_uniform",
        jit_compile: bool = False,
        histories: UserHistories | None = None,
        user_id_dropout: float = 0.5,
        **options: Any,
    ) -> None:
        users = positive_integer("MetaMMF", "users", users)
        refuse_keras_3("MetaMMF", (fusion, encoder, objective, auxiliary, embeddings_initializer))
        of_encoder = dict(encoder_options or {})
        settings = encoder_settings(encoder, of_encoder) if isinstance(encoder, str) else None
        compares = make_encoder(encoder).compares_features if settings is None else settings.uses_features
        used = fusion is not None or compares
        source = feature_source(features, presence, item_frequency, used=used, form=form_of(fusion))
        made = make_objective(objective, objective_options, item_frequency=item_frequency)
        super().__init__(users, source.items, made, **options)
        policy = self.dtype_policy
        self.item_features, self.normalize, self.l2 = source, normalize, not_negative("l2", l2)
        if self.streams_features and made.needs_all_items:
            raise InvalidInputError(
                f"{type(made).__name__} needs the features of all items in every step, but they are streamed. "
                "Use InBatchSoftmax or BPR, or give the features as a table."
            )
        known = known_items(item_frequency, self.items)
        self.known_items = placed(tf.constant(known))
        self.item_tower = ItemTower(
            self.items,
            None if fusion is None else make_fusion(fusion, **named_options(fusion, fusion_options, policy)),
            id_units=id_units,
            combination=combination,
            id_dropout=id_dropout,
            modality_dropout=modality_dropout,
            adapters=adapters_of(adapters, source.widths, fuses=fusion is not None),
            adapter_units=adapter_units,
            modality_heads=modality_heads,
            standardize=standardize,
            initializer=embeddings_initializer,
            jit_compile=jit_compile,
            dtype=policy,
            name="item_tower",
        )
        if standardize and fusion is not None:
            statistics = feature_statistics(source, known, block_size=items_at_once(source), form=self.item_tower.form)
            self.item_tower.adapt(statistics)
        # Where no modality is ever missing, the gradient of the stand-ins is zero, and finding that out would take
        # the gradient of all features: as many products as the fusion's first layers have, a third of its time.
        never_missing = not self.streams_features and self._table().complete
        self.item_tower.missing_modalities.trainable = modality_dropout > 0 or not never_missing
        content = ItemContent(self._table(), known, standardize=standardize) if compares and settings else None
        self.encoder = attached_encoder(encoder, of_encoder, content=content, users=users, policy=policy)
        self.auxiliary = make_auxiliary(auxiliary, named_options(auxiliary, auxiliary_options, "float32"))
        self.auxiliary_generator: Any = None if self.auxiliary is None else new_generator()
        width = self._build_towers()
        if histories is not None:
            self._check_histories(type(encoder).__name__ if not isinstance(encoder, str) else encoder)
        if (fusion is not None or compares) and not standardize:
            self._check_raw_features()
        self.user_tower = UserTower(
            users,
            width,
            initializer=embeddings_initializer,
            histories=histories,
            id_dropout=user_id_dropout,
            dtype=policy,
            name="user_tower",
        )
        self.user_tower(tf.zeros([1], tf.int64))
        self._made(feature_specs(source) if self.streams_features else None)

    def _shares_queries(self, inputs: Batch) -> bool:
        """Whether all rows of a user have one embedding, and the objective makes use of that.

        With histories every row is embedded without its own item; sampled neighbourhoods are those of rows.
        """
        embeds_by_user = self.user_tower.histories is None and "neighbourhood" not in inputs
        return self.objective.distinct_queries and embeds_by_user

    def _check_histories(self, encoder: str) -> None:
        if not self.encoder.passes_towers_through:
            raise InvalidInputError(
                f"histories are given and the encoder is {encoder}, which changes users and items behind their towers, "
                "so items would depend on whose history they are in, and no index could hold them. Use the encoder mf."
            )
        if self.streams_features:
            raise InvalidInputError(
                "histories are given and features are streamed, but a step needs those of the items in the histories. "
                "Give the features as a table."
            )

    def _check_raw_features(self) -> None:
        """Refuses features that overflow before anything is learned of them."""
        for name, largest, (features, presence) in extreme_items(
            self.item_features, block_size=items_at_once(self.item_features)
        ):
            representation = self.item_tower(features, presence)
            embedding = self._encode_new_items(representation, features, presence)
            squares = [tf.reduce_sum(tf.square(tf.cast(each, tf.float32))) for each in (representation, embedding)]
            if not np.isfinite(squares).all():
                raise InvalidInputError(
                    f'modality "{name}": features reach {largest:g} and are not standardised, so embeddings and losses '
                    "would be NaN or infinite. Set standardize to true, or divide them by a constant."
                )

    def call(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Scores ``[B]`` of the pairs ``inputs["user"]``, ``inputs["item"]``, int64 ``[B]``."""
        inputs = batch_of(inputs)
        distinct, position = tf.unique(inputs["item"])
        users, items = self.embed(
            inputs["user"], distinct, item_features=inputs.get("item_features"), training=training
        )
        return tf.reduce_sum(users * tf.gather(items, position), axis=-1)

    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """The objective's mean loss over the batch, plus the losses of encoder and auxiliary, plus the L2 penalty."""
        wanted = self.objective.candidates(inputs)
        neighbourhood = inputs.get("neighbourhood")
        if self.objective.needs_all_items and neighbourhood is not None:
            raise InvalidInputError(
                f"{type(self.objective).__name__} needs the embeddings of all items, but sampled neighbourhoods only "
                "have those of the batch. Train on the whole graph, or use another objective."
            )
        given: dict[str, Any] = {"neighbourhood": neighbourhood, "item_features": inputs.get("item_features")}
        given["without"] = inputs["item"]
        if training and self.encoder.exclude_targets:
            # Those of all replicas, as one device would have them.
            given["targets"] = gathered(inputs["user"]), gathered(inputs["item"])
        users, query = inputs["user"], None
        if self._shares_queries(inputs):
            users, query = tf.unique(users)
        if self.objective.distinct_candidates:
            queries, candidates = self._encode_with_histories(users, wanted, **given, training=training)
        else:
            distinct, position = tf.unique(wanted)
            queries, encoded = self._encode_with_histories(users, distinct, **given, training=training)
            candidates = tf.gather(encoded, position)
        of_users, of_candidates = self._finish(queries), self._finish(candidates)
        loss = self.objective(of_users, of_candidates, inputs if query is None else {**inputs, "query": query})
        if query is not None:
            queries, of_users = tf.gather(queries, query), tf.gather(of_users, query)
        seen = {**inputs, "candidate": wanted}
        loss += self.encoder.auxiliary_loss(seen, queries, candidates, training=training)
        if training and self.objective.takes_preferences:
            loss += self._preference_loss(inputs)
        if training and self.auxiliary is not None:
            loss += self._auxiliary_loss(self.auxiliary, inputs, users=of_users, candidates=(wanted, of_candidates))
        if not self.l2:
            return loss
        weights = self.trainable_variables
        return loss + self.l2 * weight_penalty(weights, self.embedding_tables(), inputs["user"], wanted)
