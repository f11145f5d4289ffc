"""Settings of auxiliary losses, readable without TensorFlow; see :mod:`tf_metammf.parts.parts`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tf_metammf.parts.parts import PartKind, PartSettings


@dataclass
class AuxiliarySettings(PartSettings):
    """Settings of an auxiliary loss, which is added to that of the objective.

    Attributes:
        name: The name of the auxiliary loss.
    """

    kind: ClassVar[PartKind] = "auxiliary"


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
