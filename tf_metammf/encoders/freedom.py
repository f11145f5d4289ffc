"""FREEDOM: frozen graphs of similar items, and interactions pruned by degree, on top of LightGCN."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ItemGraphEncoder
from tf_metammf.encoders.peer_settings import FREEDOMSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.errors import InvalidInputError, unknown_name
from tf_metammf.features.batches import Batch, pair_weights
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.item_graph import similar_items
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.dropout import uniform
from tf_metammf.layers.layer_arguments import positive_integer, share
from tf_metammf.layers.replicas import mean_over_batch


class FREEDOM(ItemGraphEncoder):
    """Freezing and denoising graph structures (Zhou & Shen, A Tale of Two Graphs, MM 2023).

    * Items: for every modality an unweighted graph of the ``k`` most similar items by cosine, normalised
      ``D^-1/2 S D^-1/2``, added up with weights of the modalities, and never changed. ``h^0`` the tower outputs,
      ``h^(n+1) = S h^n`` (equations 2 to 6).
    * Interactions: a training step keeps ``1 - pruning`` of the edges, drawn without replacement with probabilities
      proportional to ``1 / sqrt(|N(u)| |N(i)|)``, normalised by the degrees that are left (equation 7).
    * The embedding of a user is LightGCN's, that of an item LightGCN's plus ``h^N`` (equations 8 and 9).
    * ``L = BPR(e_u, e_i, e_j) + content_weight * sum_m BPR(e_u, W_m f_i, W_m f_j)`` (equation 10).

    Published settings: 64 wide, ``k = 10``, two layers over interactions, one over items, weight 0.1 for images and 0.9
    for texts.
    Deviations: edges are drawn in every step and not once an epoch; modalities have the same weight unless told
    otherwise.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Layers of LightGCN. Defaults to 2.
        neighbours: ``k``. Defaults to 10.
        item_layers: N. Defaults to 1.
        modality_weights: Weight of the graph of each modality. Defaults to the same for each, 1 in sum.
        pruning: Share of the edges that a step leaves out, in [0, 1). Defaults to 0.8.
        content_weight: Factor of the loss of the modalities; above 0 it needs negatives in the batch. Defaults to
            0.001.
        **options: Name, dtype and other arguments of a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = FREEDOMSettings

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 2,
        neighbours: int = 10,
        item_layers: int = 1,
        modality_weights: Mapping[str, float] | None = None,
        pruning: float = 0.8,
        content_weight: float = 1e-3,
        **options: Any,
    ) -> None:
        super().__init__(graph, content=content, layers=layers, **options)
        self.item_layers = positive_integer("FREEDOM", "item_layers", item_layers)
        self.pruning = share("FREEDOM", "pruning", pruning)
        self.content_weight = content_weight
        _check_weights(content, modality_weights or {})
        self.item_graph = similar_items(
            content, positive_integer("FREEDOM", "neighbours", neighbours), modality_weights=modality_weights
        )
        self.projections: dict[str, tf.Variable] = {}
        self._edges = tf.constant(graph.edge_user), tf.constant(graph.edge_item)
        self._edge_degrees = self._degree_products(tf.ones([self.adjacency.edges]))

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of all nodes."""
        of_users, of_items = super().propagate(users, items, neighbourhoods, training=training)
        rows = tf.cast(items, tf.float32)
        for _ in range(self.item_layers):
            rows = self.item_graph.propagate(rows)
        return of_users, of_items + rows

    def build(self, input_shape: Any) -> None:
        """Makes the projections of the modalities to the width of the towers."""
        if self.content_weight:
            width = int(input_shape[-1])
            for name, features in self.item_content.widths.items():
                self.projections[name] = self.add_weight(
                    f"projection_{scope_name(name)}", (features, width), initializer="glorot_uniform"
                )
        super().build(input_shape)

    def auxiliary_loss(self, batch: Batch, queries: tf.Tensor, candidates: tf.Tensor, *, training: bool) -> tf.Tensor:
        """``content_weight`` times the BPR losses of the modalities.

        Args:
            batch: With negatives ``[B, n]``, where ``content_weight`` is not 0.
            queries: Embeddings of its users, ``[B, d]``.
            candidates: Those of the candidates of the objective; not used.
            training: Whether it is a training step.
        """
        if not self.content_weight:
            return tf.constant(0.0)
        negatives = batch["negative"]
        of_items = self.item_content.lookup(batch["item"])
        of_negatives = self.item_content.lookup(tf.reshape(negatives, [-1]))
        losses = []
        for name, projection in self.projections.items():
            tastes = tf.matmul(queries, projection, transpose_b=True)
            shape = tf.concat([tf.shape(negatives), [self.item_content.widths[name]]], axis=0)
            margins = tf.reduce_sum(tastes * of_items[name], axis=1)[:, tf.newaxis] - tf.einsum(
                "bf,bnf->bn", tastes, tf.reshape(of_negatives[name], shape)
            )
            losses.append(tf.nn.softplus(-margins))
        weights = pair_weights(batch, each=tf.shape(negatives)[1])
        return self.content_weight * mean_over_batch(tf.reshape(tf.add_n(losses), [-1]), weights)

    def _edge_weights(self, edges: tf.Tensor | None = None) -> tf.Tensor | None:
        """0 for pruned edges; for the others what turns LightGCN's norm into that of the degrees that are left."""
        if not self.pruning:
            return edges
        count = self.adjacency.edges
        kept = max(1, round(count * (1 - self.pruning)))
        # The largest of log p plus Gumbel noise are a sample without replacement.
        noise = -tf.math.log(-tf.math.log(tf.maximum(uniform(self.generator, [count]), 1e-20)))
        keys = noise - 0.5 * tf.math.log(self._edge_degrees)
        is_kept = tf.scatter_nd(
            tf.math.top_k(keys, kept, sorted=False).indices[:, tf.newaxis], tf.ones([kept]), [count]
        )
        is_kept = is_kept if edges is None else is_kept * edges
        before = self._edge_degrees if edges is None else self._degree_products(edges)
        return is_kept * tf.sqrt(tf.math.divide_no_nan(before, self._degree_products(is_kept)))

    def _degree_products(self, edges: tf.Tensor) -> tf.Tensor:
        """``|N(u)| |N(i)|`` of every edge, where ``edges`` are 1 for those that count."""
        of_users, of_items = (
            tf.gather(tf.math.unsorted_segment_sum(edges, ids, nodes), ids)
            for ids, nodes in zip(self._edges, (self.users, self.items), strict=True)
        )
        return of_users * of_items


def _check_weights(content: ItemContent, weights: Mapping[str, float]) -> None:
    for name, weight in weights.items():
        if name not in content.widths:
            raise unknown_name("modality of the weights", name, content.widths)
        if weight < 0:
            raise InvalidInputError(f'FREEDOM: the weight of modality "{name}" is {weight}, expected 0 or more.')
