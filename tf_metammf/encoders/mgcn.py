"""MGCN: features purified by behaviour, propagated between similar items, and fused by it."""

from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.built_dense import built_dense
from tf_metammf.encoders.contrastive_peer_settings import MGCNSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.encoders.two_view_encoder import TwoViewEncoder
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.item_graph import ItemGraph, similar_by_modality
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.normalized_sums import sums_of_items
from tf_metammf.layers.layer_arguments import positive_integer


class MGCN(TwoViewEncoder):
    """Multi-view graph convolutional network (Yu et al., Multi-View Graph Convolutional Network for Multimedia
    Recommendation, MM 2023, section 3).

    With ``x`` the tower output of an item, ``f_m`` its features and ``s`` the logistic function:

    * purifier, by behaviour: ``p_m = x * s(W_2m (W_1m f_m + b_1m) + b_2m)``;
    * view of behaviour: ``b`` of LightGCN, the mean over its layers;
    * view of each modality: for items ``v_m = S_m p_m`` over the graph of the ``k`` most similar items, whose cosines,
      negative ones as 0, are normalised, ``D^-1/2 S D^-1/2``; for users the sum of ``v_m`` over their items, divided by
      ``sqrt(|N(u)| |N(i)|)``;
    * fuser: ``a = softmax over m of q . tanh(W_4 v_m + b_4)``, what the modalities share ``v = sum_m a_m v_m``, and
      ``c = v + mean over m of (v_m - v) * s(W_3m b + b_3m)``;
    * ``e = b + c``, scored by dot products, and the contrast of ``c`` with ``b`` of users and of items.

    Published settings: BPR, 64 wide, ``k = 10``, two layers over interactions, one over items, Adam with 1e-3, batches
    of 2048, contrast 0.01 with temperature 0.2, regularisation 1e-4.
    Deviations: the similarities of the contrast are cosines; its sums leave out other rows of the same user or item.

    Args:
        graph: The training interactions.
        content: The features of all items.
        neighbours: ``k``; an item is one of its own. Defaults to 10.
        item_layers: How often ``S_m`` is applied. Defaults to 1.
        **options: Arguments of :class:`tf_metammf.encoders.two_view_encoder.TwoViewEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = MGCNSettings

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        neighbours: int = 10,
        item_layers: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(graph, content, **options)
        self.item_layers = positive_integer("MGCN", "item_layers", item_layers)
        k = positive_integer("MGCN", "neighbours", neighbours)
        self.item_graphs = {name: ItemGraph([graph]) for name, graph in similar_by_modality(content, k).items()}
        self.maps: dict[str, keras.layers.Dense] = {}
        self.gates: dict[str, keras.layers.Dense] = {}
        self.preferences: dict[str, keras.layers.Dense] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the weights for the width of the towers."""
        width = int(input_shape[-1])
        for name, features in self.item_content.widths.items():
            scope = scope_name(name)
            self.maps[name] = built_dense(f"{scope}_map", features, width)
            self.gates[name] = built_dense(f"{scope}_gate", width, width, activation="sigmoid")
            self.preferences[name] = built_dense(f"{scope}_preference", width, width, activation="sigmoid")
        self.attention = built_dense("attention", width, width, activation="tanh")
        self.query = built_dense("query", width, 1, use_bias=False)
        super().build(input_shape)

    def second_view(
        self, first: UsersAndItems, towers: UsersAndItems, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``c`` of all users and items."""
        of_items = {}
        for name, values in self.item_content.all_items().items():
            rows = towers[1] * self.gates[name](self.maps[name](values))
            for _ in range(self.item_layers):
                rows = self.item_graphs[name].propagate(rows)
            of_items[name] = rows
        of_users = {name: sums_of_items(neighbourhoods, towers[0], rows) for name, rows in of_items.items()}
        return self._fused(of_users, first[0]), self._fused(of_items, first[1])

    def _fused(self, views: dict[str, tf.Tensor], behaviour: tf.Tensor) -> tf.Tensor:
        stacked = tf.stack(list(views.values()))
        shares = tf.nn.softmax(self.query(self.attention(stacked)), axis=0)
        shared = tf.reduce_sum(shares * stacked, axis=0)
        preferences = tf.stack([self.preferences[name](behaviour) for name in views])
        return shared + tf.reduce_mean((stacked - shared) * preferences, axis=0)
