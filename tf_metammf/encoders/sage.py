"""GraphSAGE over users and items: the encoder of MetaMMF_GCN."""

from collections.abc import Sequence
from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.graph_encoder import GraphEncoder
from tf_metammf.encoders.settings import EncoderSettings, SAGESettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods, WholeGraph
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.layers.dropout import dropout as dropped
from tf_metammf.layers.layer_arguments import share

PUBLISHED_DROPOUT = (0.5, 0.2)


class SAGE(GraphEncoder):
    """GraphSAGE with mean aggregation (Hamilton et al., NeurIPS 2017), as MetaMMF_GCN uses it.

    ``x_l = dropout_l(a_l(W_l mean(x_(l-1) of the neighbours) + b_l + V_l x_(l-1)))`` with LeakyReLU for ``a_l``, and
    the identity in the last layer; users and items share the weights (Liu et al., arXiv 2501.07110,
    section 3.4). A node without neighbours has the mean 0, so it is represented by its own term.

    Args:
        graph: The training interactions.
        layers: Number of layers. Defaults to 2, as published.
        dropout: Dropout after each layer, one number for each; a single one holds for all. Defaults to
            (0.5, 0.2), as published.
        edge_dropout: As in :class:`GraphEncoder`.
        negative_slope: Slope of LeakyReLU below zero. Defaults to 0.01.
        **options: ``exclude_targets``, ``item_neighbours`` and ``content`` of :class:`GraphEncoder`, and arguments of
            a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import SAGE, InteractionGraph
        >>> graph = InteractionGraph([0, 1], [0, 2], users=2, items=3)
        >>> users, items = SAGE(graph).embed_all(tf.ones([2, 4]), tf.ones([3, 4]))
        >>> users.shape, items.shape
        (TensorShape([2, 4]), TensorShape([3, 4]))
    """

    Settings: ClassVar[type[EncoderSettings]] = SAGESettings

    def __init__(
        self,
        graph: InteractionGraph,
        *,
        layers: int = 2,
        dropout: Sequence[float] = PUBLISHED_DROPOUT,
        edge_dropout: float = 0.0,
        negative_slope: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(graph, layers=layers, edge_dropout=edge_dropout, **options)
        shares = [share("SAGE", "dropout", value) for value in dropout]
        if len(shares) not in (1, layers):
            raise InvalidInputError(
                f"SAGE: dropout has {len(shares)} values for {layers} layers; expected one for each, or one for all."
            )
        self.negative_slope = share("SAGE", "negative_slope", negative_slope)
        self.dropout = shares * (layers if len(shares) == 1 else 1)
        self.neighbour_layers: list[keras.layers.Layer] = []
        self.self_layers: list[keras.layers.Layer] = []

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of the nodes of the last layer, as :meth:`GraphEncoder.propagate`."""
        self._build_layers(int(users.shape[-1]))
        for layer in range(1, self.layers + 1):
            users, items = self._next(layer, users, items, neighbourhoods, training=training)
        return users, items

    def messages(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """``x_0 ... x_(L-1)`` of the items side by side, ``[items, L width]``."""
        self._build_layers(int(users.shape[-1]))
        graph = WholeGraph(self.adjacency)
        states = []
        for layer in range(1, self.layers + 1):
            states.append(tf.cast(items, tf.float32))
            users, items = self._next(layer, users, items, graph, training=False)
        return tf.concat(states, axis=-1)

    def embed_new_users(self, representations: tf.Tensor, messages: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """The layers themselves, with ``representations`` for ``x_0`` and no dropout."""
        nodes = representations
        for layer, mean in enumerate(tf.split(messages, self.layers, axis=-1), start=1):
            nodes = self._layer(layer, mean, nodes, training=False)
        return nodes

    def _next(
        self, layer: int, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        sums = neighbourhoods.sums(layer, users, items)
        means = [
            tf.math.divide_no_nan(total, tf.cast(degree, total.dtype))
            for total, degree in zip(sums, neighbourhoods.degrees(layer), strict=True)
        ]
        of_users, of_items = (
            self._layer(layer, mean, nodes, training=training)
            for mean, nodes in zip(means, neighbourhoods.nodes(layer, users, items), strict=True)
        )
        return of_users, of_items

    def _layer(self, layer: int, mean: tf.Tensor, nodes: tf.Tensor, *, training: bool) -> tf.Tensor:
        outputs = self.neighbour_layers[layer - 1](mean) + self.self_layers[layer - 1](nodes)
        if layer < self.layers:
            outputs = tf.nn.leaky_relu(outputs, self.negative_slope)
        return dropped(self.generator, outputs, self.dropout[layer - 1]) if training else outputs

    def _build_layers(self, width: int) -> None:
        if self.neighbour_layers:
            return
        for layer in range(1, self.layers + 1):
            self.neighbour_layers.append(keras.layers.Dense(width, name=f"neighbour_{layer}", dtype=self.dtype_policy))
            self.self_layers.append(
                keras.layers.Dense(width, use_bias=False, name=f"self_{layer}", dtype=self.dtype_policy)
            )
            for dense in (self.neighbour_layers[-1], self.self_layers[-1]):
                with tf.name_scope(dense.name):
                    dense.build((None, width))
