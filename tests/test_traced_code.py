"""TensorFlow traces the layers of this package as they are written, and those of users as in any Keras model."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorflow.python.autograph.impl import api

from tf_metammf import BPR, Encoder, MetaMMF
from tf_metammf.export.saved_model import export_model
from tf_metammf.fusion.fusion_layer import FusionLayer

FEATURES = {"visual": np.array([[1.0, 2.0], [-3.0, 4.0], [5.0, -6.0]], np.float32)}
INTERACTIONS = {"user": np.array([0, 1]), "item": np.array([2, 0]), "negative": np.array([[1], [1]])}
IDS = {"user_ids": ["a", "b"], "item_ids": ["x", "y", "z"], "seen": (np.array([0, 1]), np.array([2, 0]))}


class Branching(keras.layers.Layer):
    """A user's fusion with a condition that only AutoGraph can trace: one or minus one, by the sum of the batch."""

    def call(self, features):
        ones = tf.ones([tf.shape(features["visual"])[0], 2])
        if tf.reduce_sum(features["visual"]) > 0:
            return ones
        return -ones


class BranchingOfOurs(FusionLayer):
    """The same as a subclass of a class of this package."""

    def call(self, features, mask=None):
        values = features["visual"]
        total = tf.constant(0.0)
        for row in values:
            total += tf.reduce_sum(row)
        if total > 0:
            return tf.ones([tf.shape(values)[0], 2])
        return -tf.ones([tf.shape(values)[0], 2])


class BranchingForNewItems(Encoder):
    """A user's encoder with such a condition where it embeds new items, which only an export traces."""

    def embed(self, users, items, *, represent_users, represent_items, **_):
        return represent_users(users), represent_items(items)

    def embed_all(self, users, items):
        return users, items

    def embed_new_items(self, representations, features, presence):
        if tf.reduce_sum(features["visual"]) > 0:
            return representations
        return -representations


@pytest.fixture
def converted(monkeypatch) -> list[str]:
    """Names of the functions that AutoGraph converts."""
    names = []
    convert = api._convert_actual

    def recorded(entity, context):
        names.append(f"{entity.__module__}.{entity.__qualname__}")
        return convert(entity, context)

    monkeypatch.setattr(api, "_convert_actual", recorded)
    return names


def fitted(**options) -> MetaMMF:
    model = MetaMMF(2, FEATURES, BPR(), standardize=False, **options)
    model.compile("sgd")
    model.fit(INTERACTIONS, verbose=0)
    return model


def test_a_training_step_converts_no_layer_of_this_package(converted):
    fitted(fusion_options={"units": [2]}, modality_dropout=0.5, id_dropout=0.5)
    assert converted  # the loop of Keras is
    assert not [name for name in converted if name.startswith("tf_metammf.")]


@pytest.mark.parametrize("fusion", [Branching, pytest.param(BranchingOfOurs, marks=pytest.mark.long)])
def test_conditions_on_tensors_in_a_fusion_of_a_user_are_converted(fusion, tmp_path):
    version = export_model(fitted(fusion=fusion(), id_units=0), tmp_path / "models", **IDS)
    encode = tf.saved_model.load(str(version)).signatures["encode_items"]
    for features, side in (([[1.0, 2.0]], 1.0), ([[1.0, -2.0]], -1.0)):
        found = encode(visual=tf.constant(features), visual_present=tf.constant([True]))
        np.testing.assert_array_equal(found["embedding"], [[side, side]])


def test_conditions_on_tensors_in_an_encoder_of_a_user_are_converted_on_export(tmp_path):
    model = fitted(encoder=BranchingForNewItems(), fusion_options={"units": [2]}, id_units=0)
    version = export_model(model, tmp_path / "models", **IDS)
    encode = tf.saved_model.load(str(version)).signatures["encode_items"]
    for sign in (1.0, -1.0):
        features = {"visual": sign * tf.ones([1, 2])}
        found = encode(**features, visual_present=tf.constant([True]))["embedding"]
        fused = model.item_tower(features, {"visual": tf.constant([True])})
        np.testing.assert_allclose(found, sign * fused, rtol=1e-5)
