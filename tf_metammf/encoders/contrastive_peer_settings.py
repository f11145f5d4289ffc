"""Settings of the peers that contrast views of the same users and items, readable without TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from tf_metammf.encoders.settings import GraphEncoderSettings
from tf_metammf.parts.parts import Searched


@dataclass
class ContrastiveSettings(GraphEncoderSettings):
    """Settings of an encoder that contrasts views of users and items.

    Attributes:
        contrast_weight: Factor of the contrast of views.
        contrast_temperature: Divides the cosines of the contrast of views.
    """

    contrast_weight: float = 0.01
    contrast_temperature: float = 0.2

    compares_features = True
    lower_bounds: ClassVar[Mapping[str, float]] = {"contrast_weight": 0.0}
    above_zero = frozenset({"contrast_temperature"})
    searched: ClassVar[Searched] = {
        **GraphEncoderSettings.searched,
        "contrast_weight": {"log_range": [1.0e-4, 0.3]},
        "contrast_temperature": {"log_range": [0.1, 1.0]},
    }


@dataclass
class MGCNSettings(ContrastiveSettings):
    """Settings of MGCN.

    Attributes:
        neighbours: Most similar items of each item.
        item_layers: Layers over the graphs of similar items.
    """

    name: Literal["mgcn"] = "mgcn"
    neighbours: int = 10
    item_layers: int = 1

    layer = "tf_metammf.encoders.mgcn:MGCN"
    searched: ClassVar[Searched] = {
        **ContrastiveSettings.searched,
        "neighbours": {"choice": [5, 10, 20, 50]},
    }


@dataclass
class SMORESettings(MGCNSettings):
    """Settings of SMORE: those of MGCN."""

    name: Literal["smore"] = "smore"  # type: ignore[assignment]

    layer = "tf_metammf.encoders.smore:SMORE"


@dataclass
class MMHCLSettings(ContrastiveSettings):
    """Settings of MMHCL.

    Attributes:
        neighbours: Most similar items of each item.
        user_layers: Layers over the hypergraph of users.
        item_layers: Layers over the hypergraph of items.
        user_weight: Factor of the hypergraph of users beside the graph of interactions.
        item_weight: Factor of the hypergraph of items beside the graph of interactions.
    """

    name: Literal["mmhcl"] = "mmhcl"
    contrast_weight: float = 0.03
    contrast_temperature: float = 0.6
    neighbours: int = 5
    user_layers: int = 3
    item_layers: int = 2
    user_weight: float = 1.0
    item_weight: float = 1.0

    layer = "tf_metammf.encoders.mmhcl:MMHCL"
    lower_bounds: ClassVar[Mapping[str, float]] = {
        **ContrastiveSettings.lower_bounds,
        "user_weight": 0.0,
        "item_weight": 0.0,
    }
    searched: ClassVar[Searched] = {
        **ContrastiveSettings.searched,
        "neighbours": {"choice": [3, 5, 10, 20]},
        "user_layers": {"choice": [1, 2, 3]},
        "item_layers": {"choice": [1, 2, 3]},
    }


@dataclass
class LGMRecSettings(ContrastiveSettings):
    """Settings of LGMRec.

    Attributes:
        modality_layers: Layers over the graph of interactions for each modality.
        hyperedges: Hyperedges of each modality.
        hyperedge_layers: Layers over the hyperedges.
        hyperedge_dropout: Dropout of how much users and items belong to hyperedges.
        hyperedge_temperature: Divides what that is the softmax of.
        global_weight: Factor of the global view beside the local ones.
    """

    name: Literal["lgmrec"] = "lgmrec"
    contrast_weight: float = 1e-4
    modality_layers: int = 2
    hyperedges: int = 4
    hyperedge_layers: int = 1
    hyperedge_dropout: float = 0.5
    hyperedge_temperature: float = 0.2
    global_weight: float = 0.3

    layer = "tf_metammf.encoders.lgmrec:LGMRec"
    above_zero = frozenset({"contrast_temperature", "hyperedge_temperature"})
    searched: ClassVar[Searched] = {
        **ContrastiveSettings.searched,
        "contrast_weight": {"log_range": [1.0e-5, 0.1]},
        "hyperedges": {"choice": [2, 4, 8, 16, 32]},
        "hyperedge_dropout": {"range": [0.0, 0.8]},
        "global_weight": {"range": [0.1, 1.0]},
    }


@dataclass
class DiffMMSettings(ContrastiveSettings):
    """Settings of DiffMM.

    Attributes:
        layers: Number of layers over the graph of interactions.
        hidden_units: Hidden width of the diffusions.
        diffusion_steps: Steps of the diffusions.
        noise_scale: Factor of the noise of the diffusions.
        signal_weight: Factor of the loss that brings a modality into its diffusion.
        diffusion_users: Users of a batch that the diffusions are trained on.
        generated_items: Items of a user in the generated graph of each modality.
        generated_weight: Factor of the generated graphs beside that of interactions.
        modality_weight: Factor of the fused modalities beside their propagation.
        budget_gb: Size in GB of the diffusions in training and of a training step on the whole graph, above which they
            are refused.
    """

    name: Literal["diffmm"] = "diffmm"
    layers: int = 1
    contrast_temperature: float = 0.5
    hidden_units: int = 1000
    diffusion_steps: int = 5
    noise_scale: float = 0.1
    signal_weight: float = 0.01
    diffusion_users: int = 128
    generated_items: int = 1
    generated_weight: float = 0.5
    modality_weight: float = 0.5

    layer = "tf_metammf.encoders.diffmm:DiffMM"
    counts_over_batches = True
    not_for_layer = frozenset()
    lower_bounds: ClassVar[Mapping[str, float]] = {
        **ContrastiveSettings.lower_bounds,
        "hidden_units": 1,
        "diffusion_steps": 2,
        "signal_weight": 0.0,
        "diffusion_users": 1,
        "generated_items": 1,
        "generated_weight": 0.0,
        "modality_weight": 0.0,
    }
    above_zero = frozenset({"contrast_temperature", "noise_scale"})
    searched: ClassVar[Searched] = {
        **ContrastiveSettings.searched,
        "generated_items": {"choice": [1, 2, 5, 10]},
        "generated_weight": {"range": [0.0, 1.0]},
        "modality_weight": {"range": [0.0, 1.0]},
    }
