"""Settings of the peers among the encoders, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from tf_metammf.encoders.settings import EdgeDropoutEncoderSettings, EncoderSettings, GraphEncoderSettings
from tf_metammf.parts.parts import Searched


@dataclass
class VBPRSettings(EncoderSettings):
    """Settings of VBPR.

    Attributes:
        units: Width that features are mapped to.
    """

    name: Literal["vbpr"] = "vbpr"
    units: int = 64

    layer = "tf_metammf.encoders.vbpr:VBPR"
    compares_features = True
    takes_users = True


@dataclass
class InvRLSettings(VBPRSettings):
    """Settings of InvRL.

    Attributes:
        environments: Environments that interactions are put into.
        variance_weight: Factor of the variance of gradients over environments.
        mask_weight: Factor of the size of the mask over the features.
    """

    name: Literal["invrl"] = "invrl"  # type: ignore[assignment]
    environments: int = 10
    variance_weight: float = 1.0
    mask_weight: float = 0.001

    layer = "tf_metammf.encoders.invrl:InvRL"
    needs_negatives = True
    counts_over_batches = True
    searched: ClassVar[Searched] = {
        "variance_weight": {"log_range": [1.0e-2, 10.0]},
        "mask_weight": {"log_range": [1.0e-5, 1.0e-2]},
    }


@dataclass
class MMGCNSettings(EdgeDropoutEncoderSettings):
    """Settings of MMGCN.

    Attributes:
        units: Width that features are mapped to.
    """

    name: Literal["mmgcn"] = "mmgcn"
    units: int = 64

    layer = "tf_metammf.encoders.mmgcn:MMGCN"
    compares_features = True


@dataclass
class LATTICESettings(EdgeDropoutEncoderSettings):
    """Settings of LATTICE.

    Attributes:
        units: Width that features are mapped to.
        neighbours: Most similar items of each item.
        item_layers: Layers over the graph of similar items.
        initial_weight: Weight of the graph of the features beside the learned one.
    """

    name: Literal["lattice"] = "lattice"
    units: int = 64
    neighbours: int = 10
    item_layers: int = 1
    initial_weight: float = 0.7

    layer = "tf_metammf.encoders.lattice:LATTICE"
    compares_features = True
    counts_over_batches = True
    searched: ClassVar[Searched] = {
        **EdgeDropoutEncoderSettings.searched,
        "neighbours": {"choice": [5, 10, 20, 50, 100]},
        "initial_weight": {"range": [0.1, 0.9]},
    }


@dataclass
class FREEDOMSettings(GraphEncoderSettings):
    """Settings of FREEDOM.

    Attributes:
        neighbours: Most similar items of each item.
        item_layers: Layers over the graph of similar items.
        modality_weights: Weight of the graph of each modality, or null for the same.
        pruning: Share of the interactions that a step leaves out.
        content_weight: Factor of the loss of the features; above 0 it needs sampled negatives.
    """

    name: Literal["freedom"] = "freedom"
    neighbours: int = 10
    item_layers: int = 1
    modality_weights: dict[str, float] | None = None
    pruning: float = 0.8
    content_weight: float = 0.001

    layer = "tf_metammf.encoders.freedom:FREEDOM"
    compares_features = True
    searched: ClassVar[Searched] = {
        **GraphEncoderSettings.searched,
        "neighbours": {"choice": [5, 10, 20, 50, 100]},
        "pruning": {"range": [0.0, 0.9]},
        "content_weight": {"log_range": [1.0e-4, 1.0]},
    }

    @property
    def own_loss_needs_negatives(self) -> bool:
        """Whether the loss of the features counts."""
        return self.content_weight > 0

    def for_modalities(self, names: Sequence[str]) -> Self:
        """Weights of these modalities alone."""
        if self.modality_weights is None:
            return self
        weights = {name: self.modality_weights[name] for name in names if name in self.modality_weights}
        return replace(self, modality_weights=weights)


@dataclass
class BM3Settings(EdgeDropoutEncoderSettings):
    """Settings of BM3.

    Attributes:
        target_dropout: Dropout of the targets.
        content_weight: Factor of the loss of the features.
    """

    name: Literal["bm3"] = "bm3"
    target_dropout: float = 0.3
    content_weight: float = 0.001

    layer = "tf_metammf.encoders.bm3:BM3"
    compares_features = True
    needs_objective = False
    searched: ClassVar[Searched] = {
        **EdgeDropoutEncoderSettings.searched,
        "content_weight": {"log_range": [1.0e-4, 1.0]},
        "target_dropout": {"range": [0.1, 0.6]},
    }
