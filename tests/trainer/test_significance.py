"""The paired randomisation test."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from tf_metammf.trainer.comparison.significance import randomization_test


def test_it_is_the_share_of_all_signs_that_are_as_extreme():
    difference = np.array([0.3, -0.1, 0.25, 0.4, -0.05, 0.2, 0.1, 0.35])
    exact = np.mean(
        [abs(np.dot(signs, difference)) >= difference.sum() - 1e-12 for signs in product([-1, 1], repeat=8)]
    )
    found = randomization_test(difference, np.zeros(8), permutations=200_000)
    assert found == pytest.approx(exact, abs=0.002)


def test_it_agrees_with_the_t_test_where_there_are_many_users():
    random = np.random.default_rng(0)
    first = random.normal(0.1, 0.3, 3000)
    second = first + random.normal(0.008, 0.2, 3000)
    assert randomization_test(first, second) == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.01)


def test_models_that_are_alike_differ_by_nothing_and_users_without_a_metric_do_not_count():
    values = np.array([0.1, 0.2, np.nan])
    assert randomization_test(values, values) == 1.0
    random = np.random.default_rng(1)
    first, second = random.normal(size=50), random.normal(size=50) + 1
    with_gaps = np.append(first, np.nan), np.append(second, 3.0)
    assert randomization_test(*with_gaps) == randomization_test(first, second) < 0.01


def test_false_alarms_are_as_rare_as_they_should_be():
    random = np.random.default_rng(2)
    found = [randomization_test(*random.normal(size=(2, 40)), permutations=400) < 0.1 for _ in range(300)]
    assert 0.05 < np.mean(found) < 0.16
