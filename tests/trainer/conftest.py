"""A record set small enough to train on within a second, with something to learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.comparison import compare as compare_module
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.run_directory import RunDirectory, create_run_directory
from tf_metammf.trainer.search.search_space import SearchSpace, load_search_space
from tf_metammf.trainer.training import train

USERS, ITEMS = 40, 30


def _write_halves(folder: Path, *, test_seed: int = 0) -> RecordSet:
    """Users like the items of their own half; items 0 and 15 are cold. Only the test split follows ``test_seed``."""
    random, test_random = np.random.default_rng(7), np.random.default_rng(test_seed)
    half = np.arange(ITEMS) >= ITEMS // 2
    train, validation, test = [], [], []
    for user in range(USERS):
        own = np.flatnonzero(half == (user % 2 == 1))
        warm = random.permutation(own[1:])
        train += [(user, item) for item in warm[:7]]
        validation += [(user, item) for item in warm[7:9]]
        test += [(user, item) for item in [*test_random.permutation(warm[9:])[:2], own[0]]]
    splits = {
        name: Interactions(*np.array(pairs, np.int64).T)
        for name, pairs in (("train", train), ("validation", validation), ("test", test))
    }
    signature = np.where(half, 1.0, -1.0)[:, None]
    modalities = {
        "visual": ModalityFeatures(signature + random.normal(0, 0.3, (ITEMS, 5)), np.arange(ITEMS)),
        "acoustic": ModalityFeatures(random.normal(0, 1, (ITEMS, 3)), np.arange(ITEMS)),
    }
    data = RawData(
        "halves",
        [f"user {n}" for n in range(USERS)],
        [f"item {n}" for n in range(ITEMS)],
        splits["train"],
        modalities,
        splits,
    )
    return write_record_set(data, splits, folder)


@pytest.fixture(scope="session")
def write_halves() -> Callable[..., RecordSet]:
    """Writes the record set into a folder; ``test_seed`` changes its test split alone."""
    return _write_halves


@pytest.fixture(scope="session")
def halves(tmp_path_factory) -> RecordSet:
    return _write_halves(tmp_path_factory.mktemp("records") / "halves")


@pytest.fixture
def configuration() -> Configuration:
    return _small_configuration()


@pytest.fixture(scope="session")
def small() -> Callable[[], Configuration]:
    """Makes the small configuration, for fixtures that outlive a test."""
    return _small_configuration


@pytest.fixture(scope="session")
def neighbours() -> Callable[..., SearchSpace]:
    """Makes the search space of item neighbours, so many, or a choice of them; counted within a moment."""

    def space(count: object, **more: object) -> SearchSpace:
        fields = {"model": {"peer": {"neighbours": count}}, "evaluation": {"k": [3, 5], "monitor": "ndcg@5"}, **more}
        return load_search_space("item-knn", overrides=fields, default_ranges=False)

    return space


@pytest.fixture
def begun(monkeypatch) -> list[str]:
    """The run directories that a comparison would train, as ``MODEL/seed-N``; nothing is trained."""
    found = []

    def train(records, folder, configuration, **_):
        found.append(f"{folder.parent.name}/{folder.name}")
        return create_run_directory(folder, configuration, records)

    def write_lists(_run, _records, file):
        file.parent.mkdir(exist_ok=True)
        file.touch()

    monkeypatch.setattr(compare_module, "train", train)
    monkeypatch.setattr(compare_module, "_write_lists", write_lists)
    return found


@pytest.fixture(scope="session")
def finished(halves, tmp_path_factory) -> RunDirectory:
    """A finished run of the small configuration; for tests that only look at it."""
    return train(halves, tmp_path_factory.mktemp("runs") / "run", _small_configuration(), verbose=0)


def _small_configuration() -> Configuration:
    return Configuration.from_mapping(
        {
            "model": {"fusion": {"units": [8, 4], "meta_units": 2, "rank": 3}, "id_units": 4},
            "training": {"epochs": 12, "batch_size": 64, "learning_rate": 0.05, "patience": 0},
            "evaluation": {"k": [3, 5], "monitor": "ndcg@5"},
        }
    )
