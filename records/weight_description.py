"""The weights of interactions in numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tf_metammf.records.raw_data import Interactions

HEAVY = 0.01
"""Share of the interactions that are called the heaviest."""


@dataclass(frozen=True)
class WeightDescription:
    """Weights of the training interactions.

    Attributes:
        least: The smallest.
        median: Of them all.
        mean: Of them all.
        most: The largest.
        zero_share: Share of the interactions that have the weight 0 and so teach nothing.
        heaviest_share: Share of all weight that the heaviest 1 % of the interactions have, at least one of them.
    """

    least: float
    median: float
    mean: float
    most: float
    zero_share: float
    heaviest_share: float


def describe_weights(train: Interactions) -> WeightDescription | None:
    """Describes the weights of training interactions; None where there are none."""
    if train.weight is None or not len(train):
        return None
    weight: NDArray[np.float64] = np.sort(train.weight.astype(np.float64))
    heaviest = max(1, round(HEAVY * len(weight)))
    return WeightDescription(
        least=float(weight[0]),
        median=float(np.median(weight)),
        mean=float(weight.mean()),
        most=float(weight[-1]),
        zero_share=float((weight == 0).mean()),
        heaviest_share=float(weight[-heaviest:].sum() / weight.sum()),
    )
