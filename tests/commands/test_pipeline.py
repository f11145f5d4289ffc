"""The whole way through the command line: raw files, record set, run, SavedModel, recommendations."""

import json
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.commands.main import main
from tf_metammf.records.reader import read_interactions
from tf_metammf.records.record_set import open_record_set
from tf_metammf.trainer.evaluation import load_model
from tf_metammf.trainer.runs.run_directory import RunDirectory

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SMALL = ["--model.fusion.units=[16,8]", "--model.id_units=8", "--training.epochs=2"]

needs_shared_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the third-party data are not beside the checkout")


def command(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


@pytest.mark.long
@needs_shared_data
def test_tiktok_goes_the_whole_way(tmp_path, capsys):
    records, run, model = tmp_path / "records", tmp_path / "run", tmp_path / "model"
    command("records", "convert", "--source", "mmrec", "--input", SHARED / "tiktok", "--output", records)
    command("records", "validate", records)
    command("train", "--records", records, "--run", run, *SMALL)
    capsys.readouterr()

    command("evaluate", "--run", run, "--json")
    metrics = json.loads(capsys.readouterr().out)
    references = {name: metrics.pop(name) for name in ("popularity", "random", "counts")}
    assert {"coverage@20", "cold_share@20"} <= set(metrics.pop("beyond_accuracy")["model"]["all users"])
    assert metrics == pytest.approx(json.loads((run / "metrics.json").read_text())["test"], abs=1e-6)
    assert references == json.loads((run / "references.json").read_text())["test"]
    assert {"recall@20", "ndcg@20", "cold/recall@20"} <= set(metrics)

    command("export", "--run", run, "--output", model)
    capsys.readouterr()
    command("recommend", "--model", model, "--user", "0", "--user", "nobody", "--k", "7", "--json")
    known, unknown = json.loads(capsys.readouterr().out)
    record_set = open_record_set(records)
    metadata = record_set.metadata
    assert (metadata.users, metadata.items, metadata.interactions) == (9308, 6710, 68722)
    train = read_interactions(record_set, "train")
    seen = {record_set.item_ids[item] for item in train.item[train.user == 0]}
    recommended = [item["item_id"] for item in known["items"]]
    assert known["known"] and len(set(recommended)) == 7 and not seen & set(recommended)
    popular = np.argsort(-np.bincount(train.item, minlength=6710), kind="stable")[:7]
    assert not unknown["known"]
    assert [item["item_id"] for item in unknown["items"]] == [record_set.item_ids[item] for item in popular]


@needs_shared_data
def test_the_sample_of_the_authors_goes_from_pickle_to_metrics(tmp_path, capsys):
    records, run = tmp_path / "records", tmp_path / "run"
    command("records", "convert", "--source", "mmgcn", "--input", SHARED / "metammf_sample", "--output", records)
    metadata = open_record_set(records).metadata
    assert (metadata.users, metadata.interactions) == (100, 2071)
    assert {name: entry.width for name, entry in metadata.modalities.items()} == {"acoustic": 128, "textual": 100}
    short = ["--training.epochs=1", "--evaluation.k=[10,200]"]
    command("train", "--records", records, "--run", run, "--config", "movielens", *short)
    found = json.loads((run / "metrics.json").read_text())["test"]
    for k in (10, 200):
        expected = pooled_recall_by_hand(RunDirectory(run), k)
        assert found[f"pooled_recall@{k}"] == pytest.approx(expected, abs=1e-6)
    assert 0.05 < expected < 0.95, "the test needs some hits and some misses"


def pooled_recall_by_hand(run, k):
    """Of the interactions of the test split, the share whose item is among the best k of those not seen before."""
    model, data = load_model(run)
    scores = np.array(model.user_embeddings()) @ np.array(model.item_embeddings()).T
    for split in ("train", "validation"):
        scores[data.interactions_of(split)] = -np.inf
    users, items = data.interactions_of("test")
    ahead = (scores[users] > scores[users, items][:, np.newaxis]).sum(axis=1)
    return float(np.mean(ahead < k))


def test_the_quickstart_ends_with_a_table_and_paths_that_exist(tmp_path, capsys):
    output = tmp_path / "quickstart"
    command("quickstart", "--output", output, "--users", 150, "--items", 120, "--epochs", 1)
    printed = capsys.readouterr().out
    for words in ("popularity", "static fusion", "MetaMMF", "best reachable", "u0:", "rank of a new video"):
        assert words in printed
    for folder in (
        "videos/metadata.json",
        "metammf/metrics.json",
        "concatenation/metrics.json",
        "model/1/saved_model.pb",
    ):
        assert (output / folder).is_file()
