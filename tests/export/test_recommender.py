"""Asking an export from Python: what comes back, and what is said where there is nothing to ask."""

import shutil

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.recommender import Recommender

SAW_EVERYTHING = 1


@pytest.fixture(scope="module")
def recommender(version) -> Recommender:
    return Recommender(version.parent)


def test_each_user_gets_items_scores_and_whether_he_is_known(catalogue, recommender):
    users = [catalogue.user_ids[4], "nobody"]
    known, unknown = recommender.recommend(users, 7)
    ids, scores = catalogue.best(catalogue.unseen_scores[4], 7)
    assert (known.query, known.known, known.item_ids) == (users[0], True, ids)
    np.testing.assert_allclose(known.scores, scores, rtol=1e-5)
    ids, scores = catalogue.best(catalogue.popularity, 7)
    assert (unknown.query, unknown.known, unknown.item_ids) == ("nobody", False, ids)
    np.testing.assert_allclose(unknown.scores, scores, rtol=1e-5)


def test_places_that_nothing_is_left_for_are_not_returned(catalogue, recommender):
    user = catalogue.user_ids[SAW_EVERYTHING]
    (nothing,) = recommender.recommend([user], 4)
    assert (nothing.item_ids, len(nothing.scores)) == ([], 0)
    (everything,) = recommender.recommend([user], 10**12, exclude_seen=False)
    assert sorted(everything.item_ids) == sorted(catalogue.item_ids)


def test_exclusions_are_given_for_each_user(catalogue, recommender):
    users = catalogue.user_ids[2:4]
    best = catalogue.best(catalogue.unseen_scores[2], 3)[0]
    first, second = recommender.recommend(users, 1, exclude=[best[:2], []])
    assert first.item_ids == [best[2]]
    assert second.item_ids == catalogue.best(catalogue.unseen_scores[3], 1)[0]


def test_nobody_asked_nothing_answered(recommender):
    assert recommender.recommend([]) == recommender.similar_items([]) == []


def test_similar_items_of_an_unknown_item_are_none(catalogue, recommender):
    known, unknown = recommender.similar_items([catalogue.item_ids[0], "no such item"])
    assert (known.known, len(known.item_ids)) == (True, 3)
    assert (unknown.known, unknown.item_ids) == (False, [])


def test_a_modality_left_out_is_absent(catalogue, recommender):
    features = catalogue.new_items(5)
    without = recommender.encode_items({"visual": features["visual"]})
    marked = recommender.encode_items(features, presence={"acoustic": np.zeros(5, bool)})
    np.testing.assert_allclose(without, marked, rtol=1e-6)
    assert np.abs(recommender.encode_items(features) - without).max() > 1e-3


def test_a_history_is_answered_without_itself(catalogue, recommender):
    history = [catalogue.item_ids[3], "no such item"]
    known, unknown = recommender.recommend_for_history([history, ["no such item"]], 10**12)
    assert (known.query, known.known) == (f"{history[0]}, no such item", True)
    assert set(known.item_ids) == set(catalogue.item_ids) - {history[0]}
    assert not unknown.known
    assert unknown.item_ids == catalogue.best(catalogue.popularity, len(catalogue.item_ids))[0]


def test_pairs_are_scored_and_told_who_is_known(catalogue, recommender):
    found = recommender.score([catalogue.user_ids[4], "nobody"], [catalogue.item_ids[9], "no such item"])
    np.testing.assert_allclose(found.scores, [catalogue.scores[4, 9], -np.inf], rtol=1e-5)
    assert (found.known_users.tolist(), found.known_items.tolist()) == ([True, False], [True, False])
    with pytest.raises(InvalidInputError, match="score: item_id: found 1 items, expected one for each of the 2 users"):
        recommender.score(catalogue.user_ids[:2], ["7"])


def test_shares_come_by_the_name_of_the_modality(catalogue, recommender):
    known, unknown = recommender.explain_items([catalogue.item_ids[0], "no such item"])
    assert (known.query, known.known, list(known.shares)) == (catalogue.item_ids[0], True, ["acoustic", "visual"])
    assert sum(known.shares.values()) == pytest.approx(1)
    assert (unknown.known, unknown.shares) == (False, {})
    found = recommender.explain_new_items({"visual": catalogue.new_items(2)["visual"]})
    assert [each.shares for each in found] == [{"acoustic": 0, "visual": 1}] * 2


def test_new_items_have_a_place_for_every_user(catalogue, recommender):
    features = catalogue.new_items(5)
    found = recommender.place_of_new_items([catalogue.user_ids[0], "nobody"], features)
    scores = catalogue.model.user_embeddings().numpy()[0] @ recommender.encode_items(features).T
    assert found.known.tolist() == [True, False]
    np.testing.assert_allclose(found.scores[0], scores, rtol=1e-5, atol=1e-6)
    expected = [1 + int((catalogue.unseen_scores[0] >= score).sum()) for score in scores]
    assert found.ranks.tolist() == [expected, [len(catalogue.item_ids) + 1] * 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"user_ids": "17"}, r'user_ids is the text "17", expected a list of ids: \["17"\]'),
        ({"user_ids": ["17", "\udcff"]}, r"user_ids has '\\udcff', which is not UTF-8 text"),
        ({"user_ids": ["17"], "k": 0}, "k is 0, expected at least 1"),
        ({"user_ids": ["17", "18"], "exclude": [["a"]]}, "exclude has 1 lists for 2 users"),
    ],
)
def test_questions_that_make_no_sense_are_refused(recommender, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        recommender.recommend(**arguments)


@pytest.mark.parametrize(
    ("histories", "options", "message"),
    [(["17"], {}, r'histories is the text "17"'), ([["17"]], {"k": 0}, "k is 0, expected at least 1")],
)
def test_histories_that_make_no_sense_are_refused(recommender, histories, options, message):
    with pytest.raises(InvalidInputError, match=message):
        recommender.recommend_for_history(histories, **options)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "features is empty; expected at least one of acoustic, visual"),
        ({"visul": np.zeros((2, 6))}, 'unknown modality "visul"; did you mean "visual"'),
        ({"visual": np.zeros(6)}, r'modality "visual" has features of shape \(6,\)'),
        ({"visual": np.zeros((2, 5))}, r"encode_items: modality visual: found features \[2 5\], expected \[batch, 6\]"),
        (
            {"visual": np.zeros((2, 6)), "acoustic": np.zeros((3, 4))},
            r"visual: found features \[2 6\] .* expected both for the same 3",
        ),
        ({"visual": np.array([[0.0] * 6, [np.nan] * 6])}, "new item 1 has NaN or infinite features"),
    ],
)
def test_features_that_do_not_fit_are_refused_by_name(recommender, features, message):
    with pytest.raises(InvalidInputError, match=message):
        recommender.encode_items(features)


def test_a_folder_without_an_export_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InvalidInputError, match="is not a folder"):
        Recommender(tmp_path / "nowhere")
    (tmp_path / "latest").mkdir()
    with pytest.raises(InvalidInputError, match=r'is not an export; expected .* a number .*"tf-metammf export"'):
        Recommender(tmp_path)


@pytest.mark.parametrize("name", ["model [b]", "[lr=0.1]", "a*b?", "{a,b}", "\\[x\\]", "a #%25'\"", "ü 中", "-x", "~"])
def test_an_export_is_loaded_from_a_folder_of_any_name(name, version, catalogue, tmp_path):
    folder = tmp_path / name
    shutil.copytree(version, folder / "1")
    (found,) = Recommender(folder).recommend([catalogue.user_ids[4]], 3)
    assert found.item_ids == catalogue.best(catalogue.unseen_scores[4], 3)[0]


def test_an_export_that_is_damaged_is_refused(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(InvalidInputError, match=f"{tmp_path / '1'}: cannot be loaded"):
        Recommender(tmp_path)
