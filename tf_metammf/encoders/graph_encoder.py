"""What the graph encoders share: which nodes are represented, and from where their neighbours come."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf

from tf_metammf.encoders.encoder import Encoder, Represent
from tf_metammf.encoders.settings import EncoderSettings, GraphEncoderSettings
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.item_content import ItemContent
from tf_metammf.graphs.interaction_graph import Adjacency, InteractionGraph
from tf_metammf.graphs.item_graph import ItemGraph, similar_items
from tf_metammf.graphs.neighbourhoods import (
    GraphToBatch,
    Neighbourhoods,
    NoNeighbours,
    SampledNeighbourhoods,
    WholeGraph,
)
from tf_metammf.graphs.nodes import UsersAndItems
from tf_metammf.graphs.target_edges import TargetEdges
from tf_metammf.layers.dropout import dropout, new_generator
from tf_metammf.layers.layer_arguments import positive_integer, share


class GraphEncoder(Encoder):
    """Propagates tower outputs over the graph of training interactions.

    In training, the whole graph is propagated in every step, or, where the batch carries sampled
    neighbourhoods, what the batch needs of it. At inference it is always the whole graph.

    Args:
        graph: The training interactions.
        layers: Number of layers, at least 1.
        content: The features of all items, for edges between them; :class:`tf_metammf.MetaMMF` gives them.
        item_neighbours: Edges from every item to this many others, the most similar in every modality; see
            :func:`similar_items`. The embedding of an item is then the propagated one plus the mean over these edges
            of the tower outputs there, ``S x_0``, as in FREEDOM (Zhou & Shen, MM 2023, equation 9). Items that are not
            in the catalogue have none. Not with sampled neighbourhoods. Defaults to 0: none.
        edge_dropout: Probability that an edge is left out of a training step, of both directions alike; the
            others are scaled by ``1 / (1 - edge_dropout)``. Not with sampled neighbourhoods, which
            leave out edges of their own. Defaults to 0.
        exclude_targets: Whether a training step leaves the edges between the users and the items of its batch out of
            the graph, degrees included: those that it predicts, and would else be shown. Usual for link prediction
            (DGL calls it ``exclude_seed_edges``), not in the papers of these encoders. Defaults to False.

    Raises:
        InvalidInputError: An argument is not acceptable.
    """

    Settings: ClassVar[type[EncoderSettings]] = GraphEncoderSettings
    embeds_new_users = True
    needs_all_features = True

    def __init__(
        self,
        graph: InteractionGraph,
        *,
        layers: int,
        content: ItemContent | None = None,
        item_neighbours: int = 0,
        edge_dropout: float = 0.0,
        exclude_targets: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        name = type(self).__name__
        if layers < 1:
            raise InvalidInputError(f"{name}: layers is {layers}, expected at least 1.")
        self.layers = layers
        self.edge_dropout = share(name, "edge_dropout", edge_dropout)
        self.exclude_targets = exclude_targets
        self.users = graph.users
        self.items = graph.items
        self.adjacency = Adjacency(graph)
        self.similar_items: ItemGraph | None = None
        if item_neighbours:
            if content is None:
                raise InvalidInputError(f"{name}: item_neighbours is {item_neighbours}, and there are no features.")
            self.similar_items = similar_items(content, positive_integer(name, "item_neighbours", item_neighbours))
        self.generator = new_generator()

    @abstractmethod
    def propagate(
        self, users: tf.Tensor, items: tf.Tensor, neighbourhoods: Neighbourhoods, *, training: bool
    ) -> UsersAndItems:
        """Embeddings of the nodes of the last layer.

        Args:
            users: Tower outputs of the users of layer 0, ``[n, width]``.
            items: Tower outputs of the items of layer 0, ``[m, width]``.
            neighbourhoods: The graph.
            training: Whether dropout is applied.
        """

    def embed(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        *,
        represent_users: Represent,
        represent_items: Represent,
        neighbourhood: Mapping[str, Any] | None = None,
        targets: UsersAndItems | None = None,
        training: bool,
    ) -> UsersAndItems:
        """Embeddings ``[U, d]`` of dense user ids ``[U]`` and ``[I, d]`` of dense item ids ``[I]``.

        With ``neighbourhood``, the ids have to be those that it was sampled for. ``targets`` are users and items
        ``[B]`` of the pairs whose edges are left out in training.
        """
        left_out = TargetEdges(*targets, item_count=self.items) if training and targets is not None else None
        if neighbourhood is not None:
            around = SampledNeighbourhoods(neighbourhood, self.adjacency.degrees, targets=left_out)
            represented = represent_users(neighbourhood["user"]), represent_items(neighbourhood["item"])
            of_users, of_items = self.propagate(*represented, around, training=training)
            return tf.gather(of_users, neighbourhood["user_position"]), of_items
        represented = represent_users(None), represent_items(None)
        edges = self._training_edges(left_out) if training else {}
        if not self.ends_with_batch:
            graph = WholeGraph(self.adjacency, **edges)
            of_users, of_items = self._propagate_all(*represented, graph, training=training)
            return tf.gather(of_users, users), tf.gather(of_items, items)
        users, items = tf.cast(users, tf.int64), tf.cast(items, tf.int64)
        batch = _ascending(users), _ascending(items)
        graph = GraphToBatch(self.adjacency, batch=batch, layers=self.layers, **edges)
        of_users, of_items = self._propagate_all(*represented, graph, training=training, only=batch[1])
        return (
            tf.gather(of_users, tf.searchsorted(batch[0], users)),
            tf.gather(of_items, tf.searchsorted(batch[1], items)),
        )

    @property
    def ends_with_batch(self) -> bool:
        """Whether :meth:`propagate` can do with the nodes of a batch in the last layer."""
        return False

    def _propagate_all(
        self,
        users: tf.Tensor,
        items: tf.Tensor,
        graph: WholeGraph,
        *,
        only: tf.Tensor | None = None,
        training: bool,
    ) -> UsersAndItems:
        of_users, of_items = self.propagate(users, items, graph, training=training)
        if self.similar_items is None:
            return of_users, of_items
        return of_users, tf.cast(of_items, tf.float32) + self.similar_items.propagate(items, only)

    def _training_edges(self, targets: TargetEdges | None) -> dict[str, Any]:
        """Weights of the edges and degrees of a training step."""
        if targets is None:
            return {"edge_weights": self._edge_weights()}
        edges, degrees = self.adjacency.without(targets)
        return {"edge_weights": self._edge_weights(edges), "degrees": degrees}

    def _edge_weights(self, edges: tf.Tensor | None = None) -> tf.Tensor | None:
        """0 for every edge that is left out and ``1 / (1 - edge_dropout)`` for the others, float32 ``[edges]``.

        ``edges`` are 0 for those that the graph lacks in this step and 1 for the others.
        """
        if not self.edge_dropout:
            return edges
        return dropout(self.generator, tf.ones([self.adjacency.edges]) if edges is None else edges, self.edge_dropout)

    def embed_all(self, users: tf.Tensor, items: tf.Tensor) -> UsersAndItems:
        """Embeddings of all users and items from their tower outputs, propagated layer by layer."""
        return self._propagate_all(users, items, WholeGraph(self.adjacency), training=False)

    def embed_new_items(
        self, representations: tf.Tensor, features: Mapping[str, tf.Tensor], presence: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Embeddings ``[n, d]`` of items without edges from their tower outputs ``[n, width]``."""
        nobody = tf.zeros([0, representations.shape[-1]], representations.dtype)
        return self.propagate(nobody, representations, NoNeighbours(), training=False)[1]


def _ascending(ids: tf.Tensor) -> tf.Tensor:
    """Each of the ids once, int64."""
    return tf.sort(tf.unique(ids).y)
