"""LGMRec: local graphs of interactions for each modality, and global hypergraphs of the interests behind them."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.contrastive_encoder import ContrastiveEncoder
from tf_metammf.encoders.contrastive_peer_settings import LGMRecSettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.normalized_sums import normalized_sums
from tf_metammf.layers.dropout import dropout, uniform
from tf_metammf.layers.layer_arguments import positive_integer, share


class LGMRec(ContrastiveEncoder):
    """Local and global graph learning (Guo et al., LGMRec, AAAI 2024).

    With ``f_m`` the features of items, ``R`` the interactions, and ``A`` the same normalised by degrees of both ends:

    * local, by interactions: ``b``, the mean over the layers of LightGCN;
    * local, by modality: items ``W_m f_m``, users the mean of their items, then ``modality_layers`` layers of ``A``
      without any mean, ``l_m``;
    * hyperedges of a modality: ``H_i = f_m V_m^T`` of items and ``H_u = R H_i`` of users, each row made
      ``softmax((log d - log(1 - d) + h) / t)`` with ``d`` uniform in (0, 1) in training, and 1/2 at inference;
    * global: ``g_m^0 = b`` of items, ``g_m^(h+1) = D(H_i) D(H_i)^T g_m^h`` of items and ``D(H_u) D(H_i)^T g_m^h`` of
      users, where ``D`` is dropout;
    * ``e = b + sum_m l_m / |l_m| + global_weight g / |g|`` with ``g = sum_m g_m``, scored by dot products;
    * the contrast of ``g_m`` with ``g_n`` of users and of items, for every two modalities.

    Published settings: BPR, 64 wide, two layers over interactions, 4 hyperedges, one layer over them, Adam with 1e-3,
    batches of 2048, both temperatures 0.2, contrast 1e-4, regularisation 1e-6; ``global_weight`` between 0.2 and 0.6 by
    data set.
    Deviations: the sums of the contrast leave out other rows of the same user or item; with more than two modalities
    all pairs are contrasted, each in one direction. The preset leaves the edges that a step predicts out of its graph:
    the features of a user are the mean of those of the items, in which the model recognises what it is asked for. On
    TikTok, recall@20 / ndcg@20 of the test split are .0830 / .0354 so, and .0560 / .0263 with these edges (one seed).

    Args:
        graph: The training interactions.
        content: The features of all items.
        modality_layers: Layers over interactions for each modality. Defaults to 2.
        hyperedges: Hyperedges of each modality. Defaults to 4.
        hyperedge_layers: Layers over them. Defaults to 1.
        hyperedge_dropout: Of ``D``, in [0, 1). Defaults to 0.5.
        hyperedge_temperature: ``t``. Defaults to 0.2.
        global_weight: Defaults to 0.3.
        **options: Arguments of :class:`tf_metammf.encoders.contrastive_encoder.ContrastiveEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = LGMRecSettings

    def __init__(
        self,
        graph: InteractionGraph,
        content: ItemContent,
        *,
        modality_layers: int = 2,
        hyperedges: int = 4,
        hyperedge_layers: int = 1,
        hyperedge_dropout: float = 0.5,
        hyperedge_temperature: float = 0.2,
        global_weight: float = 0.3,
        **options: Any,
    ) -> None:
        super().__init__(graph, content, **{"contrast_weight": 1e-4, **options})
        self.modality_layers = positive_integer("LGMRec", "modality_layers", modality_layers)
        self.hyperedges = positive_integer("LGMRec", "hyperedges", hyperedges)
        self.hyperedge_layers = positive_integer("LGMRec", "hyperedge_layers", hyperedge_layers)
        self.hyperedge_dropout = share("LGMRec", "hyperedge_dropout", hyperedge_dropout)
        if not hyperedge_temperature > 0:
            raise InvalidInputError(
                f"LGMRec: hyperedge_temperature is {hyperedge_temperature}, expected a number above 0."
            )
        self.hyperedge_temperature = hyperedge_temperature
        self.global_weight = global_weight
        self.projections: dict[str, tf.Variable] = {}
        self.hyperedge_vectors: dict[str, tf.Variable] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the projections of the modalities to the width of the towers, and the hyperedges."""
        width = int(input_shape[-1])
        for name, features in self.item_content.widths.items():
            scope = scope_name(name)
            self.projections[name] = self.add_weight(
                f"projection_{scope}", (features, width), initializer="glorot_uniform"
            )
            self.hyperedge_vectors[name] = self.add_weight(
                f"hyperedges_{scope}", (self.hyperedges, features), initializer="glorot_uniform"
            )
        super().build(input_shape)

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``[e ; g_1 ; g_2 ; ...]`` of all nodes."""
        towers = tf.cast(users, tf.float32), tf.cast(items, tf.float32)
        behaviour = super().propagate(*towers, neighbourhoods, training=training)
        totals = list(behaviour)
        views: list[list[tf.Tensor]] = [[], []]
        for name, values in self.item_content.all_items().items():
            local = self._local(name, values, towers[0], neighbourhoods)
            dependencies = self._dependencies(name, values, towers[0], neighbourhoods, training=training)
            for side, rows in enumerate(self._global(dependencies, behaviour[1], training=training)):
                totals[side] += tf.math.l2_normalize(local[side], axis=1)
                views[side].append(rows)
        of_users, of_items = (
            tf.concat([total + self.global_weight * tf.math.l2_normalize(tf.add_n(rows), axis=1), *rows], axis=1)
            for total, rows in zip(totals, views, strict=True)
        )
        return of_users, of_items

    def _local(self, name: str, values: tf.Tensor, users: tf.Tensor, neighbourhoods: Neighbourhoods) -> UsersAndItems:
        of_items = tf.matmul(values, self.projections[name])
        sums = neighbourhoods.sums(1, tf.zeros_like(users), of_items)[0]
        nodes: UsersAndItems = tf.math.divide_no_nan(sums, neighbourhoods.degrees(1)[0]), of_items
        for layer in range(1, self.modality_layers + 1):
            nodes = normalized_sums(neighbourhoods, layer, *nodes)
        return nodes

    def _dependencies(
        self, name: str, values: tf.Tensor, users: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """How much every user and every item belongs to each hyperedge, ``[., hyperedges]``, 1 in sum."""
        of_items = tf.matmul(values, self.hyperedge_vectors[name], transpose_b=True)
        nothing = tf.zeros([tf.shape(users)[0], self.hyperedges])
        of_users = neighbourhoods.sums(1, nothing, of_items)[0]
        return self._softmax(of_users, training=training), self._softmax(of_items, training=training)

    def _softmax(self, logits: tf.Tensor, *, training: bool) -> tf.Tensor:
        if training:
            drawn = tf.clip_by_value(uniform(self.generator, tf.shape(logits)), 1e-7, 1 - 1e-7)
            logits += tf.math.log(drawn) - tf.math.log1p(-drawn)
        return tf.nn.softmax(logits / self.hyperedge_temperature)

    def _global(self, dependencies: UsersAndItems, rows: tf.Tensor, *, training: bool) -> UsersAndItems:
        of_users = rows[:0]
        for _ in range(self.hyperedge_layers):
            left_users, left_items, right = (
                dropout(self.generator, each, self.hyperedge_dropout) if training else each
                for each in (*dependencies, dependencies[1])
            )
            messages = tf.matmul(right, rows, transpose_a=True)
            of_users, rows = tf.matmul(left_users, messages), tf.matmul(left_items, messages)
        return of_users, rows

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """``[b ; 0 ; ...]`` of items without interactions."""
        first = super().embed_new_items(representations, features, presence)
        return tf.pad(first, [[0, 0], [0, first.shape[-1] * len(self.projections)]])

    def head(self, embeddings: tf.Tensor) -> tf.Tensor:
        """``e``."""
        return tf.split(embeddings, 1 + len(self.projections), axis=1)[0]

    def contrasted(self, embeddings: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """``g_m`` and ``g_n`` of every two modalities."""
        return list(combinations(tf.split(embeddings, 1 + len(self.projections), axis=1)[1:], 2))
