"""Settings of the baselines, which are counted and not trained; see :mod:`tf_metammf.parts.parts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from tf_metammf.encoders.settings import EncoderSettings
from tf_metammf.parts.parts import Searched


@dataclass
class PopularitySettings(EncoderSettings):
    """Settings of the ranking by popularity, which is not trained."""

    name: Literal["popularity"] = "popularity"

    trained = False
    needs_objective = False
    counts_over_batches = True

    @property
    def can_calibrate(self) -> bool:
        """Never: an item without interactions is not popular."""
        return False


@dataclass
class ItemKNNSettings(EncoderSettings):
    """Settings of nearest neighbours between items, which are counted and not trained.

    Attributes:
        neighbours: Most similar items of each item.
        similarity: What items are compared by: interactions or content.
        shrinkage: Makes items with few interactions less similar (by interactions only).
    """

    name: Literal["item_knn"] = "item_knn"
    neighbours: int = 10
    similarity: Literal["interactions", "content"] = "interactions"
    shrinkage: float = 0.0

    trained = False
    needs_objective = False
    counts_over_batches = True
    searched: ClassVar[Searched] = {"neighbours": {"choice": [5, 10, 20, 50, 100]}, "shrinkage": {"range": [0.0, 50.0]}}

    @property
    def uses_features(self) -> bool:
        """Whether items are compared by content."""
        return self.similarity == "content"

    @property
    def can_calibrate(self) -> bool:
        """By interactions only: by content, items without interactions have neighbours as all others have."""
        return not self.uses_features

    @property
    def searched_fields(self) -> Searched:
        """Shrinkage only where it changes something."""
        return {name: values for name, values in self.searched.items() if name != "shrinkage" or not self.uses_features}


@dataclass
class EASESettings(EncoderSettings):
    """Settings of EASE, a linear autoencoder of histories in closed form.

    Attributes:
        l2: L2 penalty on the weights between items.
        neighbours: Weights that each item keeps, the largest by size.
        budget_gb: Size in GB of the matrices of its solution, above which it is refused.
    """

    name: Literal["ease"] = "ease"
    l2: float = 200.0
    neighbours: int = 500
    budget_gb: float = 4.0

    trained = False
    needs_objective = False
    counts_over_batches = True
    above_zero = frozenset({"l2"})
    lower_bounds: ClassVar[Mapping[str, float]] = {"neighbours": 1, "budget_gb": 0}
    searched: ClassVar[Searched] = {"l2": {"range": [1.0, 3000.0], "log": True}}


@dataclass
class IALSSettings(EncoderSettings):
    """Settings of implicit alternating least squares.

    Attributes:
        units: Width of the factors.
        unobserved_weight: Weight of all pairs of user and item beside the observed ones.
        l2: L2 penalty on the factors, of which each counts as often as it has interactions.
        epochs: How often both sides are solved.
    """

    name: Literal["ials"] = "ials"
    units: int = 64
    unobserved_weight: float = 0.1
    l2: float = 0.03
    epochs: int = 16

    trained = False
    needs_objective = False
    counts_over_batches = True
    above_zero = frozenset({"unobserved_weight", "l2"})
    lower_bounds: ClassVar[Mapping[str, float]] = {"units": 1, "epochs": 1}
    searched: ClassVar[Searched] = {
        "l2": {"range": [0.001, 0.3], "log": True},
        "unobserved_weight": {"range": [0.003, 1.0], "log": True},
        "units": {"choice": [64, 128]},
    }
