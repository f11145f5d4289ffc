r"""Models over several record sets: ranks on each, whether they differ, and by how much they have to.

``r_sj`` is the rank of model ``j`` of ``k`` on record set ``s`` of ``N``, 1 for the best; equal ones share the mean of
their ranks. ``R_j`` is the mean over the sets:

=====================  ===============================================================================
Friedman               ``chi2 = (k - 1) sum_j (N R_j - N (k + 1) / 2)^2 / (sum_sj r_sj^2 - N k (k + 1)^2 / 4)``
Iman and Davenport     ``F = (N - 1) chi2 / (N (k - 1) - chi2)``, with ``k - 1`` and ``(k - 1) (N - 1)`` degrees of
                       freedom
critical difference    ``q / sqrt(2) sqrt(k (k + 1) / (6 N))`` of two mean ranks (Nemenyi); the range of ``k``
                       independent standard normal numbers stays below ``q`` in 95 of 100 cases
=====================  ===============================================================================

Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError

CONFIDENCE = 0.95
"""How seldom two models that are equally good differ by the critical difference."""


@dataclass(frozen=True)
class RankTable:
    """Ranks of models over record sets.

    Attributes:
        metric: What models are ranked by, on the test split, means over seeds.
        sets: Names of the record sets.
        values: The metric of every model on each set, best mean rank first.
        ranks: The ranks, likewise.
        mean_ranks: Their mean over the sets, by model.
        p_value: Of Iman and Davenport's test that all models are equally good; None where ranks never differ.
        critical_difference: How far apart two mean ranks have to be.
        left_out: Models that are not in every comparison.
    """

    metric: str
    sets: list[str]
    values: dict[str, list[float]]
    ranks: dict[str, list[float]]
    mean_ranks: dict[str, float]
    p_value: float | None
    critical_difference: float
    left_out: list[str]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def rank_table(folders: Sequence[str | Path], *, metric: str | None = None) -> RankTable:
    """Ranks the models that all of several comparisons have.

    Args:
        folders: Folders of comparisons, each of another record set.
        metric: A metric of the test split, such as ``"recall@20"``; by default what the first is ordered by.

    Raises:
        InvalidInputError: A folder is no finished comparison, there are fewer than two of them or of the models they
            share, or one lacks the metric.
    """
    results = {str(Path(folder)): _results(Path(folder)) for folder in folders}
    if len(results) < 2:
        raise InvalidInputError(f"found {len(results)} comparisons, expected at least two, of different record sets.")
    metric = metric or next(iter(results.values()))["metric"]
    models = [set(each["models"]) for each in results.values()]
    common = set.intersection(*models)
    shared = [name for name in next(iter(results.values()))["models"] if name in common]
    if len(shared) < 2:
        raise InvalidInputError(
            f"{', '.join(results)}: share {len(shared)} models, expected at least two. Compare the same models on each."
        )
    values = np.array([[_value(each, name, metric, folder) for name in shared] for folder, each in results.items()])
    ranks = np.stack([_ranks(-row) for row in values])
    means = ranks.mean(axis=0)
    order = np.argsort(means, kind="stable")
    return RankTable(
        metric,
        [Path(folder).name for folder in results],
        {shared[column]: values[:, column].tolist() for column in order},
        {shared[column]: ranks[:, column].tolist() for column in order},
        {shared[column]: float(means[column]) for column in order},
        equality_p_value(ranks),
        critical_difference(*ranks.shape),
        sorted(set().union(*models) - set(shared)),
    )


def equality_p_value(ranks: NDArray[np.float64]) -> float | None:
    """Iman and Davenport's p-value that all models are equally good, of ranks ``[N, k]``; None if all are tied."""
    sets, models = ranks.shape
    spread = float((ranks**2).sum() - sets * models * (models + 1) ** 2 / 4)
    if spread <= 0:
        return None
    sums = ranks.sum(axis=0)
    chi_squared = (models - 1) * float(((sums - sets * (models + 1) / 2) ** 2).sum()) / spread
    rest = sets * (models - 1) - chi_squared
    if rest <= 1e-9:
        return 0.0  # the same order on every set
    statistic = (sets - 1) * chi_squared / rest
    above, below = models - 1, (models - 1) * (sets - 1)
    halves = np.float64(below / 2), np.float64(above / 2)
    return float(tf.math.betainc(*halves, np.float64(below / (below + above * statistic))).numpy())


def critical_difference(sets: int, models: int) -> float:
    """How far apart two mean ranks of so many models over so many sets have to be."""
    return range_quantile(models) / math.sqrt(2) * math.sqrt(models * (models + 1) / (6 * sets))


def range_quantile(count: int, share: float = CONFIDENCE) -> float:
    """What the range of independent standard normal numbers is below with a given probability.

    ``P(range < q) = n integral of phi(z) (Phi(z) - Phi(z - q))^(n - 1)``.

    Args:
        count: How many numbers, at least 2.
        share: The probability.
    """
    places = np.linspace(-9, 9, 4001)
    density = np.exp(-(places**2) / 2) / math.sqrt(2 * math.pi)
    below = _normal(places)
    low, high = 0.0, 18.0
    for _ in range(60):
        middle = (low + high) / 2
        inside = density * (below - _normal(places - middle)) ** (count - 1)
        low, high = (middle, high) if count * np.trapezoid(inside, places) < share else (low, middle)
    return high


def _normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    below: NDArray[np.float64] = 0.5 * (1 + tf.math.erf(values / math.sqrt(2)).numpy())
    return below


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks in ascending order, from 1; equal values share the mean of theirs."""
    below = (values[np.newaxis] < values[:, np.newaxis]).sum(axis=1)
    equal = (values[np.newaxis] == values[:, np.newaxis]).sum(axis=1)
    ranks: NDArray[np.float64] = below + (equal + 1) / 2
    return ranks


def _results(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["models"], dict) or not isinstance(content["metric"], str):
            raise ValueError("models or metric is missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{path}: cannot be read as the results of a comparison ({error}). Give folders that compare has finished."
        ) from error
    return content


def _value(results: Mapping[str, Any], model: str, metric: str, folder: str) -> float:
    spread = results["models"][model]["metrics"].get(metric)
    if spread is None or spread["mean"] is None:
        known = ", ".join(results["models"][model]["metrics"])
        raise InvalidInputError(f'{folder}: "{model}" has no value of {metric}. It has: {known}.')
    return float(spread["mean"])
