"""A small record set that the tests of this folder share; they only read it."""

import numpy as np
import pytest

from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set

USERS, ITEMS = 50, 300


@pytest.fixture(scope="session")
def small_raw_data() -> RawData:
    """50 users, 300 items, 5,000 / 400 / 300 interactions with timestamps; two modalities, both missing here and there.

    User 49 has no interactions, item 299 no interactions and no modality.
    """
    generator = np.random.default_rng(0)
    pairs = generator.choice((USERS - 1) * (ITEMS - 1), 5_700, replace=False)
    everything = Interactions(
        pairs // (ITEMS - 1), pairs % (ITEMS - 1), timestamp=generator.integers(1_500_000_000, 1_700_000_000, 5_700)
    )
    bounds = [0, 5_000, 5_400, 5_700]
    splits = {name: everything.take(np.arange(*bounds[n : n + 2])) for n, name in enumerate(SPLITS)}
    without_visual = np.arange(ITEMS)
    without_visual[[7, 8, ITEMS - 1]] = -1
    without_acoustic = np.arange(ITEMS)
    without_acoustic[[8, 90, ITEMS - 1]] = -1
    return RawData(
        name="small",
        user_ids=[f"user {n}" for n in range(USERS)],
        item_ids=[f"video-{n}" for n in range(ITEMS)],
        interactions=everything,
        modalities={
            "visual": ModalityFeatures(generator.normal(size=(ITEMS, 6)).astype(np.float16), without_visual),
            "acoustic": ModalityFeatures(generator.normal(size=(ITEMS, 4)).astype(np.float32), without_acoustic),
        },
        splits=splits,
    )


@pytest.fixture(scope="session")
def small_record_set(small_raw_data: RawData, tmp_path_factory: pytest.TempPathFactory) -> RecordSet:
    """The small raw data as a record set of three shards a split."""
    assert small_raw_data.splits is not None
    return write_record_set(
        small_raw_data, small_raw_data.splits, tmp_path_factory.mktemp("records") / "small", shards=3
    )
