"""LightGCN: propagation without weights."""

from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.graph_encoder import GraphEncoder
from tf_metammf.encoders.settings import EncoderSettings, LightGCNSettings
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.graphs.neighbourhoods import Neighbourhoods, WholeGraph
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.normalized_sums import normalized_sums


class LightGCN(GraphEncoder):
    """Light graph convolution (He et al., SIGIR 2020) of the tower outputs.

    ``x_l[u] = sum over i in N(u) of x_(l-1)[i] / sqrt(|N(u)| |N(i)|)``, and the same for items; the embedding is
    the mean of ``x_0 ... x_L`` (section 3.1). A node without neighbours keeps ``x_0 / (L + 1)``: its
    direction is that of its tower output.

    Args:
        graph: The training interactions.
        layers: L. Defaults to 2.
        edge_dropout: As in :class:`GraphEncoder`. Defaults to 0, as published.
        **options: ``exclude_targets``, ``item_neighbours`` and ``content`` of :class:`GraphEncoder`, and arguments of
            a Keras layer.

    Raises:
        InvalidInputError: An argument is not acceptable.

    Examples:
        >>> import tensorflow as tf
        >>> from tf_metammf import InteractionGraph, LightGCN
        >>> graph = InteractionGraph([0, 1], [0, 2], users=2, items=3)
        >>> users, items = LightGCN(graph, layers=1).embed_all(tf.ones([2, 4]), 3 * tf.ones([3, 4]))
        >>> users[:, 0].numpy()  # (1 + 3) / 2
        array([2., 2.], dtype=float32)
    """

    Settings: ClassVar[type[EncoderSettings]] = LightGCNSettings

    def __init__(self, graph: InteractionGraph, *, layers: int = 2, edge_dropout: float = 0.0, **options: Any) -> None:
        super().__init__(graph, layers=layers, edge_dropout=edge_dropout, **options)

    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of the nodes of the last layer, as :meth:`GraphEncoder.propagate`."""
        states: list[UsersAndItems] = [(tf.cast(users, tf.float32), tf.cast(items, tf.float32))]
        for layer in range(1, self.layers + 1):
            states.append(normalized_sums(neighbourhoods, layer, *states[-1]))
        totals = states[-1]
        for state in states[:-1]:
            users, items = neighbourhoods.nodes(self.layers, *state)
            # One after the other: AddN adds in the order in which its inputs happen to be there.
            totals = totals[0] + users, totals[1] + items
        return totals[0] / (self.layers + 1), totals[1] / (self.layers + 1)

    @property
    def ends_with_batch(self) -> bool:
        """Whether :meth:`propagate` is that of LightGCN, which needs no node in the last layer but those of the batch.

        What extends it may look at all nodes.
        """
        return type(self).propagate is LightGCN.propagate

    def messages(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """``sum over l < L of x_l[i] / sqrt(max(1, |N(i)|))``, ``[items, width]``."""
        users, items = tf.cast(users, tf.float32), tf.cast(items, tf.float32)
        graph = WholeGraph(self.adjacency)
        total = tf.zeros_like(items)
        for layer in range(1, self.layers + 1):
            total += items
            users, items = normalized_sums(graph, layer, users, items)
        return total / tf.sqrt(tf.maximum(graph.degrees(0)[1], 1.0))

    def embed_new_users(self, representations: tf.Tensor, messages: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """``(x_0 + sum over their items of messages / sqrt(|N(u)|)) / (L + 1)``, the layers of the propagation."""
        return (tf.cast(representations, tf.float32) + messages * tf.sqrt(counts)) / (self.layers + 1)
