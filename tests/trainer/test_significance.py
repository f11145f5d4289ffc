"""Differences of models: interval and test against simulations with a known effect, Student's t and Holm's example."""

import numpy as np
import pytest
from scipy import stats

from tf_metammf.trainer.comparison.significance import difference, holm, student_quantile, student_tails

SIMULATIONS = 300


def simulated(random, *, seeds, users, effect=0.0, of_seed=0.0, of_user=0.0, rest=0.1):
    """A model and its reference, ``[seeds, users]``: an effect, and deviations of seeds, users and both."""
    reference = random.uniform(0, 1, (1, users)) + np.zeros((seeds, 1))
    parts = random.normal(0, of_seed, (seeds, 1)), random.normal(0, of_user, (1, users))
    return reference + effect + parts[0] + parts[1] + random.normal(0, rest, (seeds, users)), reference


@pytest.mark.parametrize(
    ("seeds", "users", "deviations"),
    [
        (5, 60, {"of_user": 0.3}),
        (5, 60, {"of_seed": 0.1}),
        (3, 200, {"of_seed": 0.02, "of_user": 0.2}),
        (2, 60, {"of_seed": 0.05, "of_user": 0.2}),
        (1, 30, {"of_user": 0.2}),
    ],
    ids=str,
)
def test_the_interval_holds_the_true_difference_as_often_as_it_says(seeds, users, deviations):
    random, effect = np.random.default_rng(0), 0.07
    found = [
        difference(*simulated(random, seeds=seeds, users=users, effect=effect, **deviations))
        for _ in range(SIMULATIONS)
    ]
    # Of 300 intervals that hold it with 95 %, 0.91 to 0.99 do, but for one in 500.
    assert 0.91 <= np.mean([each.low <= effect <= each.high for each in found]) <= 0.99
    assert np.mean([each.mean for each in found]) == pytest.approx(effect, abs=0.01)


def test_a_test_that_leaves_out_seeds_would_call_luck_significant():
    random, found, of_users_alone = np.random.default_rng(1), [], []
    for _ in range(SIMULATIONS):
        model, reference = simulated(random, seeds=5, users=100, of_seed=0.05)
        found.append(difference(model, reference).p_value < 0.05)
        of_users_alone.append(stats.ttest_rel(model.mean(axis=0), reference.mean(axis=0)).pvalue < 0.05)
    assert np.mean(found) < 0.09 and np.mean(of_users_alone) > 0.5


def test_false_alarms_are_rare_for_metrics_of_real_shape():
    """Most users have 0, some 1: recall of a single item."""
    random = np.random.default_rng(2)
    found = [
        difference(*(random.random((2, 3, 80)) < random.uniform(0, 0.3, (1, 1, 80))).astype(float)).p_value < 0.05
        for _ in range(SIMULATIONS)
    ]
    assert np.mean(found) < 0.09


def test_one_seed_gives_the_paired_test_of_student():
    random = np.random.default_rng(3)
    first, second = random.normal(0.1, 1, 40), random.normal(0, 1, 40)
    found, expected = difference(first[np.newaxis], second[np.newaxis]), stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval())


def test_where_only_seeds_differ_it_is_the_test_of_student_over_seeds():
    of_seeds = np.array([0.1, 0.3, 0.2, 0.25])
    found = difference(of_seeds[:, np.newaxis] + np.zeros((1, 50)), np.zeros((4, 50)))
    expected = stats.ttest_1samp(of_seeds, 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval())


def test_the_same_model_twice_differs_by_nothing():
    values = np.random.default_rng(4).random((3, 20))
    found = difference(values, values)
    assert (found.mean, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_users_without_a_metric_do_not_count():
    random = np.random.default_rng(5)
    first, second = random.normal(size=(2, 50)), random.normal(size=(2, 50))
    gap = np.full((2, 1), np.nan)
    assert difference(np.hstack([first, gap]), np.hstack([second, gap])) == difference(first, second)
    assert difference(gap, gap).p_value is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_few_users_prove_nothing(seeds):
    few = difference(np.ones((seeds, 9)), np.zeros((seeds, 9)))
    assert few.mean == 1.0 and few.low is few.high is few.p_value is None
    alike = difference(np.ones((seeds, 10)), np.zeros((seeds, 10)))
    assert alike.p_value == 2.0**-9 and alike.low is None
    three_of_many = np.zeros((seeds, 1000))
    three_of_many[:, :3] = 1
    assert difference(three_of_many, np.zeros((seeds, 1000))).p_value >= 0.25


@pytest.mark.parametrize("freedom", [1.0, 2.5, 4.0, 40.0, 1e6])
def test_tails_and_quantiles_are_those_of_student(freedom):
    assert student_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
    for statistic in (0.0, 0.3, -2.0, 9.0):
        assert student_tails(statistic, freedom) == pytest.approx(2 * stats.t.sf(abs(statistic), freedom), rel=1e-9)


def test_holm_corrects_for_the_tests_of_the_table():
    # Multiplied by 4, 3, 2 and 1: 0.04, 0.06, 0.08 and then, not below the one before, 0.08 again.
    assert holm([0.01, 0.04, 0.02, 0.05]) == pytest.approx([0.04, 0.08, 0.06, 0.08])
    assert holm([0.3, None, 0.5]) == pytest.approx([0.6, None, 0.6])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
    random = np.random.default_rng(6)
    for values in random.random((20, 7)) ** 3:
        # What it is for: rejected are those up to the first, in ascending order, that is above its own share.
        order, rejected = np.argsort(values), np.zeros(7, bool)
        for position, place in enumerate(order):
            if values[place] > 0.05 / (7 - position):
                break
            rejected[place] = True
        assert [value <= 0.05 for value in holm(list(values))] == list(rejected)
