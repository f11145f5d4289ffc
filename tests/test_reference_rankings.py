"""Popularity and random rankings, against rankings that are made one by one."""

from itertools import permutations
from math import log2

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.reference_rankings import popularity_metrics, random_metrics


class Videos:
    """Users with masked and positive items; user 0 has no positive, and the positive of user 1 is masked."""

    def __init__(self, *, users: int, items: int, masked: int, positives: int, seed: int = 0, warm_share: float = 0.6):
        random = np.random.default_rng(seed)
        self.users, self.items = users, items
        self.masked = set(zip(*random.integers(0, [[users], [items]], (2, masked)).tolist(), strict=True)) | {(1, 0)}
        drawn = zip(*random.integers([[2], [0]], [[users], [items]], (2, positives)).tolist(), strict=True)
        self.positives = {*drawn, (1, 0)}
        self.warm_items = random.random(items) < warm_share
        # Few different numbers, so that there are many ties.
        self.frequency = np.where(self.warm_items, random.integers(1, 5, items), 0)

    def ranking(self, cutoffs, **arguments):
        return FullRanking(
            np.array(sorted(self.positives)).T,
            users=self.users,
            items=self.items,
            masked=[np.array(sorted(self.masked)).T],
            cutoffs=cutoffs,
            warm_items=self.warm_items,
            **arguments,
        )

    def candidates(self, user, only=None):
        return [item for item in range(self.items) if (user, item) not in self.masked and (only is None or only[item])]

    def relevant(self, kind):
        """Relevant items of every user who has any."""
        found = {}
        for user, item in self.positives - self.masked:
            if kind[item]:
                found.setdefault(user, set()).add(item)
        return found

    @property
    def parts(self):
        """By prefix: which items are relevant, and which are ranked."""
        everything = np.ones(self.items, bool)
        return {
            "": (everything, everything),
            "warm/": (self.warm_items, everything),
            "cold/": (~self.warm_items, everything),
            "cold_only/": (~self.warm_items, ~self.warm_items),
        }


def metrics_of_list(items, relevant, k):
    hits = [item in relevant for item in items[:k]]
    ranks = [rank for rank, hit in enumerate(hits, start=1) if hit]
    ideal = sum(1 / log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return {
        "precision": len(ranks) / k,
        "recall": len(ranks) / len(relevant),
        "ndcg": sum(1 / log2(rank + 1) for rank in ranks) / ideal,
        "hit_rate": float(bool(ranks)),
        "mrr": 1 / ranks[0] if ranks else 0.0,
        "map": sum(number / rank for number, rank in enumerate(ranks, start=1)) / len(relevant),
        "hits": len(ranks),
    }


def expected_metrics(videos, cutoffs, orders_of):
    """Means over the equally likely orders of every user, then over users; users are independent of each other."""
    expected = {}
    for prefix, (kind, ranked) in videos.parts.items():
        relevant = videos.relevant(kind)
        shown = relevant if prefix == "cold_only/" else videos.relevant(np.ones(videos.items, bool))
        for k in cutoffs:
            of_users = []
            for user, wanted in relevant.items():
                lists = [metrics_of_list(order, wanted, k) for order in orders_of(videos.candidates(user, ranked))]
                of_users.append({name: np.mean([one[name] for one in lists]) for name in lists[0]})
            for name in ("precision", "recall", "ndcg", "hit_rate", "mrr", "map"):
                expected[f"{prefix}{name}@{k}"] = np.mean([one[name] for one in of_users])
            total = sum(map(len, relevant.values()))
            expected[f"{prefix}pooled_recall@{k}"] = sum(one["hits"] for one in of_users) / total
            missed = np.ones(videos.items)
            for user in shown:
                orders = list(orders_of(videos.candidates(user, ranked)))
                listed = np.zeros(videos.items)
                for order in orders:
                    listed[list(order[:k])] += 1
                missed *= 1 - listed / len(orders)
            expected[f"{prefix}coverage@{k}"] = np.mean(1 - missed[kind])
    return expected


def assert_same(found, expected, *, names):
    assert tuple(found) == names
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("masked", [0, 5, 30], ids=["hardly masked", "some masked", "much masked"])
def test_a_random_ranking_has_the_mean_of_all_orders(masked):
    videos = Videos(users=7, items=6, masked=masked, positives=12, seed=masked)
    ranking = videos.ranking([1, 2, 3, 6, 50])
    expected = expected_metrics(videos, ranking.cutoffs, lambda items: list(permutations(items)))
    assert_same(random_metrics(ranking), expected, names=ranking.names)


@pytest.mark.parametrize("cells", [1, 40, 10**6])
def test_it_does_not_matter_how_many_users_are_added_up_at_once(cells, monkeypatch):
    videos = Videos(users=50, items=30, masked=300, positives=200)
    ranking = videos.ranking([3, 10])
    whole = random_metrics(ranking)
    monkeypatch.setattr("tf_metammf.ranking.reference_rankings.TABLE_CELLS", cells)
    assert random_metrics(ranking) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    "sizes",
    [
        {"users": 7, "items": 6, "masked": 20, "positives": 12},
        {"users": 40, "items": 25, "masked": 600, "positives": 150},
        {"users": 60, "items": 80, "masked": 100, "positives": 90},
    ],
    ids=str,
)
def test_popularity_is_ranked_as_any_other_score(sizes):
    videos = Videos(**sizes)
    ranking = videos.ranking([1, 4, 10, 100])
    found = popularity_metrics(ranking, videos.frequency)
    by_frequency = lambda items: [sorted(items, key=lambda item: (-videos.frequency[item], item))]  # noqa: E731
    assert_same(found, expected_metrics(videos, ranking.cutoffs, by_frequency), names=ranking.names)
    scored = ranking.evaluate(np.ones((videos.users, 1)), videos.frequency[:, np.newaxis])
    assert found == pytest.approx(scored, abs=1e-12)


def test_counts_are_those_behind_the_numbers_of_every_part():
    videos = Videos(users=40, items=25, masked=100, positives=60)
    counts = videos.ranking([3]).counts
    for prefix, (kind, _) in videos.parts.items():
        relevant = videos.relevant(kind)
        assert counts[prefix.rstrip("/") or "all"] == {
            "users": len(relevant),
            "items": np.count_nonzero(kind),
            "interactions": sum(map(len, relevant.values())),
        }


def test_a_part_without_users_has_counts_and_no_numbers():
    videos = Videos(users=10, items=8, masked=4, positives=20, warm_share=2.0)
    ranking = videos.ranking([3])
    assert ranking.counts["cold"] == {"users": 0, "items": 0, "interactions": 0}
    for found in (random_metrics(ranking), popularity_metrics(ranking, videos.frequency)):
        assert tuple(found) == ranking.names
        assert not any(name.startswith("cold") for name in found)


def test_what_is_asked_for_is_computed_whatever_the_number_of_ids_and_ranks():
    """A table of all users and items would have 4e10 numbers here, one of all ranks 1e9."""
    random = np.random.default_rng(0)
    size = 200_000
    ranking = FullRanking(
        random.integers(0, size, (2, 1000)),
        users=size,
        items=size,
        masked=[random.integers(0, size, (2, 1000))],
        cutoffs=[10, 10**9],
        metrics=["recall", "precision"],
    )
    expected = {"recall@10": 10 / size, f"recall@{10**9}": 1.0}
    assert {name: random_metrics(ranking)[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    popularity = popularity_metrics(ranking, np.arange(size))
    assert popularity["recall@10"] == 0.0 and popularity[f"recall@{10**9}"] == pytest.approx(1.0)


def test_a_frequency_is_needed_for_every_item():
    videos = Videos(users=10, items=8, masked=4, positives=20)
    with pytest.raises(InvalidInputError, match=r"item frequency: found shape \(7,\), expected \(8,\)"):
        popularity_metrics(videos.ranking([3]), videos.frequency[1:])
