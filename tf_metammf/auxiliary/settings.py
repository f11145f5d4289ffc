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
    samples_items: ClassVar[bool] = False
    """Whether a step brings a second stream of items, drawn from the whole catalogue; ``items`` says how many."""


BASE = AuxiliarySettings


@dataclass
class NoAuxiliarySettings(AuxiliarySettings):
    """No auxiliary loss."""

    name: Literal["none"] = "none"
