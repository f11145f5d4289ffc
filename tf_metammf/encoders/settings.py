"""Settings of encoders, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from tf_metammf.parts.parts import PartKind, PartSettings, Searched


@dataclass
class EncoderSettings(PartSettings):
    """Settings of an encoder: what happens between the towers and the score.

    Attributes:
        name: The name of the encoder.
    """

    kind: ClassVar[PartKind] = "encoder"
    trained: ClassVar[bool] = True
    """Whether anything is trained; a baseline is counted."""
    graph: ClassVar[bool] = False
    """Whether it propagates over the graph of training interactions, and the layer takes it as ``graph``."""
    can_sample: ClassVar[bool] = False
    """Whether it can be trained on sampled neighbourhoods."""
    varies: ClassVar[bool] = False
    """Whether it is one of those that an ablation of the encoder goes through."""
    compares_features: ClassVar[bool] = False
    """Whether it looks at the features of all items itself, and the layer takes them as ``content``."""
    passes_towers_through: ClassVar[bool] = False
    """Whether embeddings are what the towers give, so that users may attend to items in theirs."""
    takes_users: ClassVar[bool] = False
    """Whether the layer takes the number of users as ``users``."""
    needs_negatives: ClassVar[bool] = False
    """Whether its own loss needs sampled negatives in every batch."""
    needs_objective: ClassVar[bool] = True
    """Whether it has to be trained with an objective; without, it has its own loss."""
    counts_over_batches: ClassVar[bool] = False
    """Whether it keeps numbers over whole batches, which replicas do not share."""

    @property
    def uses_features(self) -> bool:
        """Whether it looks at the features of items itself."""
        return self.compares_features

    @property
    def can_calibrate(self) -> bool:
        """Whether a calibration can change where items without interactions are ranked."""
        return True

    @property
    def own_loss_needs_negatives(self) -> bool:
        """Whether its own loss needs them with these settings."""
        return self.needs_negatives

    @property
    def needs_whole_graph(self) -> bool:
        """Whether it propagates and cannot do with sampled neighbourhoods."""
        return self.graph

    @property
    def links_items(self) -> bool:
        """Whether similar items are linked by edges of their own, beside those of interactions."""
        return False

    @property
    def graph_layers(self) -> int:
        """Layers of propagation over interactions."""
        return 0

    @property
    def leaves_out_targets(self) -> bool:
        """Whether a step leaves the edges of its batch out of the graph."""
        return False

    @property
    def sampled_neighbours(self) -> list[int] | None:
        """Neighbours that a step samples of a node in each layer, or None where that is left to the budget."""
        return None

    @property
    def step_budget_gb(self) -> float:
        """Estimated size in GB of a step on the whole graph, above which it is sampled or refused."""
        return 0.0

    def weight_count(self, width: int) -> int:
        """Number of dense weights, where what is represented is so wide."""
        return 0

    def for_modalities(self, names: Sequence[str]) -> Self:
        """The same settings where only these modalities are there."""
        return self

    def without_features(self) -> Self:
        """The same settings without what looks at features, as far as the encoder can do without."""
        return self

    def fitted(self, other: "EncoderSettings") -> Self:
        """These settings, some of which were taken from those of another encoder, so that they fit each other."""
        return self

    def tensors_propagated(self) -> int:
        """Tensors of all nodes that live at once in a step on the whole graph."""
        return 6


BASE = EncoderSettings


@dataclass
class MatrixFactorizationSettings(EncoderSettings):
    """No encoder: scores are dot products of what the towers give.

    Attributes:
        name: The name of the encoder.
    """

    name: Literal["mf"] = "mf"

    layer = "tf_metammf.encoders.matrix_factorization:MatrixFactorization"
    varies = True
    passes_towers_through = True


@dataclass
class GraphEncoderSettings(EncoderSettings):
    """Settings of an encoder that propagates over the graph of training interactions.

    Attributes:
        layers: Number of layers.
        exclude_targets: Whether a training step leaves the edges of its batch, which it predicts, out of the graph.
        budget_gb: Estimated size in GB of a training step on the whole graph, above which it is refused.
    """

    layers: int = 2
    exclude_targets: bool = False
    budget_gb: float = 4.0

    graph = True
    not_for_layer = frozenset({"budget_gb"})
    searched: ClassVar[Searched] = {"layers": {"choice": [1, 2, 3]}, "exclude_targets": {"choice": [False, True]}}

    @property
    def graph_layers(self) -> int:
        """Layers of propagation over interactions."""
        return self.layers

    @property
    def leaves_out_targets(self) -> bool:
        """As set."""
        return self.exclude_targets

    @property
    def step_budget_gb(self) -> float:
        """As set."""
        return self.budget_gb


@dataclass
class EdgeDropoutEncoderSettings(GraphEncoderSettings):
    """Settings of a graph encoder whose training steps leave out edges at random.

    Attributes:
        edge_dropout: Probability that an edge is left out of a training step on the whole graph.
    """

    edge_dropout: float = 0.0

    searched: ClassVar[Searched] = {**GraphEncoderSettings.searched, "edge_dropout": {"range": [0.0, 0.7]}}


@dataclass
class SampledGraphEncoderSettings(EdgeDropoutEncoderSettings):
    """Settings of a graph encoder that can be trained on sampled neighbourhoods.

    Attributes:
        item_neighbours: Edges from every item to this many others with the most similar features, in each modality; 0
            for none.
        fan_outs: Neighbours that a training step samples of a node, one number for each layer, or null
            for the whole graph where this budget and that of the features allow it.
        budget_gb: Estimated size in GB of a training step on the whole graph, above which neighbourhoods
            are sampled, 10 neighbours in each layer.
    """

    item_neighbours: int = 0
    fan_outs: list[int] | None = None

    not_for_layer = frozenset({"budget_gb", "fan_outs"})
    searched: ClassVar[Searched] = {
        **EdgeDropoutEncoderSettings.searched,
        "item_neighbours": {"choice": [0, 5, 10, 20]},
    }

    can_sample = True
    varies = True

    def without_features(self) -> Self:
        """No edges between similar items."""
        return replace(self, item_neighbours=0)

    @property
    def links_items(self) -> bool:
        """Where there are neighbours."""
        return self.item_neighbours > 0

    @property
    def uses_features(self) -> bool:
        """Where similar items are linked."""
        return self.links_items

    @property
    def needs_whole_graph(self) -> bool:
        """Where similar items are linked: their edges are not sampled."""
        return self.links_items

    @property
    def sampled_neighbours(self) -> list[int] | None:
        """As set."""
        return self.fan_outs


@dataclass
class SAGESettings(SampledGraphEncoderSettings):
    """Settings of GraphSAGE, the encoder of MetaMMF_GCN.

    Attributes:
        dropout: Dropout after each layer, one number for each or one for all.
    """

    name: Literal["sage"] = "sage"
    dropout: list[float] = field(default_factory=lambda: [0.5, 0.2])

    layer = "tf_metammf.encoders.sage:SAGE"

    def fitted(self, other: EncoderSettings) -> Self:
        """One dropout for all layers where there is another number of them."""
        return self if len(self.dropout) == self.layers else replace(self, dropout=self.dropout[:1])

    @property
    def searched_fields(self) -> Searched:
        """All but the number of layers where each has its own dropout: another number needs other dropouts."""
        if len(self.dropout) == 1:
            return self.searched
        return {name: values for name, values in self.searched.items() if name != "layers"}

    def weight_count(self, width: int) -> int:
        """Two kernels a layer."""
        return 2 * self.layers * width**2

    def tensors_propagated(self) -> int:
        """Four for every layer and four more."""
        return 4 * self.layers + 4


@dataclass
class LightGCNSettings(SampledGraphEncoderSettings):
    """Settings of LightGCN."""

    name: Literal["lightgcn"] = "lightgcn"

    layer = "tf_metammf.encoders.lightgcn:LightGCN"
