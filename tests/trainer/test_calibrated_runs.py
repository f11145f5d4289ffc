"""A calibrated run: chosen on validation, kept, evaluated, exported and trained on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.export.recommender import Recommender
from tf_metammf.export.saved_model import export_run
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.synthesis.synthesis import synthesize
from tf_metammf.records.synthesis.synthetic_videos import SyntheticVideos
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.evaluation import evaluate, load_model
from tf_metammf.trainer.rankings import make_full_ranking
from tf_metammf.trainer.refresh import refresh
from tf_metammf.trainer.runs.run_directory import RunDirectory
from tf_metammf.trainer.training import train

EMBEDDINGS = {"id_units": 8, "fusion": {"units": [8]}, "id_dropout": 0.5, "calibration": "validation"}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("calibrated")
    data = synthesize(SyntheticVideos(users=200, items=150, unseen_items=1, seed=0))
    records = write_record_set(data.raw, data.splits, folder / "records")
    configuration = Configuration.from_mapping(
        {"model": EMBEDDINGS, "training": {"epochs": 2, "batch_size": 256, "learning_rate": 0.01}}
    )
    return train(records, folder / "run", configuration, verbose=0)


def test_it_keeps_what_was_chosen_and_what_it_changes(run):
    kept = json.loads((run.folder / "calibration.json").read_text())
    assert set(kept["settings"]) == {"cold_bias", "borrows"}
    assert kept["cold_users"] > 20 and kept["after"]["cold_recall"] >= kept["before"]["cold_recall"]
    assert kept["after"]["ndcg"] >= 0.99 * kept["before"]["ndcg"]
    metrics = run.read("metrics")["validation"]
    np.testing.assert_allclose(metrics["ndcg@20"], kept["after"]["ndcg"], atol=1e-4)
    np.testing.assert_allclose(metrics["cold/recall@20"], kept["after"]["cold_recall"], atol=1e-4)


@pytest.mark.long
def test_evaluation_and_export_have_the_calibrated_ranking(run):
    np.testing.assert_allclose(evaluate(run)["ndcg@20"], run.read("metrics")["test"]["ndcg@20"], rtol=1e-6)
    model, data = load_model(run)
    assert model.calibration is not None
    ranking = make_full_ranking(data, "test", cutoffs=[5])
    lists = ranking.recommended_by(model)
    recommender = Recommender(export_run(run, run.folder.parent / "model"))
    users = [data.record_set.user_ids[user] for user in (0, 1)]
    train_items = [data.train.item[data.train.user == user] for user in (0, 1)]
    held_out = [data.interactions_of("validation")[1][data.interactions_of("validation")[0] == u] for u in (0, 1)]
    ids = np.array(data.record_set.item_ids)
    found = recommender.recommend(users, 5, exclude=[list(ids[items]) for items in held_out])
    for one, expected in zip(found, lists[:2], strict=True):
        assert one.item_ids == list(ids[expected])
    by_history = recommender.recommend_for_history([list(ids[items]) for items in train_items], 5)
    assert all(np.isfinite(one.scores).all() for one in by_history)


@pytest.mark.long
@pytest.mark.parametrize("borrows", [False, True])
def test_a_refresh_keeps_the_terms_and_applies_them_to_what_is_new(run, tmp_path, borrows):
    """A new item, whether it has interactions by now or not, is cold to weights that never saw it."""
    copied = RunDirectory(Path(shutil.copytree(run.folder, tmp_path / "run")))
    copied.write("calibration", {**run.read("calibration"), "settings": {"cold_bias": 0.7, "borrows": borrows}})
    before, data = load_model(copied)
    known = data.record_set
    items, users = known.metadata.items, known.metadata.users
    table = read_items(known)
    features = {name: np.concatenate([rows, rows[:2][::-1] + 0.5]) for name, rows in table.features.items()}
    present = {name: np.flatnonzero(np.append(rows, [True, True])) for name, rows in table.presence.items()}
    splits = {name: read_interactions(known, name) for name in ("train", "validation", "test")}
    splits["train"] = Interactions(np.append(splits["train"].user, 0), np.append(splits["train"].item, items))
    raw = RawData(
        "grown",
        list(known.user_ids),
        [*known.item_ids, "new", "newer"],
        splits["train"],
        {name: ModalityFeatures(rows[present[name]], present[name]) for name, rows in features.items()},
        splits,
    )
    grown = write_record_set(raw, splits, tmp_path / "grown")
    refreshed = refresh(copied, grown.folder)
    of_users, of_items = (each.numpy() for each in refreshed.model.embeddings())
    assert len(of_users) == users and refreshed.changes.items_added == 2
    expected_users, expected_items = (each.numpy() for each in before.embeddings())
    np.testing.assert_allclose(of_users, expected_users, atol=1e-5)
    np.testing.assert_allclose(of_items[:items], expected_items, atol=1e-5)
    added = {name: rows[-2:] for name, rows in features.items()}
    new = before.embed_new_items(added, dict.fromkeys(added, np.ones(2, bool))).numpy()
    np.testing.assert_allclose(of_items[items:], new, atol=1e-5)
    assert np.all(of_items[items:, -1] == np.float32(0.7))


def test_a_run_begins_with_the_weights_of_a_calibrated_one(run):
    configuration = Configuration.from_mapping(
        {
            "model": {**EMBEDDINGS, "calibration": "none"},
            "training": {"epochs": 1, "batch_size": 256, "init_from": str(run.folder)},
        }
    )
    second = train(run.open_records(), run.folder.parent / "second", configuration, verbose=0)
    assert not second.has("calibration") and second.is_finished
