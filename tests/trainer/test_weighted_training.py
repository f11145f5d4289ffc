"""Training on interactions with weights: as without where all are 1, and resumed to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.records.raw_data import SPLITS, Interactions, ModalityFeatures, RawData
from tf_metammf.records.reader import read_interactions, read_items
from tf_metammf.records.record_set import RecordSet
from tf_metammf.records.writer import write_record_set
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.planning.training_plan import plan_training
from tf_metammf.trainer.training import train
from tf_metammf.trainer.training_batches import TrainingBatches
from tf_metammf.trainer.training_data import TrainingData


def with_weights(record_set: RecordSet, target: Path, *, random: bool) -> RecordSet:
    """The same record set with weights: of 1, or drawn at random."""
    generator, items = np.random.default_rng(1), read_items(record_set)
    splits: dict[str, Interactions] = {}
    for name in SPLITS:
        # As they stood before they were put in the order on disk.
        part = read_interactions(record_set, name)
        order = np.random.default_rng([0, len(name)]).permutation(len(part))
        part = part.take(np.argsort(order))
        weight = generator.uniform(0, 3, len(part)) if random else np.ones(len(part))
        splits[name] = replace(part, weight=weight.astype(np.float32))
    modalities = {
        name: ModalityFeatures(features, np.where(items.presence[name], np.arange(len(features)), -1))
        for name, features in items.features.items()
    }
    data = RawData("halves", record_set.user_ids, record_set.item_ids, splits["train"], modalities, splits)
    return write_record_set(data, splits, target)


@pytest.fixture(scope="module")
def ones(halves, tmp_path_factory) -> RecordSet:
    return with_weights(halves, tmp_path_factory.mktemp("weights") / "ones", random=False)


@pytest.fixture(scope="module")
def drawn(halves, tmp_path_factory) -> RecordSet:
    return with_weights(halves, tmp_path_factory.mktemp("weights") / "drawn", random=True)


def configured(small) -> Configuration:
    configuration: Configuration = small()
    configuration.training.epochs = 2
    return configuration


def history(run) -> list[str]:
    return run.history_file.read_text().splitlines()


@pytest.mark.long
def test_weights_of_one_give_the_numbers_of_a_record_set_without(halves, ones, small, tmp_path):
    plain = train(halves, tmp_path / "plain", configured(small), splits=(), verbose=0)
    weighted = train(ones, tmp_path / "ones", configured(small), splits=(), verbose=0)
    assert history(weighted) == history(plain)


@pytest.mark.long
def test_weights_count_unless_the_configuration_leaves_them_out(drawn, halves, small, tmp_path):
    configuration = configured(small)
    weighted = train(drawn, tmp_path / "weighted", configuration, splits=(), verbose=0)
    configuration.training.interaction_weights = False
    left_out = train(drawn, tmp_path / "left-out", configuration, splits=(), verbose=0)
    plain = train(halves, tmp_path / "plain", configured(small), splits=(), verbose=0)
    assert history(left_out) == history(plain)
    assert history(weighted) != history(plain)


def test_a_resumed_training_sees_the_weights_of_an_uninterrupted_one(drawn, small):
    plan = plan_training(configured(small), drawn)
    batches = TrainingBatches(plan, TrainingData.of(drawn, plan))
    whole = list(batches.beginning_at().take(8).as_numpy_iterator())
    rest = list(batches.beginning_at(0, 3).take(5).as_numpy_iterator())
    for one, other in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(one["weight"], other["weight"])


def test_popularity_adds_up_weights_and_all_that_counts_interactions_stays(drawn, halves):
    weighted, plain = TrainingData(drawn), TrainingData(halves)
    train_split = weighted.train
    expected = np.bincount(train_split.item, weights=train_split.weight, minlength=30)
    np.testing.assert_allclose(weighted.item_popularity, expected, rtol=1e-6)
    np.testing.assert_array_equal(weighted.item_frequency, plain.item_frequency)
    np.testing.assert_array_equal(TrainingData(drawn, weighted=False).item_popularity, plain.item_frequency)


def test_the_preset_popularity_is_the_reference_beside_every_model(drawn, tmp_path):
    baseline = {"model": {"encoder": {"name": "popularity"}, "fusion": {"name": "none"}}, "objective": {"name": "none"}}
    evaluation = {"k": [3, 5], "monitor": "ndcg@5"}
    run = train(drawn, tmp_path / "run", Configuration.from_mapping({**baseline, "evaluation": evaluation}), verbose=0)
    found, reference = run.read("metrics")["test"], run.read("references")["test"]["popularity"]
    assert found == pytest.approx({name: reference[name] for name in found})
