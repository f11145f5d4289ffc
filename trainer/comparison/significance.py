"""Differences between two models: effect, interval and p-value over users and seeds, and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""How often the interval holds the true difference."""

FEWEST_USERS = 10
"""Users below which neither interval nor p-value is given."""


@dataclass(frozen=True)
class Difference:
    """How much better a model is than its reference.

    Attributes:
        mean: Mean difference over users and seeds.
        low: Lower end of the 95 % confidence interval; None where it cannot be estimated.
        high: Upper end.
        p_value: Two-sided p-value of no difference; None where it cannot be estimated.
        users: Users whose metric is defined.
        seeds: Seeds; with one, interval and p-value cover users alone.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float | None
    users: int
    seeds: int


def difference(model: NDArray[np.floating], reference: NDArray[np.floating]) -> Difference:
    """The difference of two models, with an interval for other users and other seeds than these.

    The differences ``d[s, u]`` of seed ``s`` and user ``u`` follow the mixed model

        d[s, u] = mean + seed_s + user_u + rest_su

    with independent random effects. Its mean squares are those of a two-way analysis of variance: ``A`` between seeds,
    ``B`` between users, ``E`` of the rest. The variance of the mean is ``V / (S U)`` with
    ``V = max(A, B, A + B - E)``, and Student's t has the degrees of freedom of Satterthwaite (Biometrics Bulletin 2,
    1946), ``V ** 2 / (A ** 2 / (S - 1) + B ** 2 / (U - 1))``, at least 1. A single seed leaves ``V = B``: Student's
    paired test over users. No number is drawn, so the same metrics give the same result.

    The p-value is at least ``2 ** (1 - n)`` for the ``n`` users whose mean differs, as in a test of signs: three
    users who prefer one model prove nothing, however alike their differences are.

    Args:
        model: A metric of every user with every seed, ``[S, U]``; NaN for users without it.
        reference: The same users and seeds, in the same order, of the other model.
    """
    values = np.asarray(model, np.float64) - np.asarray(reference, np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    seeds, users = values.shape
    if not users:
        return Difference(math.nan, None, None, None, 0, seeds)
    mean, of_users = float(values.mean()), values.mean(axis=0)
    if not values.any():
        return Difference(0.0, 0.0, 0.0, 1.0, users, seeds)
    if users < FEWEST_USERS:
        return Difference(mean, None, None, None, users, seeds)
    variance, freedom = _variance_of_mean(values)
    least = 2.0 ** (1 - np.count_nonzero(of_users))
    if not variance > 0:
        return Difference(mean, None, None, min(1.0, least), users, seeds)
    deviation = math.sqrt(variance)
    margin = student_quantile((1 + CONFIDENCE) / 2, freedom) * deviation
    p_value = min(1.0, max(student_tails(mean / deviation, freedom), least))
    return Difference(mean, mean - margin, mean + margin, p_value, users, seeds)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for the number of tests in a table (Holm, Scandinavian Journal of Statistics 6, 1979).

    The smallest of ``m`` is multiplied by ``m``, the next by ``m - 1`` and so on, and none becomes smaller than one
    before it, or larger than 1. A row without a p-value is not a test.
    """
    corrected: list[float | None] = [None] * len(p_values)
    tests = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    largest = 0.0
    for position, (value, place) in enumerate(tests):
        largest = max(largest, min(1.0, value * (len(tests) - position)))
        corrected[place] = largest
    return corrected


def student_tails(statistic: float, freedom: float) -> float:
    """Probability that Student's t with these degrees of freedom is at least as far from 0."""
    return float(_tails(np.array([statistic]), freedom)[0])


def student_quantile(share: float, freedom: float) -> float:
    """The value that a share above a half of Student's t is below."""
    low, high = 0.0, 1.0
    while student_tails(high, freedom) > 2 * (1 - share):
        low, high = high, 2 * high
    for _ in range(10):
        between = np.linspace(low, high, 64)
        beyond = int(np.argmax(_tails(between, freedom) <= 2 * (1 - share)))
        low, high = float(between[max(beyond - 1, 0)]), float(between[beyond])
    return high


def _tails(statistics: NDArray[np.float64], freedom: float) -> NDArray[np.float64]:
    at = freedom / (freedom + statistics**2)
    halves = np.float64(freedom / 2), np.float64(0.5)
    tails: NDArray[np.float64] = tf.math.betainc(*(np.full_like(at, half) for half in halves), at).numpy()
    return tails


def _variance_of_mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """The variance of the mean over seeds and users, and its degrees of freedom."""
    seeds, users = values.shape
    of_users = values.mean(axis=0)
    between_users = seeds * float(of_users.var(ddof=1))
    if seeds == 1:
        return between_users / users, users - 1.0
    of_seeds = values.mean(axis=1)
    between_seeds = users * float(of_seeds.var(ddof=1))
    rest = values - of_seeds[:, np.newaxis] - of_users + values.mean()
    mean_square = float(np.sum(rest**2)) / ((seeds - 1) * (users - 1))
    total = max(between_seeds, between_users, between_seeds + between_users - mean_square)
    parts = between_seeds**2 / (seeds - 1) + between_users**2 / (users - 1)
    return total / (seeds * users), max(1.0, total**2 / parts) if parts else 1.0
