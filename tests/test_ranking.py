from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ir_measures
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.metric_names import METRICS

REFERENCE = Path(__file__).with_name("reference") / "ranking_metrics.npz"

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class Case:
    """Random embeddings and pairs; the first user has no positive, and some users have no masked item."""

    def __init__(self, *, users: int, items: int, seed: int = 0, positives: int = 3, masked: int = 4):
        generator = np.random.default_rng(seed)
        self.users, self.items = users, items
        self.user_embeddings = generator.normal(size=(users, 6)).astype(np.float32)
        self.item_embeddings = generator.normal(size=(items, 6)).astype(np.float32)
        self.scores = self.user_embeddings.astype(np.float64) @ self.item_embeddings.T.astype(np.float64)
        self.positives = (
            generator.integers(1, users, users * positives),
            generator.integers(0, items, users * positives),
        )
        self.masked = (generator.integers(0, users, users * masked), generator.integers(0, items, users * masked))
        self.warm_items = generator.random(items) < 0.6

    def ranking(self, **arguments: Any) -> FullRanking:
        return FullRanking(self.positives, users=self.users, items=self.items, masked=[self.masked], **arguments)

    def evaluate(self, **arguments: Any) -> dict[str, float]:
        return self.ranking(**arguments).evaluate(self.user_embeddings, self.item_embeddings)

    def recommended(self, **arguments: Any) -> NDArray[np.int32]:
        return self.ranking(**arguments).recommended(self.user_embeddings, self.item_embeddings)

    def lists(self, candidates: NDArray[np.bool_] | None = None) -> dict[int, list[int]]:
        """The candidates of every user that are not masked, best first."""
        masked = set(zip(*(column.tolist() for column in self.masked), strict=True))
        return {
            user: [
                item
                for item in np.argsort(-self.scores[user], kind="stable").tolist()
                if (user, item) not in masked and (candidates is None or candidates[item])
            ]
            for user in range(self.users)
        }

    def relevant(self, kind: NDArray[np.bool_] | None = None) -> dict[int, set[int]]:
        """The positives of every user that can be found; users without any are absent."""
        masked = set(zip(*(column.tolist() for column in self.masked), strict=True))
        relevant: dict[int, set[int]] = {}
        for user, item in zip(*(column.tolist() for column in self.positives), strict=True):
            if (user, item) not in masked and (kind is None or kind[item]):
                relevant.setdefault(user, set()).add(item)
        return relevant


def by_ir_measures(lists: dict[int, list[int]], relevant: dict[int, set[int]], cutoffs: list[int]) -> dict[str, float]:
    measure_of: dict[str, Callable[[int], Any]] = {
        "precision": lambda k: ir_measures.P @ k,
        "recall": lambda k: ir_measures.R @ k,
        "ndcg": lambda k: ir_measures.nDCG @ k,
        "hit_rate": lambda k: ir_measures.Success @ k,
        "mrr": lambda k: ir_measures.RR @ k,
        "map": lambda k: ir_measures.AP @ k,
    }
    judgements = {str(user): {str(item): 1 for item in items} for user, items in relevant.items()}
    # Only the order matters, and single precision must be able to tell the scores apart.
    run = {str(user): {str(item): float(-rank) for rank, item in enumerate(lists[user])} for user in relevant}
    names = {f"{metric}@{k}": measure(k) for metric, measure in measure_of.items() for k in cutoffs}
    values = ir_measures.calc_aggregate(list(names.values()), judgements, run)
    return {name: values[measure] for name, measure in names.items()}


def pooled_recall(lists: dict[int, list[int]], relevant: dict[int, set[int]], k: int) -> float:
    hits = sum(len(set(lists[user][:k]) & items) for user, items in relevant.items())
    return hits / sum(len(items) for items in relevant.values())


def coverage(lists: dict[int, list[int]], users: set[int], items: NDArray[np.bool_], k: int) -> float:
    recommended = {item for user in users for item in lists[user][:k] if items[item]}
    return len(recommended) / int(np.count_nonzero(items))


def assert_equal(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def expected_part(case: Case, cutoffs: list[int], *, kind: NDArray[np.bool_], only: bool = False) -> dict[str, float]:
    lists = case.lists(kind if only else None)
    relevant = case.relevant(kind)
    shown_to = set(relevant if only else case.relevant())
    expected = by_ir_measures(lists, relevant, cutoffs)
    for k in cutoffs:
        expected[f"pooled_recall@{k}"] = pooled_recall(lists, relevant, k)
        expected[f"coverage@{k}"] = coverage(lists, shown_to, kind, k)
    return expected


def test_metrics_equal_the_published_ones() -> None:
    with np.load(REFERENCE, allow_pickle=False) as file:
        reference = dict(file)
    users, items, k = len(reference["user_embeddings"]), len(reference["item_embeddings"]), int(reference["k"])
    train, test = (tuple(reference[split].T) for split in ("train", "test"))
    ranking = FullRanking(test, users=users, items=items, masked=[train], cutoffs=[k])
    found = ranking.evaluate(reference["user_embeddings"], reference["item_embeddings"])
    for metric in ("precision", "recall", "ndcg", "pooled_recall"):
        assert found[f"{metric}@{k}"] == pytest.approx(float(reference[metric]), abs=1e-6)


@pytest.mark.parametrize(
    ("users", "items", "cutoffs"), [(2, 9, [1, 2]), (40, 12, [5, 20]), (60, 100, [1, 10, 99, 100]), (90, 900, [3, 12])]
)
def test_metrics_equal_those_of_an_independent_library(users: int, items: int, cutoffs: list[int]) -> None:
    case = Case(users=users, items=items, seed=items)
    assert_equal(case.evaluate(cutoffs=cutoffs), expected_part(case, cutoffs, kind=np.ones(items, np.bool_)))


def test_warm_and_cold_items_are_reported_apart() -> None:
    case = Case(users=70, items=120)
    cutoffs = [2, 10, 60]
    warm, cold = case.warm_items, ~case.warm_items
    parts = {
        "": expected_part(case, cutoffs, kind=warm | cold),
        "warm/": expected_part(case, cutoffs, kind=warm),
        "cold/": expected_part(case, cutoffs, kind=cold),
        "cold_only/": expected_part(case, cutoffs, kind=cold, only=True),
    }
    expected = {prefix + name: value for prefix, values in parts.items() for name, value in values.items()}
    assert_equal(case.evaluate(cutoffs=cutoffs, warm_items=warm), expected)


@pytest.mark.parametrize("block_users", [1, 7, 1000])
def test_the_size_of_the_blocks_does_not_matter(block_users: int) -> None:
    case = Case(users=30, items=50)
    whole = case.evaluate(cutoffs=[4], warm_items=case.warm_items)
    in_blocks = case.evaluate(cutoffs=[4], warm_items=case.warm_items, score_bytes=block_users * 4 * case.items)
    assert_equal(in_blocks, whole)


@settings(deadline=None, max_examples=5)
@given(users=st.integers(2, 12), items=st.integers(9, 40), seed=st.integers(0, 10_000))
def test_metrics_are_shares_and_what_is_found_grows_with_the_cutoff(users: int, items: int, seed: int) -> None:
    case = Case(users=users, items=items, seed=seed, masked=1)
    cutoffs = [1, 2, 5, 2 * items]
    found = case.evaluate(cutoffs=cutoffs, warm_items=case.warm_items)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in found.values())
    for metric in ("recall", "hit_rate", "mrr", "map", "coverage", "pooled_recall"):
        values = [found[f"{metric}@{k}"] for k in cutoffs]
        assert values == sorted(values)
    assert found[f"recall@{2 * items}"] == pytest.approx(1.0)


def test_renumbering_users_changes_nothing() -> None:
    case = Case(users=15, items=30)
    before = case.evaluate(cutoffs=[3], warm_items=case.warm_items)
    new_id = np.random.default_rng(0).permutation(case.users)
    case.user_embeddings = case.user_embeddings[np.argsort(new_id)]
    case.positives, case.masked = ((new_id[user], item) for user, item in (case.positives, case.masked))
    assert_equal(case.evaluate(cutoffs=[3], warm_items=case.warm_items), before)


def test_of_equal_scores_the_lower_item_is_recommended() -> None:
    ranking = FullRanking(([0, 1], [0, 3]), users=2, items=4, cutoffs=[1, 3, 4], metrics=["recall"])
    found = ranking.evaluate(np.ones((2, 1)), np.ones((4, 1)))
    assert found == {"recall@1": 0.5, "recall@3": 0.5, "recall@4": 1.0}


def test_masked_items_are_never_recommended_even_if_nothing_else_is_left() -> None:
    masked = (np.repeat([0, 1], 3), np.array([0, 1, 2, 0, 1, 3]))
    ranking = FullRanking(([0, 1], [3, 2]), users=2, items=4, masked=[masked], cutoffs=[2])
    found = ranking.evaluate(-np.ones((2, 1)), np.arange(4.0)[:, np.newaxis])
    assert found["recall@2"] == 1.0
    assert found["precision@2"] == 0.5
    assert found["coverage@2"] == 0.5


def test_a_cutoff_beyond_the_catalogue_costs_nothing_and_changes_precision_alone() -> None:
    case = Case(users=20, items=15)
    found = case.evaluate(cutoffs=[15, 10**9], warm_items=case.warm_items)
    for name in [name for name in found if name.endswith("@15")]:
        factor = 15 / 10**9 if "precision" in name else 1.0
        assert found[name.replace("@15", f"@{10**9}")] == pytest.approx(factor * found[name], rel=1e-12)
    assert case.recommended(cutoffs=[10**9]).shape == (len(case.relevant()), 15)


def test_pairs_given_twice_count_once() -> None:
    case = Case(users=10, items=20)
    once = case.evaluate(cutoffs=[3])
    case.positives = (np.tile(case.positives[0], 2), np.tile(case.positives[1], 2))
    case.masked = (np.tile(case.masked[0], 3), np.tile(case.masked[1], 3))
    assert_equal(case.evaluate(cutoffs=[3]), once)


def test_a_score_that_is_no_dot_product_is_ranked_the_same_way() -> None:
    case = Case(users=25, items=40)
    scores = tf.constant(case.scores)
    ranking = FullRanking(case.positives, users=25, items=40, masked=[case.masked], cutoffs=[5])
    found = ranking.evaluate_scores(lambda users: tf.gather(scores, users))
    assert_equal(found, expected_part(case, [5], kind=np.ones(40, np.bool_)))


def test_one_ranking_serves_every_epoch_without_compiling_again() -> None:
    case = Case(users=10, items=20)
    ranking = FullRanking(case.positives, users=10, items=20, cutoffs=[3], metrics=["ndcg"])
    compiled = []

    def popular_first(users: Any) -> Any:
        compiled.append(users)
        return tf.tile(tf.range(20, 0, -1)[tf.newaxis], [tf.size(users), 1])

    assert ranking.evaluate_scores(popular_first) == ranking.evaluate_scores(popular_first)
    assert len(compiled) == 1
    first = ranking.evaluate(case.user_embeddings, case.item_embeddings)
    assert ranking.evaluate(case.user_embeddings, -case.item_embeddings) != first
    assert ranking.evaluate(case.user_embeddings, case.item_embeddings) == first


def test_the_result_has_the_chosen_names_in_their_order() -> None:
    case = Case(users=30, items=50)
    chosen: dict[str, Any] = {"cutoffs": [20, 10, 10], "metrics": ["ndcg", "recall"]}
    names = ("ndcg@10", "ndcg@20", "recall@10", "recall@20")
    ranking = FullRanking(case.positives, users=30, items=50, warm_items=case.warm_items, **chosen)
    assert ranking.names == tuple(f"{part}{name}" for part in ("", "warm/", "cold/", "cold_only/") for name in names)
    assert tuple(ranking.evaluate(case.user_embeddings, case.item_embeddings)) == ranking.names


def test_a_part_without_users_is_left_out() -> None:
    case = Case(users=30, items=50)
    ranking = FullRanking(case.positives, users=30, items=50, warm_items=np.ones(50, np.bool_), cutoffs=[5])
    assert {name.partition("/")[0] for name in ranking.names if "/" in name} == {"warm"}
    assert len(ranking.names) == 2 * len(METRICS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["recal"]}, 'unknown metric "recal"; did you mean "recall"?'),
        ({"cutoffs": [10, 0]}, "cut-offs: found [10, 0], expected at least one, and none below 1"),
        ({"cutoffs": []}, "cut-offs: found []"),
        ({"warm_items": np.ones(19, np.bool_)}, "warm items: found bool of shape (19,), expected bool of shape (20,)"),
        ({"warm_items": np.ones(20)}, "warm items: found float64"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Case(users=10, items=20).evaluate(**arguments)
    assert message in str(refusal.value)


def test_embeddings_and_scores_that_do_not_fit_are_refused() -> None:
    case = Case(users=10, items=20)
    ranking = FullRanking(case.positives, users=10, items=20, cutoffs=[3])
    users, items = case.user_embeddings, case.item_embeddings
    with pytest.raises(InvalidInputError, match=r"user embeddings have shape \(9, 6\), expected \(10, width\)"):
        ranking.evaluate(users[1:], items)
    with pytest.raises(InvalidInputError, match="6 wide and item embeddings 5, expected the same width"):
        ranking.evaluate(users, items[:, 1:])
    with pytest.raises(InvalidInputError, match=r"returned shape \(None, 19\), expected \[n, 20\]"):
        ranking.evaluate_scores(lambda ids: tf.gather(tf.constant(case.scores[:, 1:]), ids))


def test_numbers_that_are_not_finite_are_refused() -> None:
    case = Case(users=10, items=700)
    ranking = FullRanking(case.positives, users=10, items=700, cutoffs=[3])
    broken = case.item_embeddings.copy()
    broken[[13, 15], 2] = np.nan, np.inf
    with pytest.raises(InvalidInputError, match=r"2 of 700 item embeddings hold NaN .* row 13"):
        ranking.evaluate(case.user_embeddings, broken)
    with pytest.raises(InvalidInputError, match="scores are NaN or infinite"):
        ranking.evaluate(np.full_like(case.user_embeddings, 1e30), case.item_embeddings * np.float32(1e30))
    scores = case.scores.astype(np.float32)
    scores[5, 699] = np.nan
    with pytest.raises(InvalidInputError, match="scores are NaN or infinite"):
        ranking.evaluate_scores(lambda users: tf.gather(tf.constant(scores), users))


def test_a_score_of_minus_infinity_is_never_recommended() -> None:
    ranking = FullRanking(([0], [1]), users=1, items=3, cutoffs=[3], metrics=["recall", "coverage"])
    scores = tf.constant([[1.0, -np.inf, 2.0]])
    found = ranking.evaluate_scores(lambda users: tf.gather(scores, users))
    assert found == {"recall@3": 0.0, "coverage@3": pytest.approx(2 / 3)}


class Recorded:
    """Processes that rank one after another: what the others gathered is known in the second round."""

    def __init__(self, index: int, size: int, rounds: list[list[Any]] | None = None):
        self.index, self.size = index, size
        self.given: list[Any] = []
        self._rounds = rounds

    def gather(self, value: Any) -> Any:
        self.given.append(value)
        if self._rounds is None:
            return tf.stack([value] * self.size)
        return tf.stack([given[len(self.given) - 1] for given in self._rounds])


@pytest.mark.parametrize("size", [2, 9])
@pytest.mark.parametrize("question", ["evaluate", "recommended"])
def test_processes_that_share_the_users_have_the_answer_of_one(question, size):
    case = Case(users=40, items=30)
    arguments = {"cutoffs": (3, 10), "warm_items": case.warm_items, "score_bytes": 4 * 30 * 6}
    groups = [Recorded(index, size) for index in range(size)]
    for group in groups:
        getattr(case, question)(**arguments, group=group)
    expected = getattr(case, question)(**arguments)
    for index in range(size):
        found = getattr(case, question)(**arguments, group=Recorded(index, size, [group.given for group in groups]))
        if question == "evaluate":
            assert found == pytest.approx(expected, rel=1e-12)
        else:
            assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lists_of_scores_that_are_not_finite_are_refused(bad):
    case = Case(users=10, items=20)
    ranking = FullRanking(case.positives, users=10, items=20, cutoffs=[3])
    scores = case.scores.astype(np.float32)
    scores[7, 11] = bad
    with pytest.raises(InvalidInputError, match="scores are NaN or infinite"):
        ranking.recommended_by(SimpleNamespace(scores=lambda users: tf.gather(tf.constant(scores), users)))
