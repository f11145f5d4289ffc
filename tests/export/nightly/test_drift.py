"""What is said to have changed between two record sets, against NumPy."""

from pathlib import Path

import numpy as np
import pytest

from tf_metammf.export.nightly.drift import data_changes, feature_drift
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set


def record_set(folder: Path, items: list[str], features: np.ndarray, present: np.ndarray) -> RecordSet:
    """Two users; every item is trained on, the first is validated and tested."""
    users = ["u0", f"u{len(items)}"]
    trained = Interactions(np.arange(len(items)) % 2, np.arange(len(items)), np.arange(len(items)) + 100)
    held_out = Interactions(np.array([0]), np.array([1]), np.array([90 + len(items)]))
    splits = {"train": trained, "validation": held_out, "test": held_out}
    row_of_item = np.where(present, np.cumsum(present) - 1, -1)
    modalities = {"visual": ModalityFeatures(features[present], row_of_item)}
    return write_record_set(RawData("small", users, items, trained, modalities, splits), splits, folder)


def test_ids_interactions_times_and_features_are_compared(tmp_path):
    random = np.random.default_rng(3)
    before_features = random.normal(2, 3, (40, 5)).astype(np.float32)
    before_features[:, 4] = 7  # does not vary
    now_features = np.concatenate([before_features[5:] + 0.5, random.normal(8, 1, (10, 5)).astype(np.float32)])
    before_present, now_present = np.arange(40) % 4 > 0, np.arange(45) % 5 > 0
    before_items, now_items = [f"v{item}" for item in range(40)], [f"v{item}" for item in range(5, 50)]
    before = record_set(tmp_path / "before", before_items, before_features, before_present)
    now = record_set(tmp_path / "now", now_items, now_features, now_present)

    changes = data_changes(before, now)
    assert changes["items"] == {"now": 45, "added": 10, "removed": 5}
    assert changes["users"] == {"now": 2, "added": 1, "removed": 1}
    assert changes["interactions"]["train"] == {"now": 45, "before": 40}
    assert changes["times"] == {"first": 100, "last": 144}
    assert data_changes(None, before)["items"] == {"now": 40, "added": 40, "removed": 0}

    found = feature_drift(before, now)["visual"]
    assert (found["present_before"], found["present"]) == (before_present.mean(), now_present.mean())
    old, new = before_features[before_present][:, :4].astype(float), now_features[now_present][:, :4].astype(float)
    of_new = now_features[35:][now_present[35:]][:, :4].astype(float)
    for name, rows in (("shift", new), ("shift_of_new", of_new)):
        expected = np.sqrt(np.mean(((rows.mean(axis=0) - old.mean(axis=0)) / old.std(axis=0)) ** 2))
        assert found[name] == pytest.approx(expected, rel=1e-5)
    assert found["spread"] == pytest.approx(np.median(new.std(axis=0) / old.std(axis=0)), rel=1e-5)


def test_the_same_items_have_not_drifted(tmp_path):
    features, present = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), np.ones(20, bool)
    same = record_set(tmp_path / "same", [f"v{item}" for item in range(20)], features, present)
    assert feature_drift(same, same)["visual"] == {
        "present_before": 1.0,
        "present": 1.0,
        "shift": 0.0,
        "spread": 1.0,
        "shift_of_new": None,
    }
