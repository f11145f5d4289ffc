"""The programs around the benchmarks: what they list and skip, and that the guard says what has become slower."""

import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats

from benchmarks import guard, index
from benchmarks.__main__ import benchmarks
from benchmarks.measurement import growth_exponent, in_turn, ratios
from benchmarks.pooled_fusions import pooled
from tf_metammf.trainer.comparison.significance import Difference

PROJECT = Path(__file__).resolve().parents[1]
MEASURES = ("fusion_ratios", "propagation_ratios", "full_ranking_ratios", "reading_ratios", "update_ratios")


@pytest.fixture
def ratios_found(monkeypatch):
    """Lets the guard find ratios at half of their bounds, but for those that are given."""

    def replace(**found) -> None:
        for measure, checks in zip(MEASURES, guard.CHECKS.values(), strict=True):
            within = [check.at_most / 2 for check in checks]
            values = iter(found.get(measure, [within, within]))
            monkeypatch.setattr(guard, measure, lambda values=values: next(values))

    return replace


def test_the_guard_passes_within_its_bounds(ratios_found, capsys):
    ratios_found()
    with pytest.raises(SystemExit) as ended:
        guard.main()
    assert ended.value.code == 0 and not capsys.readouterr().err


def test_the_guard_names_what_is_twice_beyond_its_bound(ratios_found, capsys):
    ratios_found(full_ranking_ratios=[[9.0], [8.0]], fusion_ratios=[[7.0, 0.01], [1.0, 0.02]])
    with pytest.raises(SystemExit) as ended:
        guard.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "full ranking / matrix product and top_k: 8.00, expected at most 2.5. See python -m benchmarks.full_ranking."
    ]


def test_every_benchmark_is_listed_with_its_purpose():
    listed = benchmarks()
    assert {"fusion", "propagation", "full_ranking", "reading", "epoch", "start", "growth", "guard"} <= set(listed)
    assert not {"report", "measurement", "__main__"} & set(listed)
    assert all(listed.values())


def test_a_benchmark_without_its_data_is_skipped_with_the_reason():
    command = [sys.executable, "-m", "benchmarks", "--only", "tiktok", "user_histories"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    outcomes = [line.split(maxsplit=1) for line in ran.stdout.splitlines() if line]
    assert outcomes == [["tiktok", "skipped: needs --input"], ["user_histories", "skipped: needs --records"]]


def test_the_exponent_of_a_power_is_its_power():
    assert growth_exponent([1, 2, 4, 8], [3 * size**1.5 for size in (1, 2, 4, 8)]) == pytest.approx(1.5)


def test_sides_are_called_in_turn_after_a_call_of_each():
    calls = []
    times = in_turn({name: lambda name=name: calls.append(name) for name in "ab"}, repeats=2)
    assert calls == list("ababab") and [len(values) for values in times.values()] == [2, 2]


def test_ratios_are_those_of_neighbouring_calls():
    assert ratios([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == {"median": 2.0, "minimum": 1.0, "maximum": 3.0}


def test_the_benchmark_of_the_index_says_at_once_that_faiss_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(index, "find_spec", lambda name: None)
    monkeypatch.setattr(index, "compare", lambda *_, **__: pytest.fail("it began"))
    monkeypatch.setattr(sys, "argv", ["index", "--quick"])
    with pytest.raises(SystemExit) as ended:
        index.main()
    assert ended.value.code == 2
    assert "faiss is not installed" in capsys.readouterr().err


def of_a_set(mean: float, deviation: float) -> Difference:
    p_value = float(2 * stats.norm.sf(abs(mean) / deviation))
    margin = float(stats.norm.ppf(0.975)) * deviation
    return Difference(mean, mean - margin, mean + margin, p_value, users=100, seeds=3)


def test_differences_over_sets_are_pooled_as_scipy_combines_p_values():
    differences = [of_a_set(0.004, 0.002), of_a_set(0.001, 0.002), of_a_set(0.003, 0.004)]
    found = pooled(differences)
    one_sided = [each.p_value / 2 for each in differences]
    expected = stats.combine_pvalues(one_sided, method="stouffer")
    assert found["Stouffer z"] == pytest.approx(expected.statistic)
    assert found["Stouffer p"] == pytest.approx(2 * expected.pvalue)
    # They differ by less than chance, so the mean is that of inverse variances.
    weights = [1 / 0.002**2, 1 / 0.002**2, 1 / 0.004**2]
    mean = sum(weight * each.mean for weight, each in zip(weights, differences, strict=True)) / sum(weights)
    assert found["mean"] == pytest.approx(mean)
    assert found["p"] == pytest.approx(2 * stats.norm.sf(mean * sum(weights) ** 0.5))


def test_sets_that_differ_widen_the_interval_of_their_mean():
    alike, apart = pooled([of_a_set(0.01, 0.001)] * 2), pooled([of_a_set(0.02, 0.001), of_a_set(0.0, 0.001)])
    assert apart["mean"] == pytest.approx(alike["mean"])
    # Two sets d apart: the variance of their mean is d ** 2 / 4.
    assert apart["high"] - apart["mean"] == pytest.approx(1.959964 * 0.01, rel=1e-4)
    assert alike["high"] - alike["mean"] == pytest.approx(1.959964 * 0.001 / 2**0.5, rel=1e-4)
