"""BM3: representations bootstrapped from themselves, without negatives."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ContentEncoder
from tf_metammf.encoders.lightgcn import LightGCN
from tf_metammf.encoders.peer_settings import BM3Settings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.features.batches import Batch, pair_weights
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.dropout import dropout
from tf_metammf.layers.layer_arguments import share
from tf_metammf.layers.replicas import mean_over_batch


class BM3(ContentEncoder, LightGCN):
    """Bootstrapped multi-modal model (Zhou et al., Bootstrap Latent Representations for Multi-modal Recommendation,
    WWW 2023, section 3).

    With ``h_u`` and ``h_i`` of LightGCN, the latter plus the tower output of the item, ``h_m = W_m f_m + b_m``,
    the predictor ``p(h) = W_p h + b_p``, targets ``t(h) = stop_gradient(dropout(h))`` and ``C(a, b) = 1 - cos(a, b)``:

    * reconstruction of the interactions, ``C(p(h_u), t(h_i)) + C(t(h_u), p(h_i))``;
    * for every modality of the item its alignment with the item, ``C(p(h_m), t(h_i))``;
    * and with itself behind the mask of dropout, ``C(p(h_m), t(h_m))``.

    Scores are ``p(h_u) . p(h_i)``. Negatives are not needed: train with the objective ``none``, which adds nothing.

    Published settings: 64 wide, one or two layers, dropout 0.3 or 0.5, regularisation 0.1 or 0.01.
    Deviations: a loss of 1 less the cosine stands for its negative; the terms of the modalities have one factor;
    they are left out for items that lack the modality.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Layers of LightGCN. Defaults to 1.
        target_dropout: Of the targets, in [0, 1). Defaults to 0.3.
        content_weight: Factor of the terms of the modalities. Defaults to 1.
        **options: Edge dropout as in :class:`tf_metammf.encoders.graph_encoder.GraphEncoder`, name, dtype and so on.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = BM3Settings
    embeds_new_items = False

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 1,
        target_dropout: float = 0.3,
        content_weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(graph, content=content, layers=layers, **options)
        self.target_dropout = share("BM3", "target_dropout", target_dropout)
        self.content_weight = content_weight
        self.projections: dict[str, tuple[tf.Variable, tf.Variable]] = {}
        self.predictor: tuple[tf.Variable, tf.Variable] | None = None

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``h_u`` and ``h_i`` of all nodes."""
        of_users, of_items = super().propagate(users, items, neighbourhoods, training=training)
        return of_users, of_items + tf.cast(items, tf.float32)

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Twice what LightGCN gives an item without neighbours."""
        return super().embed_new_items(representations, features, presence)

    def build(self, input_shape: Any) -> None:
        """Makes the predictor and the projections of the modalities to the width of the towers."""
        width = int(input_shape[-1])
        self.predictor = self._linear("predictor", width, width)
        for name, of_modality in self.item_content.widths.items():
            self.projections[name] = self._linear(f"projection_{scope_name(name)}", of_modality, width)
        super().build(input_shape)

    def head(self, embeddings: tf.Tensor) -> tf.Tensor:
        """``p(h)``."""
        assert self.predictor is not None
        return tf.matmul(embeddings, self.predictor[0]) + self.predictor[1]

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """The whole loss.

        Args:
            batch: Users and items.
            queries: ``h_u`` of its users, ``[B, d]``.
            candidates: ``h_i`` of its items, ``[B, d]``.
            training: Whether it is a training step.
        """
        user_targets, item_targets = self._target(queries), self._target(candidates)
        losses = _distance(self.head(queries), item_targets) + _distance(user_targets, self.head(candidates))
        features, presence = self.item_content.table.lookup(batch["item"])
        for name, values in self.item_content.of(features, presence).items():
            kernel, bias = self.projections[name]
            latent = tf.matmul(values, kernel) + bias
            predicted = self.head(latent)
            terms = _distance(predicted, item_targets) + _distance(predicted, self._target(latent))
            losses += self.content_weight * tf.cast(presence[name], tf.float32) * terms
        return mean_over_batch(losses, pair_weights(batch))

    def _target(self, latent: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(dropout(self.generator, latent, self.target_dropout))

    def _linear(self, name: str, before: int, after: int) -> tuple[tf.Variable, tf.Variable]:
        kernel = self.add_weight(f"{name}/kernel", (before, after), initializer="glorot_uniform")
        return kernel, self.add_weight(f"{name}/bias", (after,), initializer="zeros")


def _distance(predicted: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """``1 - cos``, ``[B]``."""
    return 1 - tf.reduce_sum(tf.math.l2_normalize(predicted, axis=1) * tf.math.l2_normalize(target, axis=1), axis=1)
