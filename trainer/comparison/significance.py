"""A paired test of significance for the metrics of users."""

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 200


def randomization_test(
    first: NDArray[np.float64], second: NDArray[np.float64], *, permutations: int = 10_000, seed: int = 0
) -> float:
    """The p-value of the hypothesis that two models are alike, two-sided.

    Fisher's randomisation test on the mean difference, which Smucker, Allan and Carterette (CIKM 2007) recommend for
    rankings: were the models alike, the sign of each user's difference would be a coin's. The p-value is the share
    of ``permutations`` drawn signs, and of the observed ones, whose mean is at least as far from zero.

    Args:
        first: A metric of every user by one model, ``[n]``.
        second: The same users by the other, in the same order.
        permutations: Signs drawn. Defaults to 10,000, so the smallest p-value is about 0.0001.
        seed: Of the signs.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    difference = difference[np.isfinite(difference) & (difference != 0)]  # signs of zeros change nothing
    if not len(difference):
        return 1.0
    observed = abs(difference.sum())
    generator = np.random.default_rng(seed)
    extreme, left = 0, permutations
    while left:
        drawn = min(left, _AT_ONCE)
        signs = generator.integers(0, 2, (drawn, len(difference)), np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ difference) >= observed * (1 - 1e-12)))
        left -= drawn
    return (extreme + 1) / (permutations + 1)
