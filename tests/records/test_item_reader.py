"""Reading items: each once, with its features, in parts for workers and in modalities that are chosen."""

from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from tf_metammf import records
from tf_metammf.errors import InvalidInputError
from tf_metammf.records.raw_data import RawData


def context(worker: int, workers: int, replicas: int) -> tf.distribute.InputContext:
    return tf.distribute.InputContext(workers, worker, replicas)


def flat(parts: list[list[int]]) -> list[int]:
    return [number for part in parts for number in part]


def expected_features(data: RawData, modality: str) -> tuple[np.ndarray, np.ndarray]:
    raw = data.modalities[modality]
    features = np.zeros((len(data.item_ids), raw.width), np.float32)
    for item, row in enumerate(raw.row_of_item):
        if row >= 0:
            features[item] = raw.features[row]
    return features, raw.row_of_item >= 0


def test_read_items_gives_features_and_presence_by_item(small_raw_data, small_record_set):
    read = records.read_items(small_record_set)
    assert read.modalities == ("acoustic", "visual")
    assert read.widths == {"acoustic": 4, "visual": 6}
    for modality in read.modalities:
        features, presence = expected_features(small_raw_data, modality)
        np.testing.assert_array_equal(read.features[modality], features)
        np.testing.assert_array_equal(read.presence[modality], presence)


def item_batches(record_set: records.RecordSet, **arguments: object) -> Iterator[dict]:
    return records.items(record_set, **arguments).as_numpy_iterator()


@pytest.mark.parametrize("shuffle_seed", [None, 4])
def test_items_come_once_each_with_their_features(small_raw_data, small_record_set, shuffle_seed):
    read = list(item_batches(small_record_set, batch_size=64, shuffle_seed=shuffle_seed))
    assert [len(batch["item"]) for batch in read] == [64, 64, 64, 64, 44]
    order = np.concatenate([batch["item"] for batch in read])
    assert (order.tolist() == list(range(300))) == (shuffle_seed is None)
    assert sorted(order.tolist()) == list(range(300))
    for modality in ("acoustic", "visual"):
        features, presence = expected_features(small_raw_data, modality)
        np.testing.assert_array_equal(np.concatenate([batch["features"][modality] for batch in read]), features[order])
        np.testing.assert_array_equal(np.concatenate([batch["presence"][modality] for batch in read]), presence[order])


def test_item_batches_have_static_widths(small_record_set):
    spec = records.items(small_record_set, batch_size=10, drop_remainder=True).element_spec
    assert spec == {
        "item": tf.TensorSpec([10], tf.int64),
        "features": {"acoustic": tf.TensorSpec([10, 4], tf.float32), "visual": tf.TensorSpec([10, 6], tf.float32)},
        "presence": {"acoustic": tf.TensorSpec([10], tf.bool), "visual": tf.TensorSpec([10], tf.bool)},
    }


@pytest.mark.parametrize("workers", [2, 5])  # fewer than the three shards, and more
def test_workers_share_the_items(small_record_set, workers):
    read = [
        batch["item"].tolist()
        for worker in range(workers)
        for batch in item_batches(
            small_record_set, batch_size=10 * workers, shuffle_seed=1, input_context=context(worker, workers, workers)
        )
    ]
    assert sorted(flat(read)) == list(range(300))


def test_selecting_modalities_keeps_alphabetical_order_and_refuses_unknown_ones(small_record_set):
    read = records.read_items(small_record_set)
    assert read.select(["visual", "acoustic"]).modalities == ("acoustic", "visual")
    assert read.select(["visual"]).features["visual"] is read.features["visual"]
    with pytest.raises(InvalidInputError, match='unknown modality "visuall"; did you mean "visual"'):
        read.select(["visuall"])
