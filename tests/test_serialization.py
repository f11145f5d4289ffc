"""Layers and objectives come back from their configuration, and go where layers of Keras 2 go."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import FUSIONS

from tf_metammf import (
    BPR,
    FullSoftmax,
    InBatchSoftmax,
    ItemTower,
    MetaDense,
    MetaInformation,
    MissingModalities,
    SumFusion,
    UserTower,
)
from tf_metammf.encoders.matrix_factorization import MatrixFactorization
from tf_metammf.errors import InvalidInputError
from tf_metammf.layers.normalization import Normalization
from tf_metammf.objectives.objectives import NoObjective

FEATURES = {name: np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32) for name in ("图 1", "visual")}
MASK = {name: np.arange(6) % 3 > 0 for name in FEATURES}


def make_item_tower() -> ItemTower:
    tower = ItemTower(7, SumFusion(units=(4,)), id_units=3, id_dropout=0.25, modality_dropout=0.5)
    tower.adapt({name: (np.full(3, 2.0), np.full(3, 4.0)) for name in FEATURES})
    return tower


@pytest.mark.parametrize(
    "layer",
    [
        MetaDense(3, rank=2, activation="relu"),
        MetaInformation(3, modalities=2),
        MissingModalities(dropout=0.25, seed=3),
        *(fusion(units=(4, 3)) for fusion in FUSIONS.values()),
        UserTower(5, 4, initializer="zeros"),
        make_item_tower(),
        Normalization(),
        MatrixFactorization(),
        InBatchSoftmax(np.array([1, 0, 2]), user_frequency=np.array([2, 3]), temperature=0.5, item_to_user_weight=0.1),
        FullSoftmax(np.array([1, 0, 2]), temperature=0.5),
        BPR(temperature=0.5),
        NoObjective(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_comes_back_from_its_configuration(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


def test_an_item_tower_comes_back_with_its_weights():
    tower = make_item_tower()
    inputs = {"presence": MASK, "items": tf.range(6)}
    expected = tower(FEATURES, **inputs)
    again = ItemTower.from_config(tower.get_config())
    again(FEATURES, **inputs)
    again.set_weights(tower.get_weights())
    np.testing.assert_array_equal(again(FEATURES, **inputs), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_functional_model_with_masks_is_saved_and_loaded(fusion, tmp_path):
    inputs = {name: keras.Input((3,), name=f"features_{place}") for place, name in enumerate(FEATURES)}
    masks = {name: keras.Input((), dtype="bool", name=f"mask_{place}") for place, name in enumerate(FEATURES)}
    complete, present = MissingModalities()(inputs, mask=masks)
    fused = FUSIONS[fusion](units=(4, 3))(complete, mask=present)
    model = keras.Model([*inputs.values(), *masks.values()], fused)
    data = [*FEATURES.values(), *MASK.values()]
    expected = model(data)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(data), expected)
    model.save_weights(str(tmp_path / "w.h5"))
    again = keras.models.clone_model(model)
    again.load_weights(str(tmp_path / "w.h5"))
    np.testing.assert_array_equal(again(data), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_integers_are_features_too(fusion):
    layer = FUSIONS[fusion](units=(4,))
    counts = {name: np.arange(12).reshape(6, 2) for name in FEATURES}
    found = layer(counts)
    np.testing.assert_allclose(found, layer({name: rows.astype(np.float32) for name, rows in counts.items()}))


@pytest.mark.parametrize("layer", [*FUSIONS.values(), MissingModalities, MetaInformation])
def test_a_list_of_tensors_is_no_dictionary(layer):
    made = layer(3) if layer is MetaInformation else layer()
    with pytest.raises(InvalidInputError, match="dictionary of"):
        made(list(FEATURES.values()))
