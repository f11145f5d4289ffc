"""Settings of auxiliary losses, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tf_metammf.parts.parts import PartKind, PartSettings


@dataclass
class AuxiliarySettings(PartSettings):
    """Settings of an auxiliary loss, which is added to that of the objective.

    Attributes:
        name: The name of the auxiliary loss.
    """

    kind: ClassVar[PartKind] = "auxiliary"
    takes_teachers: ClassVar[bool] = False
    """Whether its layer takes ``teachers``, the tables of trained runs, in training and at no other time."""


BASE = AuxiliarySettings


@dataclass
class NoAuxiliarySettings(AuxiliarySettings):
    """No auxiliary loss."""

    name: Literal["none"] = "none"


@dataclass
class MutualInformationSettings(AuxiliarySettings):
    """InfoNCE between the fused vector and each modality, :mod:`tf_metammf.auxiliary.mutual_information`.

    Attributes:
        weight: Factor of the loss.
        contrast: What is contrasted: the fused vector with "modalities", or two "fused_views" of an item.
        temperature: Temperature of the softmax; at most 0.2, or the bound on the information cannot be reached.
        units: Width of the space in which vectors are compared.
        items: Items of the whole catalogue in a step, beside those of the batch.
        modality_dropout: Probability that a modality is left out of the fused vector.
        warm_up: Steps until the full weight.
    """

    name: Literal["mutual_information"] = "mutual_information"
    weight: float = 0.03
    contrast: Literal["modalities", "fused_views"] = "modalities"
    temperature: float = 0.2
    units: int = 64
    items: int = 512
    modality_dropout: float = 0.3
    warm_up: int = 200

    layer: ClassVar[str] = "tf_metammf.auxiliary.mutual_information:MutualInformation"
    lower_bounds: ClassVar = {"units": 1, "items": 0, "modality_dropout": 0.0, "warm_up": 0}
    above_zero: ClassVar[frozenset[str]] = frozenset({"weight", "temperature"})
    searched: ClassVar = {"weight": {"log_range": [0.003, 0.3]}}


@dataclass
class DistillationSettings(AuxiliarySettings):
    """What trained runs know, :mod:`tf_metammf.auxiliary.distillation`.

    Attributes:
        teachers: Run directories of the same record set; none to train each modality alone beside the whole.
        head_weight: Factor of what each modality learns alone; 0 for nothing.
        alpha: Share of the teachers of a modality in that.
        response_weight: Factor of the divergence from the scores of the teachers of whole items.
        feature_weight: Factor of the distance from the vectors of the teachers.
        temperature: Temperature of the softmax over scores, that of the objective.
        items: Items of the whole catalogue in a step whose vectors are compared; 0 for those of the batch.
        balance: utilization for more weight for modalities that the model makes little use of; none for equal ones.
        ensemble: Whether teachers of single modalities teach whole items together, by the sums of their scores.
    """

    name: Literal["distillation"] = "distillation"
    teachers: list[str] = field(default_factory=list)
    head_weight: float = 0.5
    alpha: float = 0.5
    response_weight: float = 3.0
    feature_weight: float = 1.0
    temperature: float = 0.2
    items: int = 512
    balance: Literal["none", "utilization"] = "none"
    ensemble: bool = False

    layer: ClassVar[str] = "tf_metammf.auxiliary.distillation:Distillation"
    takes_teachers: ClassVar[bool] = True
    not_for_layer: ClassVar[frozenset[str]] = frozenset({"teachers"})
    lower_bounds: ClassVar = {
        "head_weight": 0.0,
        "alpha": 0.0,
        "response_weight": 0.0,
        "feature_weight": 0.0,
        "items": 0,
    }
    above_zero: ClassVar[frozenset[str]] = frozenset({"temperature"})
    searched: ClassVar = {
        "head_weight": {"log_range": [0.1, 2.0]},
        "response_weight": {"log_range": [0.3, 10.0]},
        "feature_weight": {"log_range": [0.1, 3.0]},
    }
