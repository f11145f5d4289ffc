"""Metrics of single users add up to those of the full ranking."""

import numpy as np
import pytest

from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.ranking.user_metrics import UserLists

USERS, ITEMS = 60, 40


@pytest.fixture(scope="module", params=[4 * ITEMS * 7, 2**20], ids=["many blocks", "one block"])
def case(request):
    random = np.random.default_rng(0)
    warm = random.random(ITEMS) < 0.7
    ranking = FullRanking(
        (random.integers(0, USERS, 200), random.integers(0, ITEMS, 200)),
        users=USERS,
        items=ITEMS,
        masked=[(random.integers(0, USERS, 900), random.integers(0, ITEMS, 900))],
        cutoffs=(3, 10, 35),
        warm_items=warm,
        score_bytes=request.param,
    )
    embeddings = random.normal(size=(USERS, 5)).astype(np.float32), random.normal(size=(ITEMS, 5)).astype(np.float32)
    return ranking, embeddings, warm


def test_means_over_users_are_the_metrics_of_the_ranking(case):
    ranking, embeddings, warm = case
    expected = ranking.evaluate(*embeddings)
    lists = UserLists(ranking.pairs, ranking.recommended(*embeddings), ITEMS)
    for prefix, relevant in (("", None), ("warm/", warm), ("cold/", ~warm)):
        for name, values in lists.metrics((3, 10, 35), relevant_items=relevant).items():
            assert values.shape == (len(ranking.pairs.users),)
            assert np.nanmean(values) == pytest.approx(expected[f"{prefix}{name}"], abs=1e-9)


def test_lists_are_the_best_items_without_masked_ones_and_end_where_there_are_no_more(case):
    ranking, (users, items), _ = case
    lists = ranking.recommended(users, items)
    masked = set(zip(ranking.pairs.masked.rows.tolist(), ranking.pairs.masked.items.tolist(), strict=True))
    for row, user in enumerate(ranking.pairs.users):
        order = [item for item in np.argsort(-(items @ users[user])).tolist() if (row, item) not in masked][:35]
        assert lists[row].tolist() == order + [ITEMS] * (35 - len(order))


def test_users_without_a_relevant_item_have_no_metric(case):
    ranking, embeddings, _ = case
    lists = UserLists(ranking.pairs, ranking.recommended(*embeddings), ITEMS)
    nothing = lists.metrics((3,), relevant_items=np.zeros(ITEMS, bool))
    assert np.isnan(nothing["recall@3"]).all() and np.isnan(nothing["ndcg@3"]).all()
