"""Every method of a client: the same answers from a folder in this process, over REST and over gRPC.

The servers are the stand-in, and the real one where there is one. What is right comes from NumPy and from the model.
"""

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.answers import Recommendations
from tf_metammf.export.client import Client

USERS, ITEMS, K = 21, 200, 3
SAW_EVERYTHING = 1


def assert_items(catalogue, found: Recommendations, scores: np.ndarray, places: int) -> None:
    """The items with the best scores are there, in their order, and no place without an item."""
    ids, best = catalogue.best(scores, places)
    left = [number for number, item in enumerate(ids) if item]
    assert found.item_ids == [ids[number] for number in left]
    assert found.scores.dtype == np.float32
    np.testing.assert_allclose(found.scores, best[left], rtol=1e-5, atol=1e-6)


def test_each_user_gets_the_best_unseen_items_and_an_unknown_one_the_popular_items(catalogue, client):
    unknown = ["nobody", "", *(str(user) * 2**20 for user in range(5))]  # more than 4 MB, which gRPC takes by itself
    users = [*catalogue.user_ids, *unknown]
    found = client.recommend(users, 7)
    assert [each.query for each in found] == users
    assert [each.known for each in found] == [*~catalogue.untrained, *(False for _ in unknown)]
    for each, scores in zip(found, [*catalogue.unseen_scores, *(catalogue.popularity for _ in unknown)], strict=True):
        assert_items(catalogue, each, scores, 7)


def test_places_that_no_item_is_left_for_are_not_returned(catalogue, client):
    user = catalogue.user_ids[SAW_EVERYTHING]
    (nothing,) = client.recommend([user], 4)
    assert (nothing.item_ids, len(nothing.scores)) == ([], 0)
    (everything,) = client.recommend([user], 10**12, exclude_seen=False)
    assert_items(catalogue, everything, catalogue.scores[SAW_EVERYTHING], ITEMS)


def test_exclusions_are_given_for_each_user(catalogue, client):
    users = [*catalogue.user_ids, "nobody"]
    exclude = [[], ["no such item"], *([catalogue.item_ids[4], catalogue.item_ids[user]] for user in range(20))]
    found = client.recommend(users, 10, exclude=exclude, exclude_seen=False)
    for user, (each, unwanted) in enumerate(zip(found, exclude, strict=True)):
        scores = (catalogue.scores[user] if user < USERS else catalogue.popularity).copy()
        scores[[catalogue.item_ids.index(item) for item in unwanted if item in catalogue.item_ids]] = -np.inf
        assert_items(catalogue, each, scores, 10)


def test_a_history_is_answered_without_its_items(catalogue, client):
    history = [catalogue.item_ids[3], "no such item"]
    known, unknown = client.recommend_for_history([history, ["no such item"]], 10**12)
    assert (known.query, known.known) == (f"{history[0]}, no such item", True)
    assert set(known.item_ids) == set(catalogue.item_ids) - {history[0]}
    assert not unknown.known
    assert_items(catalogue, unknown, catalogue.popularity, ITEMS)


def test_pairs_are_scored_and_unknown_users_and_items_are_marked(catalogue, client):
    found = client.score([catalogue.user_ids[4], "nobody", "nobody"], [catalogue.item_ids[9], *["no such item", "7"]])
    popular = catalogue.popularity[catalogue.item_ids.index("7")]
    np.testing.assert_allclose(found.scores, [catalogue.scores[4, 9], -np.inf, popular], rtol=1e-5)
    assert found.known_users.tolist() == [True, False, False]
    assert found.known_items.tolist() == [True, False, True]


def test_similar_items_have_the_largest_cosine_and_an_unknown_item_has_none(catalogue, client):
    embeddings = catalogue.model.item_embeddings().numpy().astype(np.float64)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    *found, unknown = client.similar_items([*catalogue.item_ids[:30], "no such item"])
    for item, each in enumerate(found):
        cosines = embeddings @ embeddings[item]
        cosines[item] = -np.inf
        assert each.known
        assert_items(catalogue, each, cosines, K)
    assert (unknown.known, unknown.item_ids) == (False, [])


def test_shares_come_by_the_name_of_the_modality(catalogue, client):
    known, unknown = client.explain_items([catalogue.item_ids[0], "no such item"])
    assert (known.query, known.known, list(known.shares)) == (catalogue.item_ids[0], True, ["acoustic", "visual"])
    assert sum(known.shares.values()) == pytest.approx(1)
    assert (unknown.known, unknown.shares) == (False, {})
    found = client.explain_new_items({"visual": catalogue.new_items(2)["visual"]})
    assert [(each.query, each.shares) for each in found] == [(n, {"acoustic": 0, "visual": 1}) for n in "01"]


def test_new_items_are_embedded_as_the_model_embeds_them(catalogue, client):
    features = catalogue.new_items(9)
    presence = {"acoustic": np.arange(9) % 2 == 0, "visual": np.ones(9, bool)}
    expected = catalogue.model.embed_new_items(features, presence).numpy()
    found = client.encode_items(features, presence={"acoustic": presence["acoustic"]})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_modality_left_out_is_absent(catalogue, client):
    features = catalogue.new_items(5)
    without = client.encode_items({"visual": features["visual"]})
    marked = client.encode_items(features, presence={"acoustic": np.zeros(5, bool)})
    np.testing.assert_allclose(without, marked, rtol=1e-6)
    assert np.abs(client.encode_items(features) - without).max() > 1e-3


def test_new_items_have_a_place_for_every_user(catalogue, client):
    features = catalogue.new_items(5)
    found = client.place_of_new_items([catalogue.user_ids[0], "nobody"], features)
    scores = catalogue.model.user_embeddings().numpy()[0] @ client.encode_items(features).T
    assert found.known.tolist() == [True, False]
    np.testing.assert_allclose(found.scores[0], scores, rtol=1e-5, atol=1e-6)
    expected = [1 + int((catalogue.unseen_scores[0] >= score).sum()) for score in scores]
    assert found.ranks.tolist() == [expected, [ITEMS + 1] * 5]


def test_long_lists_become_several_requests_with_the_same_answer(catalogue, client, address):
    users, items, features = catalogue.user_ids, catalogue.item_ids[:USERS], catalogue.new_items(9)
    exclude = [[item] for item in items]
    with Client(address, rows_per_request=4) as few:
        assert_same(few.recommend(users, 5, exclude=exclude), client.recommend(users, 5, exclude=exclude))
        assert_same(few.recommend_for_history(exclude), client.recommend_for_history(exclude))
        assert_same(few.similar_items(items), client.similar_items(items))
        np.testing.assert_allclose(few.score(users, items).scores, client.score(users, items).scores, rtol=1e-5)
        for found, expected in zip(few.explain_items(items), client.explain_items(items), strict=True):
            assert found.shares == pytest.approx(expected.shares, abs=1e-5)
        shares = [each.shares for each in few.explain_new_items(features)]
        assert [each["visual"] for each in shares] == pytest.approx(
            [each.shares["visual"] for each in client.explain_new_items(features)], abs=1e-5
        )
        np.testing.assert_allclose(few.encode_items(features), client.encode_items(features), rtol=1e-5, atol=1e-6)
        found, expected = (who.place_of_new_items(users, features) for who in (few, client))
        np.testing.assert_array_equal(found.known, expected.known)
        np.testing.assert_array_equal(found.ranks, expected.ranks)


def assert_same(found: list[Recommendations], expected: list[Recommendations]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.query, one.known, one.item_ids) == (other.query, other.known, other.item_ids)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5, atol=1e-6)


def test_an_empty_request_has_an_empty_answer(catalogue, client):
    features = catalogue.new_items(0)
    assert client.recommend([]) == client.similar_items([]) == client.recommend_for_history([]) == []
    assert client.explain_items([]) == client.explain_new_items(features) == []
    assert client.score([], []).scores.shape == (0,)
    assert client.encode_items(features).shape == (0, 9)
    places = client.place_of_new_items([catalogue.user_ids[0], "nobody"], features)
    assert places.known.tolist() == [True, False]
    assert places.scores.shape == places.ranks.shape == (2, 0)
    assert client.place_of_new_items([], catalogue.new_items(3)).ranks.shape == (0, 3)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("recommend", ["17"], r'user_ids is the text "17", expected a list of ids: \["17"\]'),
        ("recommend", [["17", "\udcff"]], r"user_ids has '\\udcff', which is not UTF-8 text"),
        ("recommend", [["17"], 0], "k is 0, expected at least 1"),
        ("recommend_for_history", [["17"]], r'histories is the text "17"'),
        ("recommend_for_history", [[["17"]], 0], "k is 0, expected at least 1"),
        ("score", [["17", "18"], ["7"]], "there are 2 user ids and 1 item ids, expected the same number"),
        ("similar_items", ["17"], 'item_ids is the text "17"'),
        ("encode_items", [{}], "features is empty; expected at least one of acoustic, visual"),
        ("encode_items", [{"visul": np.zeros((2, 6))}], 'unknown modality "visul"; did you mean "visual"'),
        ("encode_items", [{"visual": np.zeros(6)}], r'modality "visual" has features of shape \(6,\)'),
        (
            "encode_items",
            [{"visual": np.zeros((2, 5))}],
            r": modality visual: found features \[2 5\], expected \[",
        ),
        ("encode_items", [{"visual": np.array([[0.0] * 6, [np.nan] * 6])}], "new item 1 has NaN or infinite features"),
        (
            "explain_new_items",
            [{"visual": np.zeros((2, 6)), "acoustic": np.zeros((3, 4))}],
            r"acoustic: found features \[3, 4\] .* expected both for the same 2",
        ),
    ],
)
def test_mistakes_are_refused(client, method, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        getattr(client, method)(*arguments)


def test_exclusions_for_another_number_of_users_are_refused(client):
    with pytest.raises(InvalidInputError, match="exclude has 1 lists for 2 users"):
        client.recommend(["17", "18"], exclude=[["a"]])
