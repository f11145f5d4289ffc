"""SMORE: modalities filtered and fused in the spectrum, beside what each says for itself."""

from typing import Any, ClassVar

import tensorflow as tf
import tf_keras as keras

from tf_metammf.encoders.built_dense import built_dense
from tf_metammf.encoders.contrastive_peer_settings import SMORESettings
from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.encoders.two_view_encoder import TwoViewEncoder
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.modalities import scope_name
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.item_graph import ItemGraph, largest_of, similar_by_modality
from tf_metammf.graphs.neighbourhoods import Neighbourhoods
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.normalized_sums import sums_of_items
from tf_metammf.layers.layer_arguments import positive_integer

FUSED = "all modalities"
"""What the view of all modalities is called, beside those of each."""


class SMORE(TwoViewEncoder):
    """Spectrum-based modality representation fusion (Ong & Khong, SMORE, WSDM 2025, section 3).

    With ``x`` the tower output of an item, ``f_m`` its features, ``F`` the discrete Fourier transform over the values
    of a vector and ``s`` the logistic function:

    * spectrum: ``z_m = F(W_1m f_m + b_1m)``, filtered ``h_m = F^-1(w_m z_m)`` with complex weights ``w_m``, and fused
      by the product of the spectra, ``h_f = F^-1(w_f prod_m z_m)``;
    * gate, by behaviour: ``p_m = x * s(W_2m h_m + b_2m)``, and the same for ``h_f``;
    * views: for items ``v_m = S_m p_m`` over the graph of the ``k`` most similar items, and ``v_f = S_f p_f`` over the
      graph whose edges have the largest weight of all ``S_m``; for users the sum of those of their items, divided by
      ``sqrt(|N(u)| |N(i)|)``;
    * preference: ``a = softmax over m of q_m . tanh(W_3 v_f + b_3)``, and, with ``b`` of LightGCN,
      ``c = s(W_4f b + b_4f) * v_f + sum_m a_m s(W_4m b + b_4m) * v_m``;
    * ``e = b + c``, scored by dot products, and the contrast of ``c`` with ``b`` of users and of items.

    Published settings: BPR, 64 wide, Adam with 1e-3, batches of 2048. The others of the preset are those of MGCN.
    Deviations: ``k`` is the same for all modalities; the attention over modalities is asked by the fused view, with one
    query for each; cosines, negative ones as 0, are normalised ``D^-1/2 S D^-1/2``; the similarities of the contrast
    are cosines, and its sums leave out other rows of the same user or item.

    Args:
        graph: The training interactions.
        content: The features of all items.
        neighbours: ``k``; an item is one of its own. Defaults to 10.
        item_layers: How often ``S_m`` and ``S_f`` are applied. Defaults to 1.
        **options: Arguments of :class:`tf_metammf.encoders.contrastive_encoder.ContrastiveEncoder`.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = SMORESettings

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
        self.item_layers = positive_integer("SMORE", "item_layers", item_layers)
        k = positive_integer("SMORE", "neighbours", neighbours)
        graphs = similar_by_modality(content, k)
        self.item_graphs = {name: ItemGraph([graph]) for name, graph in graphs.items()}
        self.item_graphs[FUSED] = largest_of(list(graphs.values()))
        self.maps: dict[str, keras.layers.Dense] = {}
        self.gates: dict[str, keras.layers.Dense] = {}
        self.preferences: dict[str, keras.layers.Dense] = {}
        self.filters: dict[str, tf.Variable] = {}

    def build(self, input_shape: Any) -> None:
        """Makes the weights for the width of the towers."""
        width = int(input_shape[-1])
        for name, features in self.item_content.widths.items():
            self.maps[name] = built_dense(f"{scope_name(name)}_map", features, width)
        for name in self.item_graphs:
            scope = "fused" if name == FUSED else scope_name(name)
            self.gates[name] = built_dense(f"{scope}_gate", width, width, activation="sigmoid")
            self.preferences[name] = built_dense(f"{scope}_preference", width, width, activation="sigmoid")
            # Real and imaginary parts; at first every frequency passes as it is.
            self.filters[name] = self.add_weight(
                f"{scope}_filter", (2, width // 2 + 1), initializer=_passing, trainable=True
            )
        self.attention = built_dense("attention", width, width, activation="tanh")
        self.queries = built_dense("queries", width, len(self.maps), use_bias=False)
        super().build(input_shape)

    def second_view(
        self, first: UsersAndItems, towers: UsersAndItems, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """``c`` of all users and items."""
        of_items = {}
        for name, filtered in self._filtered(self.item_content.all_items()).items():
            rows = towers[1] * self.gates[name](filtered)
            for _ in range(self.item_layers):
                rows = self.item_graphs[name].propagate(rows)
            of_items[name] = rows
        of_users = {name: sums_of_items(neighbourhoods, towers[0], rows) for name, rows in of_items.items()}
        return self._preferred(of_users, first[0]), self._preferred(of_items, first[1])

    def _filtered(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """``h_m`` of every modality and ``h_f``, ``[items, width]``."""
        spectra = {name: tf.signal.rfft(self.maps[name](values)) for name, values in features.items()}
        product = tf.ones_like(next(iter(spectra.values())))
        for spectrum in spectra.values():
            product *= spectrum
        spectra[FUSED] = product
        width = self.attention.units
        return {
            name: tf.signal.irfft(tf.complex(*tf.unstack(self.filters[name])) * spectrum, [width])
            for name, spectrum in spectra.items()
        }

    def _preferred(self, views: dict[str, tf.Tensor], behaviour: tf.Tensor) -> tf.Tensor:
        shares = tf.nn.softmax(self.queries(self.attention(views[FUSED])))
        total = self.preferences[FUSED](behaviour) * views[FUSED]
        for place, name in enumerate(self.maps):
            total += shares[:, place, tf.newaxis] * self.preferences[name](behaviour) * views[name]
        return total


def _passing(shape: Any, dtype: Any = tf.float32) -> tf.Tensor:
    """1 for the real parts and 0 for the imaginary ones."""
    return tf.concat([tf.ones([1, shape[1]], dtype), tf.zeros([1, shape[1]], dtype)], axis=0)
