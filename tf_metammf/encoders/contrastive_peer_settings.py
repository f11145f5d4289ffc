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
        item_layers: Layers over the graph of similar items.
    """

    name: Literal["mgcn"] = "mgcn"
    neighbours: int = 10
    item_layers: int = 1

    layer = "tf_metammf.encoders.mgcn:MGCN"
    searched: ClassVar[Searched] = {
        **ContrastiveSettings.searched,
        "neighbours": {"choice": [5, 10, 20, 50]},
    }
