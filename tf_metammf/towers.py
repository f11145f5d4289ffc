"""The tower of items: from ids and features to the vectors that an encoder takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.feature_source import Statistics
from tf_metammf.features.modalities import scope_name
from tf_metammf.features.token_features import ModalityFeatures, item_count, tokens_of, vectors_of
from tf_metammf.fusion.fusions import apply_fusion, form_of
from tf_metammf.fusion.missing_modalities import MissingModalities
from tf_metammf.fusion.modality_adapters import ModalityAdapters
from tf_metammf.fusion.modality_heads import ModalityHeads
from tf_metammf.layers.dropout import new_generator, uniform
from tf_metammf.layers.layer import Layer
from tf_metammf.layers.layer_arguments import positive_integer
from tf_metammf.layers.normalization import Normalization
from tf_metammf.records.token_sequences import TokenSequences

COMBINATIONS = ("concatenate", "add")

COMPILED_ITEMS = 256
"""XLA compiles a fusion once for every multiple of so many items; batches are padded to the next one."""


@keras.saving.register_keras_serializable("tf_metammf")
class ItemTower(Layer):
    """Fuses the features of items and joins the result with an ID embedding.

    ``content = fusion(stand_in(standardise(features)))``; the representation is ``[content ; id]``
    (``combination="concatenate"``, as published) or ``content + id`` (``"add"``). An item whose ID was never trained
    has an ID part of zeros, so it is represented by its content alone; ID dropout prepares the tower for that.

    Args:
        items: Number of items that have an ID embedding.
        fusion: A fusion layer, or None to represent items by their ID alone.
        id_units: Width of the ID embedding; 0 to represent items by their content alone.
        combination: ``"concatenate"`` or ``"add"``.
        id_dropout: Share of items in a training batch that lose their ID part, where there is a fusion.
        modality_dropout: Probability that a modality of an item is hidden in training.
        standardize: Whether features are standardised with the statistics given to :meth:`adapt`.
        adapters: Modalities that are not fused, but added to what is fused by
            :class:`tf_metammf.fusion.modality_adapters.ModalityAdapters`.
        adapter_units: Width of their bottlenecks. Defaults to 16.
        modality_heads: Whether :class:`tf_metammf.fusion.modality_heads.ModalityHeads` stand beside the fusion.
        initializer: Initialiser of the ID embeddings. Defaults to ``"glorot_uniform"``.
        jit_compile: Whether XLA compiles the fusion in training. Defaults to False.
        **options: Name, dtype and other arguments of a Keras layer. Features are standardised in float64 whatever the
            dtype policy, so that their unit makes no difference.

    Raises:
        InvalidInputError: ``combination`` is unknown, ``id_dropout`` is not in [0, 1), or there is neither fusion nor
            ID embedding.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import ItemTower, MetaFusion
        >>> tower = ItemTower(items=10, fusion=MetaFusion(units=(16, 8)), id_units=4, standardize=False)
        >>> videos = {"visual": tf.ones([2, 32]), "acoustic": tf.ones([2, 12])}
        >>> present = {"visual": tf.ones([2], tf.bool), "acoustic": tf.ones([2], tf.bool)}
        >>> tower(videos, present, items=tf.constant([0, 3])).shape
        TensorShape([2, 12])
    """

    def __init__(
        self,
        items: int,
        fusion: keras.layers.Layer | None,
        *,
        id_units: int = 32,
        combination: str = "concatenate",
        id_dropout: float = 0.0,
        modality_dropout: float = 0.0,
        standardize: bool = True,
        adapters: Sequence[str] = (),
        adapter_units: int = 16,
        modality_heads: bool = False,
        initializer: Any = "glorot_uniform",
        jit_compile: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **options})
        if combination not in COMBINATIONS:
            raise unknown_name("combination", combination, COMBINATIONS)
        if not 0 <= id_dropout < 1:
            raise InvalidInputError(f"id_dropout is {id_dropout}, expected a share in [0, 1).")
        if fusion is None and id_units == 0:
            raise InvalidInputError("an item tower needs a fusion, an ID embedding (id_units above 0), or both.")
        self.items = positive_integer("ItemTower", "items", items)
        self.fusion = fusion
        self.form = form_of(fusion)
        self.id_units = id_units
        self.combination = combination
        self.id_dropout = id_dropout
        self.missing_modalities = MissingModalities(
            dropout=modality_dropout, dtype=self.dtype_policy, name="missing_modalities"
        )
        self.standardize = standardize
        self.adapters = tuple(adapters)
        self.adapter_units = adapter_units
        self.modality_adapters: ModalityAdapters | None = None
        self.modality_heads = modality_heads and fusion is not None
        self.heads: ModalityHeads | None = None
        self.jit_compile = jit_compile
        self.generator = new_generator()
        self.standardization: dict[str, Normalization] = {}
        self.id_embedding: Any = (
            keras.layers.Embedding(
                items,
                id_units,
                embeddings_initializer=initializer,
                dtype=self.dtype_policy,
                name="id_embedding",
            )
            if id_units
            else None
        )

    def adapt(self, statistics: Statistics) -> None:
        """Fixes the statistics of the standardisation.

        Args:
            statistics: Mean and variance of every feature, float64 ``[width]``, by modality.
        """
        if not self.standardize or self.fusion is None:
            return
        for name, (mean, variance) in sorted(statistics.items()):
            layer = Normalization(name=f"standardize_{scope_name(name)}")
            # Without the scope, weights of several modalities would share a name, which HDF5 files refuse.
            with tf.name_scope(layer.name):
                layer.build((None, len(mean)))
            layer.set_statistics(mean, variance)
            self.standardization[name] = layer

    def content(
        self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor], *, training: bool = False
    ) -> tf.Tensor:
        """Fused vectors ``[B, units]`` of features ``[B, width]``, or sequences, and presence ``[B]`` by modality."""
        if self.fusion is None:
            raise InvalidInputError("this item tower has no fusion: items are represented by their ID alone.")
        if not (self.jit_compile and training):
            return self._fused(features, presence, training=training)
        items = item_count(features)
        padding = [0, -items % COMPILED_ITEMS]

        def padded(tensor: tf.Tensor) -> tf.Tensor:
            return tf.pad(tensor, [padding, *[[0, 0]] * (tensor.shape.rank - 1)])

        return self._compiled_fused(*tf.nest.map_structure(padded, (dict(features), dict(presence))))[:items]

    def standardized(self, features: Mapping[str, ModalityFeatures]) -> dict[str, ModalityFeatures]:
        """Features as the fusion gets them, by modality, before stand-ins.

        They are float32 ``[B, width]``: of token sequences the means, which are standardised by statistics of means.
        Where the fusion takes tokens, they are :class:`tf_metammf.records.TokenSequences`: every token is standardised,
        and a vector is a sequence of one token.
        """
        taken = vectors_of(features) if self.form == "vectors" else tokens_of(features)
        return {name: self._standardized(name, values) for name, values in taken.items()}

    def _standardized(self, name: str, features: ModalityFeatures) -> ModalityFeatures:
        if isinstance(features, TokenSequences):
            return features._replace(values=self._standardized(name, features.without_padding()))
        if name in self.standardization:
            return self.standardization[name](features)
        return tf.cast(features, tf.float32)

    @tf.function(jit_compile=True)
    def _compiled_fused(self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return self._fused(features, presence, training=True)

    def _fused(
        self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor], *, training: bool
    ) -> tf.Tensor:
        values = self.standardized(features)
        complete, mask = self._complete(values, presence, training=training)
        # A fusion of the user's own may have another dtype policy.
        fused = tf.cast(apply_fusion(self.fusion, complete, mask, training=training), self.compute_dtype)
        if self.modality_heads:
            if self.heads is None:
                self.heads = ModalityHeads(int(fused.shape[-1]), dtype=self.dtype_policy, name="modality_heads")
            fused = self.heads(vectors_of(complete), mask=mask, fused=fused)
        if self.adapters:
            if self.modality_adapters is None:
                named: dict[str, Any] = {"dtype": self.dtype_policy, "name": "modality_adapters"}
                self.modality_adapters = ModalityAdapters(int(fused.shape[-1]), bottleneck=self.adapter_units, **named)
            adapted, present = (self._parted(each)[1] for each in (values, presence))
            fused = self.modality_adapters(vectors_of(adapted), mask=present, fused=fused)
        return fused

    def fusion_inputs(self, features: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor]) -> Any:
        """What the fusion gets outside of training: standardised features with stand-ins, and which are none."""
        return self._complete(self.standardized(features), presence, training=False)

    def _complete(
        self, standardized: Mapping[str, ModalityFeatures], presence: Mapping[str, tf.Tensor], *, training: bool
    ) -> Any:
        values, mask = self._parted(standardized)[0], self._parted(presence)[0]
        return self.missing_modalities(values, mask=mask, training=training)

    def fused_widths(self, widths: Mapping[str, int]) -> dict[str, int]:
        """The widths of the modalities that the fusion gets: of all but those of adapters."""
        return self._parted(widths)[0]

    def _parted(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is there by modality, for the fusion and for adapters."""
        fused = {name: value for name, value in values.items() if name not in self.adapters}
        return fused, {name: values[name] for name in self.adapters}

    def call(
        self,
        features: Mapping[str, ModalityFeatures],
        presence: Mapping[str, tf.Tensor],
        items: tf.Tensor | None = None,
        known: tf.Tensor | None = None,
        every_item: bool = False,
        training: bool = False,
    ) -> tf.Tensor:
        """Representations ``[B, width]``.

        Args:
            features: float ``[B, width]``, or token sequences, by modality.
            presence: bool ``[B]`` by modality.
            items: Dense ids ``[B]``, or None for items that have none.
            known: bool ``[B]``: whether the ID embedding was trained; None means it was.
            every_item: Whether ``items`` are all ids in order, so that none has to be looked up.
            training: Whether dropout is applied.
        """
        if self.id_embedding is None:
            return self.content(features, presence, training=training)
        identity = self._identity(features, items, known, every_item=every_item, training=training)
        if self.fusion is None:
            return identity
        content = self.content(features, presence, training=training)
        if self.combination == "add":
            if content.shape[-1] != self.id_units:
                raise InvalidInputError(
                    f"id_units is {self.id_units}, but the fusion gives {content.shape[-1]} values. To add them, make "
                    "the widths equal, or set combination to concatenate."
                )
            return content + identity
        return tf.concat([content, identity], axis=-1)

    def _identity(
        self, features: Any, items: tf.Tensor | None, known: tf.Tensor | None, *, every_item: bool, training: bool
    ) -> tf.Tensor:
        if items is None:
            return tf.zeros([item_count(features), self.id_units], self.compute_dtype)
        table = self.id_embedding
        identity = tf.cast(tf.convert_to_tensor(table.embeddings), table.compute_dtype) if every_item else table(items)
        kept = tf.ones_like(items, tf.bool) if known is None else known
        if training and self.id_dropout and self.fusion is not None:
            kept = tf.logical_and(kept, uniform(self.generator, tf.shape(items)) >= self.id_dropout)
        return identity * tf.cast(kept, identity.dtype)[:, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, and the widths of the modalities that are standardised."""
        return {
            **super().get_config(),
            "items": self.items,
            "fusion": None if self.fusion is None else keras.layers.serialize(self.fusion),
            "id_units": self.id_units,
            "combination": self.combination,
            "id_dropout": self.id_dropout,
            "modality_dropout": self.missing_modalities.dropout,
            "standardize": self.standardize,
            "adapters": list(self.adapters),
            "adapter_units": self.adapter_units,
            "modality_heads": self.modality_heads,
            "initializer": self._initializer,
            "jit_compile": self.jit_compile,
            "standardized_widths": {
                name: int(layer.adapt_mean.shape[0]) for name, layer in self.standardization.items()
            },
        }

    @property
    def _initializer(self) -> Any:
        if self.id_embedding is None:
            return "glorot_uniform"
        return keras.initializers.serialize(self.id_embedding.embeddings_initializer)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ItemTower":
        """A tower of the same arguments; its statistics are mean 0 and variance 1 until weights are loaded."""
        config = dict(config)
        widths = config.pop("standardized_widths", {})
        if config["fusion"] is not None:
            config["fusion"] = keras.layers.deserialize(config["fusion"])
        tower = cls(**config)
        tower.adapt({name: (np.zeros(width), np.ones(width)) for name, width in widths.items()})
        return tower
