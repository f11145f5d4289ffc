"""What the page says of people, videos and new videos is what NumPy and the client say."""

import numpy as np
import pytest

from tf_metammf.export.client import Client

USERS = ["7", 'quote"', "[markup]", "user 12"]


@pytest.fixture(scope="module")
def recommender(version) -> Client:
    return Client(version)


@pytest.fixture(scope="module")
def directions(catalogue) -> np.ndarray:
    items = catalogue.model.item_embeddings().numpy().astype(np.float64)
    return items / np.linalg.norm(items, axis=1, keepdims=True)


def ids(cards):
    return [card["id"] for card in cards]


@pytest.mark.parametrize("user", USERS)
def test_a_person_is_shown_the_best_unseen_items(page, catalogue, user):
    row = catalogue.user_ids.index(user)
    found = page.get("/api/person", user=user, k=7)
    expected, scores = catalogue.best(catalogue.unseen_scores[row], 7)
    assert found["known"] and ids(found["recommended"]) == expected
    np.testing.assert_allclose([card["score"] for card in found["recommended"]], scores, rtol=1e-4)
    seen = sorted(set(catalogue.seen[1][catalogue.seen[0] == row].tolist()))
    assert found["watched"] == len(seen)
    assert [card["number"] for card in found["history"]] == seen[:60]


def test_watched_and_excluded_videos_are_included_and_left_out(page, catalogue):
    row = catalogue.user_ids.index("7")
    best, _ = catalogue.best(catalogue.scores[row], 10)
    found = page.get("/api/person", user="7", k=8, seen=1, exclude=best[:2])
    assert ids(found["recommended"]) == best[2:10]
    seen = set(catalogue.seen[1][catalogue.seen[0] == row].tolist())
    assert [card["seen"] for card in found["recommended"]] == [
        catalogue.item_ids.index(raw) in seen for raw in best[2:10]
    ]


def test_because_is_the_nearest_watched_video(page, catalogue, directions):
    row = catalogue.user_ids.index("user 12")
    history = np.unique(catalogue.seen[1][catalogue.seen[0] == row])
    for card in page.get("/api/person", user="user 12", k=10)["recommended"]:
        cosines = directions[history] @ directions[card["number"]]
        assert card["because"]["id"] == catalogue.item_ids[history[np.argmax(cosines)]]
        assert card["because"]["cosine"] == pytest.approx(cosines.max(), abs=1e-4)


def test_a_card_has_popularity_cold_shares_title_and_kind(page, catalogue, recommender):
    counts = np.bincount(catalogue.seen[1], minlength=len(catalogue.item_ids))
    shown = page.get("/api/person", user="7", k=60)["recommended"]
    shares = recommender.explain_items(ids(shown))
    for card, share in zip(shown, shares, strict=True):
        assert card["interactions"] == counts[card["number"]]
        assert card["cold"] == (counts[card["number"]] == 0)
        assert card["popularity_rank"] <= 1 + (counts >= counts[card["number"]]).sum()
        assert card["shares"] == pytest.approx(share.shares)
    video = page.get("/api/video", id="7")["video"]
    assert (video["title"], video["kinds"]) == ("Seven", {"theme": "odd"})


def test_an_unknown_person_gets_popular_videos_and_has_no_history(page, recommender):
    found = page.get("/api/person", user="nobody", k=5)
    assert (found["known"], found["history"]) == (False, [])
    assert ids(found["recommended"]) == recommender.recommend(["nobody"], 5)[0].item_ids
    assert all("because" not in card for card in found["recommended"])


def test_a_persona_is_recommended_what_its_history_is(page, catalogue, recommender):
    history = catalogue.item_ids[3:6]
    found = page.get("/api/persona", item=history, k=6)
    expected = recommender.recommend_for_history([history], 6)[0]
    assert ids(found["history"]) == history
    assert ids(found["recommended"]) == expected.item_ids
    assert all(card["because"]["id"] in history for card in found["recommended"])
    assert not page.get("/api/persona")["known"]


def test_a_video_has_its_similar_ones(page, catalogue, recommender):
    raw = catalogue.item_ids[2]
    found = page.get("/api/video", id=raw)
    expected = recommender.similar_items([raw])[0]
    assert ids(found["similar"]) == expected.item_ids
    assert [card["score"] for card in found["similar"]] == pytest.approx(expected.scores.tolist(), abs=1e-6)
    assert not page.get("/api/video", id="unknown")["video"]["known"]


def test_a_video_is_shown_to_those_who_have_it_in_their_first_places(page, catalogue):
    trained = np.flatnonzero(~catalogue.untrained)
    first = {int(user): catalogue.best(catalogue.unseen_scores[user], 20)[0] for user in trained}
    for raw in catalogue.item_ids[:40]:
        found = page.when_there("/api/for-whom", id=raw)
        expected = {catalogue.user_ids[user]: places.index(raw) + 1 for user, places in first.items() if raw in places}
        assert {user["id"]: user["place"] for user in found["users"]} == expected
        assert (found["surveyed"], found["population"]) == (len(trained), len(trained))
        places = [user["place"] for user in found["users"]]
        assert places == sorted(places)


def test_search_finds_ids_and_titles_whatever_their_case(page, catalogue):
    assert ids(page.get("/api/search", kind="user", q="QUOTE")["found"]) == ['quote"']
    assert ids(page.get("/api/search", kind="item", q="seven")["found"])[0] == "7"
    assert ids(page.get("/api/search", kind="user", q="7")["found"])[:2] == ["7", "07"]
    assert page.get("/api/search", kind="item", q="nothing like it")["found"] == []


def test_the_place_of_new_videos_is_that_of_the_client(page, catalogue, recommender):
    new = catalogue.new_items(2)
    variants = [
        {"name": "both", "modalities": {name: {"values": values[0].tolist()} for name, values in new.items()}},
        {"name": "one", "modalities": {"visual": {"values": new["visual"][1].tolist()}}},
    ]
    status, found = page.post("/api/place", {"variants": variants, "users": [*USERS, "nobody"]})
    assert status == 200
    features = {"visual": new["visual"], "acoustic": new["acoustic"]}
    presence = {"visual": [True, True], "acoustic": [True, False]}
    expected = recommender.place_of_new_items([*USERS, "nobody"], features, presence=presence)
    assert [user["ranks"] for user in found["users"]] == expected.ranks.tolist()
    assert [user["known"] for user in found["users"]] == expected.known.tolist()
    shares = recommender.explain_new_items(features, presence=presence)
    assert [variant["shares"] for variant in found["variants"]] == [pytest.approx(share.shares) for share in shares]


def test_the_features_of_a_video_are_those_of_the_record_set(page, catalogue, recommender, directions):
    rows = catalogue.model.item_features.blocks(len(catalogue.item_ids))
    features, presence = next(iter(rows))
    item = int(np.argmax(presence["visual"].numpy() & presence["acoustic"].numpy()))
    raw = catalogue.item_ids[item]
    assert page.get("/api/features", id=raw)["present"] == ["acoustic", "visual"]
    of_item = {name: {"item": raw} for name in features}
    _, found = page.post("/api/place", {"variants": [{"name": "as it is", "modalities": of_item}], "users": ["7"]})
    one = {name: values.numpy()[item : item + 1] for name, values in features.items()}
    assert found["users"][0]["ranks"] == recommender.place_of_new_items(["7"], one).ranks[0].tolist()
    embedding = recommender.encode_items(one)[0]
    nearest = np.argsort(-(directions @ (embedding / np.linalg.norm(embedding))))[:12]
    assert {card["number"] for card in found["variants"][0]["neighbours"]} == set(nearest.tolist())


def test_a_mistake_in_features_says_what_to_do(page):
    variants = [{"name": "x", "modalities": {"visual": {"values": [1.0, 2.0]}}}]
    status, found = page.post("/api/place", {"variants": variants, "users": []})
    assert status == 400 and "visual" in found["error"]
