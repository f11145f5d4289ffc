"""Baselines as SavedModels: the ranking of the evaluation, by every signature that makes sense."""

import json

import numpy as np
import pytest

from tf_metammf.baselines.baseline import Baseline
from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_knn import ItemKNN
from tf_metammf.baselines.popularity import Popularity
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.export import baseline_scores
from tf_metammf.export.client import Client
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.saved_model import export_model
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.ranking.full_ranking import FullRanking
from tf_metammf.records.raw_data import Interactions, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import load_configuration
from tf_metammf.trainer.runs.run_directory import create_run_directory

USERS, ITEMS, K, NEIGHBOURS = 30, 40, 5, 8


def raw(kind, numbers) -> list[str]:
    return [f"{kind}{number}" for number in numbers]


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, np.ndarray]:
    """The last user has no training items, and the last item no users."""
    random = np.random.default_rng(4)
    pairs = np.unique(random.integers(0, [USERS - 1, ITEMS - 1], (250, 2)), axis=0)
    return tuple(random.permutation(pairs).T)


@pytest.fixture(scope="module")
def baselines(seen) -> dict[str, Baseline]:
    graph = InteractionGraph(*seen, users=USERS, items=ITEMS)
    return {
        "popularity": Popularity(np.bincount(seen[1], minlength=ITEMS)),
        "item_knn": ItemKNN(graph, neighbours=NEIGHBOURS),
        "ease": EASE(graph, l2=5.0, neighbours=NEIGHBOURS),
        "ials": IALS(graph, units=4),
    }


@pytest.fixture(scope="module")
def exported(baselines, seen, tmp_path_factory) -> dict[str, Client]:
    ids = {"user_ids": raw("u", range(USERS)), "item_ids": raw("v", range(ITEMS)), "seen": seen, "k": K}
    folder = tmp_path_factory.mktemp("baselines")
    return {name: Client(export_model(model, folder / name, **ids)) for name, model in baselines.items()}


each = pytest.mark.parametrize("name", ["popularity", "item_knn", "ease", "ials"])
TOLERANCE = {"ials": 1e-3}
"""Relative; of what solves least squares with other operations than the evaluation. The others are exact."""


@each
def test_known_users_get_the_ranking_of_the_evaluation(name, baselines, exported, seen):
    others = np.arange(USERS - 1), np.full(USERS - 1, ITEMS - 1)
    ranking = FullRanking(others, users=USERS, items=ITEMS, masked=[seen], cutoffs=[ITEMS])
    lists = ranking.recommended_by(baselines[name])
    scores = baselines[name].scores(np.arange(USERS - 1)).numpy()
    for user, found in enumerate(exported[name].recommend(raw("u", range(USERS - 1)), ITEMS)):
        expected = [item for item in lists[user] if item < ITEMS]
        assert found.known and found.item_ids == raw("v", expected)
        np.testing.assert_allclose(found.scores, scores[user, expected], rtol=TOLERANCE.get(name, 0))


@each
def test_serving_default_has_the_first_places(name, exported):
    answer = exported[name].predict("serving_default", {"user_id": ["u3", "nobody"]})
    first, unknown = exported[name].recommend(["u3", "nobody"], K)
    assert [[item.decode() for item in row] for row in answer["item_id"]] == [first.item_ids, unknown.item_ids]


@each
def test_unknown_users_get_the_popular_items(name, exported, seen):
    shares = np.bincount(seen[1], minlength=ITEMS) / len(seen[1])
    order = np.argsort(-shares, kind="stable")
    for found in exported[name].recommend(["nobody", f"u{USERS - 1}"], ITEMS):
        assert not found.known and found.item_ids == raw("v", order)
        np.testing.assert_allclose(found.scores, shares[order], rtol=1e-6)


@each
def test_a_history_is_a_user_with_those_items(name, exported, seen):
    client = exported[name]
    users = [0, 5, 9]
    histories = [raw("v", np.random.default_rng(0).permutation(seen[1][seen[0] == user])) for user in users]
    by_id = client.recommend(raw("u", users), ITEMS)
    by_history = client.recommend_for_history([*histories, ["unheard of"]], ITEMS)
    for one, other in zip(by_id, by_history[:3], strict=True):
        assert one.item_ids == other.item_ids
        np.testing.assert_array_equal(one.scores, other.scores)
    assert not by_history[3].known and by_history[3].item_ids == client.recommend(["nobody"], ITEMS)[0].item_ids


@each
def test_scores_of_pairs_are_those_of_the_model(name, baselines, exported):
    users, items = np.random.default_rng(1).integers(0, [USERS - 1, ITEMS], (50, 2)).T
    expected = baselines[name].scores(users).numpy()[np.arange(50), items]
    found = exported[name].score(raw("u", users), raw("v", items))
    np.testing.assert_allclose(found.scores, expected, rtol=TOLERANCE.get(name, 1e-6), atol=1e-6)
    assert exported[name].score(["u1"], ["unheard of"]).scores == [-np.inf]


@each
def test_items_can_be_excluded_and_seen_ones_kept(name, baselines, exported, seen):
    scores = baselines[name].scores(np.array([2, 3])).numpy()
    scores[0, [0, 1]] = -np.inf
    found = exported[name].recommend(["u2", "u3"], 7, exclude=[["v0", "v1"], []], exclude_seen=False)
    for row, one in zip(scores, found, strict=True):
        assert one.item_ids == raw("v", np.argsort(-row, kind="stable")[:7])


def test_similar_items_are_the_nearest_neighbours(baselines, exported):
    neighbours, similarity = baselines["item_knn"].neighbours.numpy(), baselines["item_knn"].similarity.numpy()
    for item, found in enumerate(exported["item_knn"].similar_items(raw("v", range(ITEMS)))):
        order = [n for n in np.argsort(-similarity[item], kind="stable")[:K] if similarity[item, n] > 0]
        assert found.item_ids == raw("v", neighbours[item, order])
        np.testing.assert_array_equal(found.scores, similarity[item, order])


def test_similar_items_of_factors_are_those_in_the_same_direction(baselines, exported):
    factors = baselines["ials"].item_factors.numpy()[:-1]  # the last item has no interactions, and no direction
    directions = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosines = directions @ directions.T - 3 * np.eye(len(factors))
    found = exported["ials"].similar_items(raw("v", range(len(factors))))
    assert [one.item_ids[0] for one in found] == raw("v", cosines.argmax(axis=1))
    np.testing.assert_allclose([one.scores[0] for one in found], cosines.max(axis=1), rtol=1e-5)


def test_users_beyond_the_memory_of_one_product_are_ranked_in_groups(baselines, seen, monkeypatch):
    from tf_metammf.export.seen_items import SeenItems

    model = baselines["item_knn"]
    pairs = SeenItems(*seen, users=USERS).pairs(np.arange(USERS))
    arguments = model.neighbours.numpy(), model.similarity.numpy()
    at_once = baseline_scores.NeighbourScores(*arguments).search(pairs, USERS, 6, excluded=pairs)
    monkeypatch.setattr(baseline_scores, "SCORES_AT_ONCE", 4 * ITEMS)
    in_turn = baseline_scores.NeighbourScores(*arguments).search(pairs, USERS, 6, excluded=pairs)
    for one, other in zip(at_once, in_turn, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_makes_no_sense_is_refused_by_name(baselines, exported, seen, tmp_path):
    assert sorted(exported["popularity"].signatures()) == [
        "recommend",
        "recommend_for_history",
        "score",
        "serving_default",
    ]
    with pytest.raises(InvalidInputError, match='no signature "similar_items"'):
        exported["popularity"].similar_items(["v0"])
    with pytest.raises(InvalidInputError, match="index is partitioned, but ItemKNN has no embeddings to partition"):
        export_model(
            baselines["item_knn"],
            tmp_path / "model",
            user_ids=raw("u", range(USERS)),
            item_ids=raw("v", range(ITEMS)),
            seen=seen,
            index=IndexOptions("partitioned"),
        )
    assert not (tmp_path / "model").exists()


def test_a_run_is_exported_by_the_command_with_warm_up_and_model_card(seen, tmp_path, capsys):
    splits = {"train": Interactions(*(part.astype(np.int64) for part in seen))}
    data = RawData("small", raw("u", range(USERS)), raw("v", range(ITEMS)), splits["train"], {}, splits)
    run = create_run_directory(
        tmp_path / "run", load_configuration("popularity"), write_record_set(data, splits, tmp_path / "records")
    )
    run.weights_file.touch()
    words = ["export", "--run", str(run.folder), "--output", str(tmp_path / "model")]
    assert main(words) == 0
    assert "recommend_for_history" in capsys.readouterr().out
    assets = tmp_path / "model" / "1" / "assets.extra"
    card = json.loads((assets / "model_card.json").read_text())
    assert card["configuration"]["model"]["encoder"]["name"] == "popularity"
    assert (assets / "tf_serving_warmup_requests").is_file()
    assert main([*words, "--refresh", "--records", str(tmp_path / "records")]) == 2
    assert "its encoder is popularity, which has no weights" in capsys.readouterr().err
