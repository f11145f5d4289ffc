"""Standardised features, and with them the whole model, do not depend on the unit of the features."""

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InBatchSoftmax, MetaMMF
from tf_metammf.errors import InvalidInputError
from tf_metammf.features.feature_source import feature_statistics
from tf_metammf.features.feature_table import FeatureTable
from tf_metammf.features.item_content import ItemContent
from tf_metammf.layers.normalization import Normalization

USERS, ITEMS = 8, 30
SCALES = (1e-30, 1e-20, 1e-9, 1.0, 1e10, 1e25, 1e30, 1e37)


def features(scale: float = 1.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "visual": (scale * random.normal(2, 1, (ITEMS, 4))).astype(np.float32),
        "acoustic": random.normal(size=(ITEMS, 3)).astype(np.float32),
    }


def make(values: dict[str, np.ndarray], **options) -> MetaMMF:
    keras.utils.set_random_seed(1)
    return MetaMMF(
        USERS, values, InBatchSoftmax(np.ones(ITEMS)), fusion_options={"units": (6, 4)}, id_units=4, **options
    )


class Streamed:
    """A source that is no table."""

    def __init__(self, values):
        self._table = FeatureTable(values)
        self.items, self.widths, self.blocks = ITEMS, self._table.widths, self._table.blocks


def standardized_by(way: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """The standardised visual features of all items, as the part of that name has them."""
    if way == "peers":
        return ItemContent(FeatureTable(values), np.ones(ITEMS, bool)).all_items()["visual"].numpy()
    model = make(Streamed(values) if way == "streamed" else values)
    blocks = [model.item_tower.standardized(block)["visual"].numpy() for block, _ in model.item_features.blocks(7)]
    return np.concatenate(blocks)


@pytest.mark.parametrize("way", ["table", "streamed", "peers"])
@pytest.mark.parametrize("scale", SCALES)
def test_features_of_any_scale_have_mean_0_and_deviation_1(way, scale):
    values = features(scale)
    raw = values["visual"].astype(np.longdouble)
    expected = (raw - raw.mean(0)) / raw.std(0)
    np.testing.assert_allclose(standardized_by(way, values), expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "scale", [1e-20, pytest.param(1e-9, marks=pytest.mark.long), pytest.param(1e25, marks=pytest.mark.long), 1e30]
)
def test_losses_do_not_depend_on_the_scale(scale):
    def losses(values: dict[str, np.ndarray]) -> list[float]:
        model = make(values)
        model.compile(optimizer=keras.optimizers.Adam(0.05))
        pairs = {"user": np.arange(24) % USERS, "item": np.arange(24) % ITEMS}
        return model.fit(pairs, batch_size=12, epochs=2, shuffle=False, verbose=0).history["loss"]

    np.testing.assert_allclose(losses(features(scale)), losses(features()), rtol=1e-4)


def test_new_items_are_embedded_alike_at_any_scale():
    large, plain = make(features(1e25)), make(features())
    present = {name: tf.ones([5], tf.bool) for name in features()}
    found, expected = (
        model.embed_new_items({name: tf.constant(rows[:5]) for name, rows in values.items()}, present)
        for model, values in ((large, features(1e25)), (plain, features()))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("way", ["table", "streamed", "peers"])
@pytest.mark.parametrize("value", [0.1, -3e30, 1e-30, 16777217.0])
def test_a_feature_that_never_varies_is_0(way, value):
    values = features()
    values["visual"][:, 1] = value
    assert np.all(standardized_by(way, values)[:, 1] == 0)


@pytest.mark.parametrize("way", ["table", "peers"])
def test_float64_features_far_from_0_keep_what_tells_them_apart(way):
    visual = 1e8 + np.random.default_rng(0).normal(size=(ITEMS, 4))
    expected = (visual - visual.mean(0)) / visual.std(0)
    np.testing.assert_allclose(standardized_by(way, features() | {"visual": visual}), expected, atol=1e-5)


def test_float32_features_far_from_0_are_centred_before_they_are_rounded():
    visual = (1e8 + 8 * np.random.default_rng(0).integers(0, 3, (ITEMS, 4))).astype(np.float32)
    raw = visual.astype(np.float64)
    np.testing.assert_allclose(
        standardized_by("table", features() | {"visual": visual}), (raw - raw.mean(0)) / raw.std(0), atol=1e-6
    )


def test_noise_of_float64_on_a_constant_is_not_taken_for_content():
    visual = 5.0 + 1e-15 * np.random.default_rng(0).normal(size=(ITEMS, 4))
    assert np.all(standardized_by("table", features() | {"visual": visual}) == 0)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (1e-39, r'modality "visual": features are between .*e-40 and .*e-39.*at least 1e-35'),
        (1e-300, 'modality "visual": features are between .*e-300'),
        (1e300, r'modality "visual": features are between .*e\+300.*up to 3.4e\+38'),
    ],
)
def test_a_range_beyond_float32_is_named(scale, message):
    with pytest.raises(InvalidInputError, match=message):
        make(features() | {"visual": scale * features()["visual"].astype(np.float64)})


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_raw_features_that_overflow_are_named(policy, streamed):
    values = features(1e30 if policy == "float32" else 1e6)
    with pytest.raises(
        InvalidInputError, match=r'modality "visual": features reach \S+e\+\d+ and are not standardised'
    ):
        make(Streamed(values) if streamed else values, standardize=False, dtype=policy)
    assert np.isfinite(make(features(), standardize=False, dtype=policy).embeddings()[1]).all()


def test_statistics_of_blocks_far_from_0_are_exact():
    rows = (1e7 + np.arange(ITEMS * 2).reshape(ITEMS, 2)).astype(np.float32)
    mean, variance = feature_statistics(FeatureTable({"a": rows}), np.ones(ITEMS, bool), block_size=4)["a"]
    np.testing.assert_allclose(mean, rows.astype(np.float64).mean(0), rtol=1e-15)
    np.testing.assert_allclose(variance, rows.astype(np.float64).var(0), rtol=1e-12)


def test_weights_files_of_earlier_versions_give_what_keras_made_of_them(tmp_path):
    model, path = make(features()), tmp_path / "model.weights.h5"
    model.save_weights(str(path))
    old = keras.layers.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[4.0, 1e-20, 1e-3, 9.0])
    with h5py.File(path, "a") as file:
        places = []
        file.visit(lambda name: places.append(name) if name.endswith("standardization/normalization_1/vars") else None)
        (place,) = places
        del file[place]
        file[f"{place}/0"] = np.array([1, 2, 3, 4], np.float32)
        file[f"{place}/1"] = np.array([4, 1e-20, 1e-3, 9], np.float32)
        file[f"{place}/2"] = np.int64(30)
    other = make(features(3.0))
    other.load_weights(str(path))
    rows = tf.constant(features()["visual"])
    np.testing.assert_allclose(other.item_tower.standardized({"visual": rows})["visual"], old(rows), rtol=1e-5)


def test_checkpoints_of_earlier_versions_leave_the_statistics_of_the_data(tmp_path):
    old = tf.train.Checkpoint(layer=keras.layers.Normalization())
    old.layer.adapt(tf.zeros([3, 2]))
    path = old.write(str(tmp_path / "old"))
    layer = Normalization()
    layer.build([None, 2])
    layer.set_statistics([1e30, 2.0], [1e60, 4.0])
    tf.train.Checkpoint(layer=layer).read(path).expect_partial()
    np.testing.assert_array_equal(layer.adapt_mean, [1e30, 2.0])
    np.testing.assert_array_equal(layer.adapt_variance, [1e60, 4.0])
