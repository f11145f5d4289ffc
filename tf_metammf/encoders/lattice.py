"""LATTICE: graphs of similar items, partly learned, on top of LightGCN."""

from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.content_encoder import ItemGraphEncoder
from tf_metammf.encoders.peer_settings import LATTICESettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.item_graph import ItemGraph, nearest_neighbours, normalized, similar_by_modality
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.layer_arguments import positive_integer, share


class LATTICE(ItemGraphEncoder):
    """Latent structure mining (Zhang et al., Mining Latent Structures for Multimedia Recommendation, MM 2021).

    * For every modality ``m`` a graph of the ``k`` most similar items by cosine, of the features, ``S_m``, and of their
      linear map ``W_m f + b_m``, ``A_m``, which is learned; negative similarities count as 0, and both are
      normalised, ``D^-1/2 S D^-1/2`` (equations 3 to 7).
    * ``A = sum_m softmax(a)_m (l S_m + (1 - l) A_m)`` with ``l = initial_weight`` (equations 8 and 9).
    * ``h^0`` the tower outputs, ``h^(n+1) = A h^n`` (equation 10); the embedding of an item is that of LightGCN plus
      ``h^N / |h^N|`` (equation 12), that of a user LightGCN's.

    Published settings: BPR, 64 wide, ``k = 10``, one layer over items.
    Deviations: which items are neighbours in ``A_m`` changes every ``refresh_steps`` steps and not in each; how
    similar they are is computed, with its gradient, in every step.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Layers of LightGCN. Defaults to 2.
        neighbours: ``k``. Defaults to 10.
        item_layers: N. Defaults to 1.
        initial_weight: ``l``, in [0, 1). Defaults to 0.7.
        units: Width of ``W_m f + b_m``. Defaults to 64.
        refresh_steps: Steps between two searches for neighbours. Defaults to 100.
        **options: Edge dropout as in :class:`tf_metammf.encoders.graph_encoder.GraphEncoder`, name, dtype and so on.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = LATTICESettings

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 2,
        neighbours: int = 10,
        item_layers: int = 1,
        initial_weight: float = 0.7,
        units: int = 64,
        refresh_steps: int = 100,
        **options: Any,
    ) -> None:
        super().__init__(graph, content=content, layers=layers, **options)
        self.neighbours = min(positive_integer("LATTICE", "neighbours", neighbours), content.items)
        self.item_layers = positive_integer("LATTICE", "item_layers", item_layers)
        self.initial_weight = share("LATTICE", "initial_weight", initial_weight)
        self.refresh_steps = positive_integer("LATTICE", "refresh_steps", refresh_steps)
        self.initial_graphs: dict[str, ItemGraph] = {}
        self.projections: dict[str, tf.Variable] = {}
        self.biases: dict[str, tf.Variable] = {}
        self.found: dict[str, tf.Variable] = {}
        for name, (ids, weights) in similar_by_modality(content, self.neighbours).items():
            self.initial_graphs[name] = ItemGraph([(ids, weights)])
            self.projections[name] = self.add_weight(
                f"projection_{scope_name(name)}", (content.widths[name], units), initializer="glorot_uniform"
            )
            self.biases[name] = self.add_weight(f"bias_{scope_name(name)}", (units,), initializer="zeros")
            self.found[name] = self._state(f"neighbours_{scope_name(name)}", ids.shape)
        self.modality_weights = self.add_weight("modality_weights", (len(content.widths),), initializer="zeros")
        self.steps = self._state("steps", ())

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of all nodes."""
        of_users, of_items = super().propagate(users, items, neighbourhoods, training=training)
        graphs = self._learned_graphs(training=training)
        shares = tf.nn.softmax(self.modality_weights)
        rows = tf.cast(items, tf.float32)
        for _ in range(self.item_layers):
            rows = tf.add_n(
                [
                    shares[place]
                    * (
                        self.initial_weight * self.initial_graphs[name].propagate(rows)
                        + (1 - self.initial_weight) * _propagate(*graphs[name], rows)
                    )
                    for place, name in enumerate(graphs)
                ]
            )
        return of_users, of_items + tf.math.l2_normalize(rows, axis=1)

    def _learned_graphs(self, *, training: bool) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        """Neighbours ``[items, k]`` and normalised similarities, by modality."""
        mapped = {
            name: tf.matmul(values, self.projections[name]) + self.biases[name]
            for name, values in self.item_content.all_items().items()
        }
        if training:
            due = tf.equal(self.steps % self.refresh_steps, 0)
            self.steps.assign_add(1)
        graphs = {}
        for name, vectors in mapped.items():
            if training:
                found = self.found[name]
                ids = tf.cond(
                    due,
                    lambda vectors=vectors: nearest_neighbours(vectors, self.neighbours)[0],
                    lambda found=found: tf.identity(found),
                )
                found.assign(ids)
            else:
                ids = nearest_neighbours(vectors, self.neighbours)[0]
            unit = tf.math.l2_normalize(vectors, axis=1)
            similarity = tf.nn.relu(tf.einsum("id,ikd->ik", unit, tf.gather(unit, ids)))
            graphs[name] = ids, normalized(ids, similarity)
        return graphs

    def _state(self, name: str, shape: Any) -> tf.Variable:
        return self.add_weight(
            name,
            shape,
            dtype=tf.int32,
            initializer="zeros",
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )


def _propagate(neighbours: tf.Tensor, weights: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.einsum("ik,ikd->id", weights, tf.gather(rows, neighbours))
