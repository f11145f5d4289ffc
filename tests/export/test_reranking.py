"""Re-ranking inside an export, against a greedy search in NumPy."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.errors import InvalidInputError
from tf_metammf.export import reranking
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.reranking import Reranking
from tf_metammf.export.reranking_options import RerankingOptions
from tf_metammf.export.saved_model import export_model
from tf_metammf.export.serving_module import ServingModule
from tf_metammf.features.content_directions import content_directions
from tf_metammf.graphs.interaction_graph import InteractionGraph

K, CANDIDATES = 5, 30


def greedy(scores, vectors, frequency, options: RerankingOptions, k: int) -> list[int]:
    """Items of one user, by the definition; items with a score of -inf are no candidates."""
    count = min(max(k, options.candidates), np.isfinite(scores).sum())
    candidates = np.argsort(-scores, kind="stable")[:count].tolist()
    if not candidates:
        return []
    low, high = scores[candidates].min(), scores[candidates].max()
    found: list[int] = []
    while candidates and len(found) < k:
        values = []
        for item in candidates:
            relevance = (scores[item] - low) / (high - low) if high > low else 0.0
            popularity = np.log(1 + frequency[item]) / np.log(1 + frequency.max())
            nearest = max((vectors[item] @ vectors[other] for other in found), default=0.0)
            relevance -= options.popularity_discount * popularity
            values.append((1 - options.diversity) * relevance - options.diversity * nearest)
        found.append(candidates.pop(int(np.argmax(values))))
    return found


def unit(vectors) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


@pytest.fixture(scope="module")
def content(catalogue) -> np.ndarray:
    return content_directions(catalogue.model.item_features)


CASES = {
    "by content": RerankingOptions(diversity=0.4, candidates=CANDIDATES),
    "by vectors": RerankingOptions(diversity=0.7, candidates=CANDIDATES, similarity="vectors"),
    "against popularity": RerankingOptions(popularity_discount=0.6, candidates=CANDIDATES),
    "both": RerankingOptions(diversity=0.3, popularity_discount=0.5, candidates=CANDIDATES),
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize("values_at_once", [2**23, 500], ids=["at once", "in turn"])
def test_the_order_is_that_of_a_greedy_search(catalogue, content, options, values_at_once, monkeypatch):
    monkeypatch.setattr(reranking, "VALUES_AT_ONCE", values_at_once)
    vectors = unit(catalogue.model.item_embeddings().numpy())
    frequency = np.bincount(catalogue.seen[1], minlength=len(catalogue.item_ids))
    scores = catalogue.unseen_scores.astype(np.float32)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :CANDIDATES]
    own = np.take_along_axis(scores, best, axis=1)
    module = Reranking(
        options if options.similarity == "vectors" else with_content(options, content),
        item_frequency=frequency,
        vectors=lambda items: tf.gather(vectors, items),
    )
    items = np.where(own > -np.inf, best, -1)
    for k in (K, tf.constant(K)):
        found_scores, found = tf.function(module.best)(tf.constant(own), tf.constant(items), k)
        for row, of_user in enumerate(scores):
            expected = greedy(of_user, content if options.needs_content else vectors, frequency, options, K)
            assert [item for item in found[row].numpy() if item >= 0] == expected
            assert found_scores[row, : len(expected)].numpy().tolist() == of_user[expected].tolist()
            assert np.isneginf(found_scores[row, len(expected) :]).all()


def with_content(options: RerankingOptions, content) -> RerankingOptions:
    return RerankingOptions(**options.to_json(), content=content)


def test_no_user_and_more_places_than_candidates(content):
    module = Reranking(
        with_content(CASES["both"], content), item_frequency=np.ones(len(content), int), vectors=lambda items: items
    )
    none = tf.zeros([0, 7]), tf.zeros([0, 7], tf.int64)
    scores, items = tf.function(module.best)(*none, tf.constant(3))
    assert scores.shape == items.shape == (0, 3)
    assert module.candidates(CANDIDATES + 1) == CANDIDATES + 1 and module.candidates(10**6) == len(content)


def test_an_export_answers_in_the_new_order_with_the_scores_of_the_model(catalogue, content, reranked_version):
    options, frequency = CASES["both"], np.bincount(catalogue.seen[1], minlength=len(catalogue.item_ids))
    asked = tf.saved_model.load(str(reranked_version)).signatures
    users = tf.constant([user.encode() for user in [*catalogue.user_ids, "nobody"]])
    found = asked["serving_default"](user_id=users)
    more = asked["recommend"](
        user_id=users, k=tf.constant(40), exclude_item_id=tf.fill([len(users), 1], ""), exclude_seen=tf.constant(False)
    )
    shown = [[item.decode() for item in row if item] for row in found["item_id"].numpy()]
    for user in np.flatnonzero(~catalogue.untrained):
        expected = greedy(catalogue.unseen_scores[user].astype(np.float32), content, frequency, options, K)
        assert shown[user] == [catalogue.item_ids[item] for item in expected]
        np.testing.assert_allclose(found["score"][user, : len(expected)], catalogue.scores[user, expected], rtol=1e-5)
        # More places than candidates: all of them are ordered.
        expected = greedy(catalogue.scores[user].astype(np.float32), content, frequency, options, 40)
        assert [item.decode() for item in more["item_id"][user].numpy()] == [catalogue.item_ids[i] for i in expected]
    # Unknown users get popular items, most popular first.
    assert shown[-1] == catalogue.best(catalogue.popularity, K)[0]
    report = json.loads((reranked_version / "assets.extra" / "reranking.json").read_text())
    assert report == {"diversity": 0.3, "popularity_discount": 0.5, "candidates": 30, "similarity": "content"}


def test_histories_are_re_ranked_and_pairs_are_not(catalogue, reranked_version, version):
    asked, plain = (tf.saved_model.load(str(each)).signatures for each in (reranked_version, version))
    history = tf.constant([[catalogue.item_ids[3].encode(), catalogue.item_ids[9].encode()]])
    best = plain["recommend_for_history"](history_item_id=history, k=tf.constant(CANDIDATES))
    found = asked["recommend_for_history"](history_item_id=history, k=tf.constant(K))
    scores = dict(zip(best["item_id"][0].numpy(), best["score"][0].numpy(), strict=True))
    items = found["item_id"][0].numpy().tolist()
    assert set(items) <= set(scores) and items != best["item_id"][0, :K].numpy().tolist()
    np.testing.assert_allclose(found["score"][0], [scores[item] for item in items], rtol=1e-5)
    pair = {"user_id": tf.constant(["user 9"]), "item_id": tf.constant(["item 9"])}
    assert asked["score"](**pair)["score"] == plain["score"](**pair)["score"]


@pytest.mark.long
def test_baselines_are_re_ranked_by_content_or_by_their_own_factors(catalogue, content, tmp_path):
    users, items = len(catalogue.user_ids), len(catalogue.item_ids)
    graph = InteractionGraph(*catalogue.seen, users=users, items=items)
    frequency, known = (
        np.bincount(catalogue.seen[1], minlength=items),
        {
            "user_ids": catalogue.user_ids,
            "item_ids": catalogue.item_ids,
            "seen": catalogue.seen,
            "k": K,
        },
    )
    ease, ials = EASE(graph, l2=5.0, neighbours=8), IALS(graph, units=4)
    with pytest.raises(InvalidInputError, match="the model has no vectors of items"):
        export_model(ease, tmp_path / "no", **known, reranking=CASES["by vectors"])
    for model, options, vectors in (
        (ease, with_content(CASES["by content"], content), content),
        (ials, CASES["by vectors"], unit(ials.item_factors.numpy())),
    ):
        version = export_model(model, tmp_path / type(model).__name__, **known, reranking=options)
        asked = tf.saved_model.load(str(version)).signatures["serving_default"]
        found = asked(user_id=tf.constant(catalogue.user_ids[2:9]))["item_id"].numpy()
        for row, user in zip(found, range(2, 9), strict=True):
            scores = model.scores(tf.constant([user]))[0].numpy()
            scores[catalogue.seen[1][catalogue.seen[0] == user]] = -np.inf
            expected = greedy(scores, vectors, frequency, options, K)
            assert [item.decode() for item in row] == [catalogue.item_ids[item] for item in expected]


def test_the_recall_of_a_partitioned_index_is_that_of_the_candidates(catalogue, tmp_path):
    module = ServingModule(
        catalogue.model,
        user_ids=catalogue.user_ids,
        item_ids=catalogue.item_ids,
        seen=catalogue.seen,
        labels=tmp_path,
        k=K,
        index=IndexOptions("partitioned"),
        reranking=CASES["against popularity"],
    )
    assert f"recall@{CANDIDATES}" in module.indices.report.content["recommend"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"diversity": 1.5}, "diversity is 1.5, expected 0"),
        ({"diversity": float("nan")}, "diversity is nan"),
        ({"popularity_discount": -0.1}, "popularity_discount is -0.1"),
        ({"popularity_discount": float("inf")}, "popularity_discount is inf"),
        ({"candidates": 0}, "candidates is 0"),
        ({"similarity": "contents"}, 'did you mean "content"'),
    ],
)
def test_bad_values_are_named(values, message):
    with pytest.raises(InvalidInputError, match=message):
        RerankingOptions(**values)


def test_what_cannot_be_re_ranked_is_refused(catalogue, tmp_path):
    with pytest.raises(InvalidInputError, match="candidates is 3, fewer than the 5 places"):
        catalogue.export(tmp_path, k=5, reranking=RerankingOptions(popularity_discount=0.1, candidates=3))
    with pytest.raises(InvalidInputError, match="no features of the items"):
        catalogue.export(tmp_path, reranking=RerankingOptions(diversity=0.1))
    assert not list(tmp_path.iterdir())
