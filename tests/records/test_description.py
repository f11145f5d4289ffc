"""The description of a record set against NumPy on the raw data."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidRecordSetError
from tf_metammf.records.description import describe
from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import open_record_set
from tf_metammf.records.writer import write_record_set


def test_every_number_is_that_of_the_raw_data(tmp_path):
    random = np.random.default_rng(3)
    users, items = 40, 9000
    keys = random.choice(users * items, 700, replace=False)
    user, item = np.divmod(keys, items)
    splits = {
        "train": Interactions(user[:500], item[:500]),
        "validation": Interactions(user[500:600], item[500:600]),
        "test": Interactions(user[600:], item[600:]),
    }
    visual, acoustic = random.normal(5, 0.01, (items, 3)), random.normal(-1, 4, (items, 2)).astype(np.float16)
    present = random.random(items) < 0.7
    modalities = {
        "visual": ModalityFeatures(visual, np.where(present, np.arange(items), -1)),
        "acoustic": ModalityFeatures(acoustic, np.where(np.arange(items) < 10, -1, np.arange(items))),
    }
    ids = [f"u{n}" for n in range(users)], [f"v{n}" for n in range(items)]
    description = describe(
        write_record_set(RawData("numbers", *ids, splits["train"], modalities), splits, tmp_path / "s")
    )

    assert description.interactions == {"train": 500, "validation": 100, "test": 100}
    assert description.density == pytest.approx(700 / (users * items))
    counts = np.bincount(item[:500], minlength=items)
    assert description.cold_items == (counts == 0).sum()
    assert description.users_without_training == users - len(np.unique(user[:500]))
    assert description.item_degrees == tuple(np.quantile(counts, [0, 0.25, 0.5, 0.75, 0.95, 1]))
    assert description.items_without_modality == (~present[:10]).sum()
    measured = description.modalities["visual"]
    assert (measured.width, measured.source_dtype) == (3, "float64")
    assert measured.missing_share == pytest.approx((~present).mean())
    assert measured.mean == pytest.approx(visual[present].mean(), rel=1e-6)
    assert measured.deviation == pytest.approx(visual[present].std(), rel=1e-3)
    assert description.modalities["acoustic"].source_dtype == "float16"
    assert description.modalities["acoustic"].deviation == pytest.approx(acoustic[10:].astype(float).std(), rel=1e-4)


def test_a_damaged_item_shard_is_named_with_its_record(small_record_set, tmp_path):
    copied = Path(shutil.copytree(small_record_set.folder, tmp_path / "copied"))
    shard = copied / small_record_set.metadata.item_shards[0].path
    content = bytearray(shard.read_bytes())
    content[20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InvalidRecordSetError, match=f"{shard.name}: record 0 is damaged"):
        describe(open_record_set(copied))
