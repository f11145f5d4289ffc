"""Baselines whose cold items borrow from items with similar features: equations in NumPy, runs and exports."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import InteractionGraph
from tf_metammf.baselines.baseline import Borrowed
from tf_metammf.baselines.ease import EASE
from tf_metammf.baselines.ials import IALS
from tf_metammf.baselines.item_knn import ItemKNN
from tf_metammf.errors import InvalidInputError
from tf_metammf.export.baseline_scores import NeighbourScores
from tf_metammf.export.recommender import Recommender
from tf_metammf.export.saved_model import export_run
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.features.similar_items import SimilarItems
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.baseline_calibration import SCALES, chosen_scale
from tf_metammf.trainer.calibration_sweep import SettingMetrics, chosen_setting
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

USERS, ITEMS, COLD = 40, 24, 4


def interactions() -> np.ndarray:
    matrix = np.random.default_rng(1).random((USERS, ITEMS)) < 0.3
    matrix[:, ITEMS - COLD :] = False
    return matrix


def graph() -> InteractionGraph:
    return InteractionGraph(*np.nonzero(interactions()), users=USERS, items=ITEMS)


BASELINES = {
    "ease": lambda neighbours: EASE(graph(), l2=3.0, neighbours=neighbours),
    "item_knn": lambda neighbours: ItemKNN(graph(), neighbours=neighbours),
    "ials": lambda _: IALS(graph(), units=5),
}


@pytest.mark.parametrize("name", BASELINES)
def test_an_item_that_borrows_is_scored_as_the_weighted_sum_of_its_lenders(name):
    """Also where a few of the weights of an item are kept."""
    model = BASELINES[name](4)
    users = tf.range(USERS, dtype=tf.int64)
    before = model.scores(users).numpy()
    cold, random = np.arange(ITEMS - COLD, ITEMS), np.random.default_rng(2)
    lenders = np.array([random.permutation(ITEMS - COLD)[:3] for _ in cold])
    weights = random.random((COLD, 3)).astype(np.float32)
    weights[1] = 0
    model.lend(Borrowed(cold, lenders, weights))
    found = model.scores(users).numpy()
    expected = before.copy()
    expected[:, cold] = np.einsum("unk,nk->un", before[:, lenders], weights)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_items_similar_to_what_borrows_have_the_largest_sums_of_its_lenders():
    model = BASELINES["item_knn"](4)
    cold, lenders, weights = np.array([ITEMS - 1]), np.array([[0, 1, 2]]), np.array([[0.5, 0.3, 0.2]], np.float32)
    sums = np.zeros(ITEMS)
    for item, share in zip(lenders[0], weights[0], strict=True):
        np.add.at(sums, model.neighbours.numpy()[item], share * model.similarity.numpy()[item])
    model.lend(Borrowed(cold, lenders, weights))
    scores = NeighbourScores(model.neighbours.numpy(), model.similarity.numpy(), model.borrowed)
    found, items = (each.numpy()[0] for each in scores.similar(tf.constant(cold), 4))
    np.testing.assert_allclose(found, np.sort(sums)[:-5:-1], rtol=1e-6)
    np.testing.assert_allclose(found, sums[items], rtol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_lent_takes_the_place_of_what_was_lent_before(name):
    model, again = BASELINES[name](6), BASELINES[name](6)
    users, cold = tf.range(USERS, dtype=tf.int64), np.arange(ITEMS - COLD, ITEMS)
    lenders, weights = np.tile([0, 1], (COLD, 1)), np.full((COLD, 2), 0.5, np.float32)
    before = model.scores(users).numpy()
    model.lend(Borrowed(cold, lenders, weights))
    model.lend(Borrowed(cold, lenders + 2, 2 * weights))
    again.lend(Borrowed(cold, lenders + 2, 2 * weights))
    np.testing.assert_allclose(model.scores(users), again.scores(users), rtol=1e-4, atol=1e-5)
    model.lend(Borrowed(cold, lenders, 0 * weights))
    np.testing.assert_allclose(model.scores(users), before, rtol=1e-4, atol=1e-5)


def test_exports_score_and_have_in_histories_what_borrows_as_sums_of_others():
    """A history in which an item borrows, and stands for its lenders, of which one is there itself."""
    model = BASELINES["ease"](ITEMS - 1)
    matrix = np.zeros((ITEMS, ITEMS))
    np.put_along_axis(matrix, model.neighbours.numpy(), model.similarity.numpy(), axis=1)
    lent = Borrowed(np.array([20, 22]), np.array([[3, 1], [5, 3]]), np.array([[0.6, 0.2], [1.2, 0.3]], np.float32))
    model.lend(lent)
    lending, standing = np.eye(ITEMS), np.eye(ITEMS)
    for item, lenders, shares in zip(lent.items, lent.lenders, lent.weights, strict=True):
        lending[item] = standing[item] = 0
        lending[item, lenders], standing[item, lenders] = shares, shares / shares.sum()
    histories = [[20, 3, 7], [22], [0, 5, 20, 22], []]
    counts = np.zeros((4, ITEMS))
    for row, history in enumerate(histories):
        counts[row, history] = 1
    expected = counts @ standing @ matrix.T @ lending.T
    scores = NeighbourScores(model.neighbours.numpy(), model.similarity.numpy(), model.borrowed)
    pairs = tf.constant([[row, item] for row, history in enumerate(histories) for item in sorted(history)], tf.int64)
    np.testing.assert_allclose(scores.all(pairs, tf.constant(4)), expected, rtol=1e-5, atol=1e-6)
    for item in (2, 3, 20, 22):
        found = scores.of(pairs, tf.fill([4], tf.constant(item, tf.int64)))
        np.testing.assert_allclose(found, expected[:, item], rtol=1e-5, atol=1e-6)


def test_lenders_are_the_warm_items_with_the_most_similar_features(monkeypatch):
    random = np.random.default_rng(0)
    features, warm = random.normal(size=(30, 4)).astype(np.float32), np.arange(30) % 3 > 0
    present = np.arange(30) != 6
    content = ItemContent(FeatureTable({"a": features}, {"a": present}), warm)
    standard = (features - features[warm].mean(axis=0)) / features[warm].std(axis=0)
    directions = standard / np.linalg.norm(standard, axis=1, keepdims=True)
    expected = np.sort(np.maximum(directions[~warm] @ directions[warm].T, 0) ** 8, axis=1)[:, :-11:-1]
    expected[2] = 0  # item 6 has no features
    for at_once in (2**25, 40):
        monkeypatch.setattr("tf_metammf.features.similar_items._COSINES_AT_ONCE", at_once)
        places, weights = SimilarItems(content, warm).of_items(np.flatnonzero(~warm))
        assert places.shape == (10, 10)
        np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-6)


def test_where_users_are_few_an_error_excuses_what_is_not_excused_without_it():
    """The second setting finds twice as many cold items, at a tenth of NDCG, which differs a lot between users."""
    ndcg = np.tile(np.array([[0.1, 0.2, 0.18]]), (30, 1))
    ndcg[::2, 2] += 0.3
    ndcg[1::2, 2] -= 0.3
    cold = np.tile(np.array([[0.0, 0.1, 0.2]]), (30, 1))
    found = SettingMetrics(ndcg, ndcg, cold)
    assert chosen_setting(found, within_error=True) == 2
    assert chosen_setting(found, within_error=False) == 1
    assert chosen_setting(SettingMetrics(ndcg, ndcg, cold[:19]), within_error=False) == 0


def test_an_item_is_worth_what_similar_ones_are_unless_users_say_otherwise():
    """Two users in a hundred lose by it, in the first case a little and in the second one a lot."""
    natural = SCALES.index(1.0)
    ndcg = np.full((100, len(SCALES)), 0.2)
    cold = np.tile(np.linspace(0, 0.3, len(SCALES)), (100, 1))
    ndcg[:2, 1:] -= 0.15  # 1.5 %, and a standard error is 1 %
    ndcg[:, natural + 1 :] -= 0.1
    for loss, chosen in ((0.0, 0), (0.003, 0), (-0.0015, natural)):
        found = ndcg.copy()
        found[:, 1 : natural + 1] -= loss
        assert chosen_scale(SettingMetrics(found, found, cold)) == chosen
    assert chosen_scale(SettingMetrics(ndcg + 0.0015, ndcg, cold[:19])) == 0


def write_tastes(folder, *, with_features: bool = True):
    """Two tastes: users want the items of theirs, which features tell; the last items of each are found later."""
    random = np.random.default_rng(3)
    users, items = 120, 60
    taste = np.arange(items) % 2
    splits: dict[str, list[tuple[int, int]]] = {"train": [], "validation": [], "test": []}
    for user in range(users):
        known = np.flatnonzero((taste == user % 2) & (np.arange(items) < 40))
        new = np.flatnonzero((taste == user % 2) & (np.arange(items) >= 40))
        watched = random.permutation(known)[:10]
        splits["train"] += [(user, item) for item in watched[:8]]
        for split, item in zip(("validation", "test"), watched[8:], strict=True):
            splits[split] += [(user, item), (user, random.choice(new))]
    columns = {name: Interactions(*np.array(pairs).T) for name, pairs in splits.items()}
    features = np.eye(2)[taste] + 0.1 * random.normal(size=(items, 2))
    modalities = {"a": ModalityFeatures(features.astype(np.float32), np.arange(items))} if with_features else {}
    user_ids, item_ids = [f"u{user}" for user in range(users)], [f"v{item}" for item in range(items)]
    raw = RawData("tastes", user_ids, item_ids, columns["train"], modalities, columns)
    return write_record_set(raw, columns, folder)


def configured(name: str, **encoder) -> Configuration:
    model = {"encoder": {"name": name, **encoder}, "calibration": "validation"}
    return Configuration.from_mapping({"model": model, "objective": {"name": "none"}, "evaluation": {"k": [5, 20]}})


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_tastes(tmp_path_factory.mktemp("tastes") / "records")


@pytest.fixture(scope="module", params=["ease", pytest.param("item_knn", marks=pytest.mark.long), "ials"])
def run(records, request, tmp_path_factory) -> RunDirectory:
    options = {"ease": {"l2": 5.0}, "item_knn": {"neighbours": 20}, "ials": {"units": 8}}[request.param]
    return train(records, tmp_path_factory.mktemp(request.param) / "run", configured(request.param, **options))


def test_cold_items_are_found_and_what_was_chosen_is_kept(run):
    kept, metrics = run.read("calibration"), run.read("metrics")
    assert kept["settings"]["cold_scale"] > 0 and kept["cold_users"] == 120
    assert kept["before"]["cold_recall"] == 0 < 0.2 < kept["after"]["cold_recall"]
    assert metrics["test"]["cold/recall@20"] > 0.2
    np.testing.assert_allclose(metrics["validation"]["ndcg@20"], kept["after"]["ndcg"], atol=1e-4)
    np.testing.assert_allclose(metrics["validation"]["cold/recall@20"], kept["after"]["cold_recall"], atol=1e-4)


def test_evaluation_and_export_rank_as_was_measured(run):
    np.testing.assert_allclose(evaluate(run)["ndcg@20"], run.read("metrics")["test"]["ndcg@20"], rtol=1e-6)
    model, data = load_model(run)
    lists = make_full_ranking(data, "validation", cutoffs=[20]).recommended_by(model)
    recommender = Recommender(export_run(run, run.folder.parent / "model"))
    found = recommender.recommend(["u0", "u1"], 20)
    of_cold = recommender.recommend_for_history([["v58"]], 5)[0]
    assert {int(item[1:]) % 2 for item in of_cold.item_ids} == {0} and min(of_cold.scores) > 0
    ids = np.array(data.record_set.item_ids)
    cold = set(ids[~data.warm_items])
    for one, expected in zip(found, lists[:2], strict=True):
        assert one.item_ids == list(ids[expected])
        assert cold & set(one.item_ids)


def test_a_damaged_calibration_is_named(run):
    whole = (run.folder / "calibration.json").read_text()
    try:
        (run.folder / "calibration.json").write_text(json.dumps({"settings": {}}))
        with pytest.raises(InvalidInputError, match=r"calibration\.json: is damaged \('cold_scale'\). Train again"):
            load_model(run)
    finally:
        (run.folder / "calibration.json").write_text(whole)


@pytest.mark.parametrize("encoder", [{"name": "popularity"}, {"name": "item_knn", "similarity": "content"}])
def test_nothing_is_calibrated_where_cold_items_have_a_place_by_design(records, tmp_path, encoder):
    run = train(records, tmp_path / "run", configured(**encoder))
    assert not run.has("calibration") and evaluate(run) == run.read("metrics")["test"]


def test_nothing_is_borrowed_without_features(tmp_path):
    run = train(write_tastes(tmp_path / "records", with_features=False), tmp_path / "run", configured("ease"))
    assert not run.has("calibration") and run.read("metrics")["test"]["cold/recall@20"] == 0
