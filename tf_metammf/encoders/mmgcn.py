"""MMGCN: a graph convolution of its own for every modality."""

from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.built_dense import built_dense
from tf_metammf.encoders.content_encoder import ContentEncoder
from tf_metammf.encoders.graph_encoder import GraphEncoder
from tf_metammf.encoders.peer_settings import MMGCNSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.layer_arguments import positive_integer


class MMGCN(ContentEncoder, GraphEncoder):
    """Multi-modal graph convolution network (Wei et al., MMGCN, MM 2019, sections 3.1 to 3.4).

    For every modality ``m``, with ``x^0`` the features of items and learned preferences of users, and ``x_id`` the
    tower outputs, a layer is

    * aggregation: ``h = leaky_relu(mean over neighbours j of W_1 x_j)``;
    * combination, element-wise: ``x' = leaky_relu(W_3 h + leaky_relu(W_2 x) + x_id)``.

    The embedding is the sum over modalities of the last layer.

    Published settings: BPR, 64 wide, mean aggregation, element-wise combination, two layers.
    Deviations: features are first mapped to the width of the tower outputs, so that preferences of users need no
    more; matrices have biases.

    Args:
        graph: The training interactions.
        content: The features of all items.
        layers: Number of layers. Defaults to 2.
        units: Width of ``x_m``. Defaults to 64.
        negative_slope: Slope of LeakyReLU below zero. Defaults to 0.01.
        **options: Edge dropout as in :class:`tf_metammf.encoders.graph_encoder.GraphEncoder`, name, dtype and so on.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = MMGCNSettings
    embeds_new_users = False

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        layers: int = 2,
        units: int = 64,
        negative_slope: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(graph, content=content, layers=layers, **options)
        self.units = positive_integer("MMGCN", "units", units)
        self.negative_slope = negative_slope
        self.preferences = {
            name: self.add_weight(f"preferences_{scope_name(name)}", (graph.users, units), initializer="glorot_uniform")
            for name in content.widths
        }
        self.dense: dict[str, keras.layers.Dense] = {}

    @property
    def embedding_tables(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """Rows of users and rows of items."""
        return list(self.preferences.values()), []

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of all nodes."""
        content = self.item_content.all_items()
        sides = [
            self._propagate(name, users, items, self.preferences[name], values, neighbourhoods)
            for name, values in content.items()
        ]
        return tf.add_n([side[0] for side in sides]), tf.add_n([side[1] for side in sides])

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Embeddings of items without neighbours: aggregation gives zeros."""
        identity = tf.cast(representations, tf.float32)
        totals = []
        for name, values in self.item_content.of(features, presence).items():
            nodes = self._dense(name, "input")(values)
            for layer in range(1, self.layers + 1):
                nodes = self._combined(name, layer, self._aggregated(name, layer, None, nodes), nodes, identity)
            totals.append(nodes)
        return tf.add_n(totals)

    def _propagate(
        self,
        name: str,
        users: tf.Tensor,
        items: tf.Tensor,
        preferences: tf.Tensor,
        features: tf.Tensor,
        neighbourhoods: Neighbourhoods,
    ) -> UsersAndItems:
        identities = tf.cast(users, tf.float32), tf.cast(items, tf.float32)
        nodes: UsersAndItems = tf.convert_to_tensor(preferences), self._dense(name, "input")(features)
        for layer in range(1, self.layers + 1):
            sums = neighbourhoods.sums(layer, *nodes)
            means = [
                tf.math.divide_no_nan(total, degree)
                for total, degree in zip(sums, neighbourhoods.degrees(layer), strict=True)
            ]
            of_users, of_items = (
                self._combined(name, layer, self._aggregated(name, layer, mean, rows), rows, identity)
                for mean, rows, identity in zip(means, nodes, identities, strict=True)
            )
            nodes = of_users, of_items
        return nodes

    def _aggregated(self, name: str, layer: int, mean: tf.Tensor | None, nodes: tf.Tensor) -> tf.Tensor:
        """``leaky_relu(W_1 mean)``, which is the mean of ``W_1 x_j``; zeros without neighbours."""
        if mean is None:
            return tf.zeros_like(self._dense(name, f"self_{layer}")(nodes))
        return tf.nn.leaky_relu(self._dense(name, f"neighbour_{layer}")(mean), self.negative_slope)

    def _combined(
        self, name: str, layer: int, aggregated: tf.Tensor, nodes: tf.Tensor, identity: tf.Tensor
    ) -> tf.Tensor:
        own = tf.nn.leaky_relu(self._dense(name, f"self_{layer}")(nodes), self.negative_slope) + identity
        return tf.nn.leaky_relu(self._dense(name, f"combine_{layer}")(aggregated) + own, self.negative_slope)

    def build(self, input_shape: Any) -> None:
        """Makes the layers for the width of the towers."""
        width = int(input_shape[-1])
        for name, features in self.item_content.widths.items():
            self._add(name, "input", features, self.units, use_bias=True)
            for layer in range(1, self.layers + 1):
                before = self.units if layer == 1 else width
                self._add(name, f"neighbour_{layer}", before, width, use_bias=False)
                self._add(name, f"self_{layer}", before, width, use_bias=True)
                self._add(name, f"combine_{layer}", width, width, use_bias=True)
        super().build(input_shape)

    def _add(self, modality: str, part: str, before: int, after: int, *, use_bias: bool) -> None:
        name = scope_name(modality)
        self.dense[f"{name}/{part}"] = built_dense(f"{name}_{part}", before, after, use_bias=use_bias)

    def _dense(self, modality: str, part: str) -> keras.layers.Dense:
        return self.dense[f"{scope_name(modality)}/{part}"]
