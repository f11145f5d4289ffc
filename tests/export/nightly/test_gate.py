"""What a version is measured by, and what lets it pass the gate."""

from types import SimpleNamespace

import ir_measures
import numpy as np
import pytest
from ir_measures import R, nDCG

from tf_metammf.export.nightly.gate import judge
from tf_metammf.export.nightly.served_ranking import HeldOut, ServedRanking, overlap
from tf_metammf.export.nightly.settings import GateSettings

ITEMS, K = 12, 4


def ranking(lists: list[list[int]], *, milliseconds: float = 2.0) -> ServedRanking:
    """What a version recommends to three users, for whom items 0, 0 to 5, and 7 are to be found."""
    names = [f"v{item}" for item in range(ITEMS)]
    relevant = [np.array([0]), np.arange(6), np.array([7])]
    held_out = HeldOut(SimpleNamespace(item_ids=names), np.arange(3), relevant, [np.zeros(0, int)] * 3)
    scores = [np.linspace(1, 0, len(items), dtype=np.float32) for items in lists]
    return ServedRanking(held_out, [[names[item] for item in items] for items in lists], scores, 1.0, [milliseconds], K)


GOOD = [[0, 1, 2, 3], [5, 9, 0, 1], [8, 7]]
POOR = [[1, 2, 3, 0], [9, 8, 7, 6], [8, 9, 10, 11]]


@pytest.mark.parametrize("lists", [GOOD, POOR])
def test_recall_and_ndcg_are_those_of_trec_eval(lists):
    found = ranking(lists)
    judgements = [
        ir_measures.Qrel(str(user), f"v{item}", 1)
        for user, items in enumerate(found.held_out.relevant)
        for item in items
    ]
    run = [
        ir_measures.ScoredDoc(str(user), name, -float(place))
        for user, names in enumerate(found.item_ids)
        for place, name in enumerate(names)
    ]
    for name, measure in (("recall", R @ K), ("ndcg", nDCG @ K)):
        expected = {each.query_id: each.value for each in ir_measures.iter_calc([measure], judgements, run)}
        assert found.of_users(name) == pytest.approx([expected[str(user)] for user in range(3)])


def test_coverage_scores_and_times_are_those_of_the_lists():
    found = ranking(GOOD, milliseconds=3.0).as_json()
    assert found["coverage"] == pytest.approx(8 / ITEMS)
    assert found["scores"]["p50"] == pytest.approx(np.median([1, 2 / 3, 1 / 3, 0] * 2 + [1, 0]))
    assert (found["median_ms"], found["known_users"]) == (3.0, 1.0)
    assert overlap(ranking(GOOD), ranking(POOR)) == pytest.approx((4 / 4 + 1 / 4 + 1 / 4) / 3)


def failed(new: ServedRanking, live: ServedRanking, **settings) -> list[str]:
    verdict = judge(new, live, GateSettings(**({"k": K, "coverage": 0.7} | settings)))
    names = [check.partition(": ")[2].split()[0] for check in verdict.checks if check.startswith("FAILED")]
    assert verdict.passes == (not names)
    return names


def test_a_version_passes_that_is_no_worse_by_more_than_is_allowed():
    good, poor = ranking(GOOD), ranking(POOR)
    assert failed(good, good, worse=0.0) == []
    assert failed(good, poor) == []
    assert failed(poor, good) == ["ndcg@4"]
    assert failed(poor, good, metric="recall") == ["recall@4"]
    share = float(poor.of_users("ndcg").mean() / good.of_users("ndcg").mean())
    assert failed(poor, good, worse=1 - share + 1e-6) == []
    assert failed(poor, good, worse=1 - share - 1e-6) == ["ndcg@4"]


def test_coverage_and_time_have_bounds_of_their_own():
    narrow = ranking([[0, 1, 2, 3], [0, 1, 2, 3], [7, 0, 1, 2]])
    assert failed(narrow, ranking(GOOD)) == ["coverage"]
    assert failed(narrow, ranking(GOOD), coverage=0.6) == []
    slow = ranking(GOOD, milliseconds=5.0)
    assert failed(slow, ranking(GOOD)) == ["a"]
    assert failed(slow, ranking(GOOD), latency=2.5) == []
    assert failed(slow, ranking(GOOD), latency=3, latency_ms=4.9) == ["a"]
    assert failed(ranking(GOOD, milliseconds=1.1), ranking(GOOD, milliseconds=0.2)) == []  # 1 ms is no difference


def test_the_difference_has_the_standard_error_of_paired_users():
    good, poor = ranking(GOOD), ranking(POOR)
    verdict = judge(good, poor, GateSettings(k=K))
    differences = good.of_users("ndcg") - poor.of_users("ndcg")
    assert verdict.difference == pytest.approx(differences.mean())
    assert verdict.standard_error == pytest.approx(np.std(differences, ddof=1) / np.sqrt(3))
