"""Stand-ins for absent modalities, and modality dropout."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.missing_modalities import MissingModalities

WIDTHS = {"visual": 4, "acoustic": 2, "textual": 3}
NAMES = sorted(WIDTHS)


def features(rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    return {name: random.normal(size=(rows, width)).astype("float32") for name, width in WIDTHS.items()}


def presence(rows: int, share: float = 0.5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows + 1)
    return {name: random.random(rows) < share for name in WIDTHS}


def layer_with_stand_ins(dropout: float = 0.0, **options) -> tuple[MissingModalities, dict[str, np.ndarray]]:
    """A layer whose stand-ins are 100, 101, ...: acoustic, then textual, then visual."""
    layer = MissingModalities(dropout, **options)
    layer(features(2))
    layer.stand_ins.assign(100.0 + np.arange(9))
    return layer, {"acoustic": np.array([100, 101]), "textual": np.arange(102, 105), "visual": np.arange(105, 109)}


def matrix(mask) -> np.ndarray:
    return np.stack([np.asarray(mask[name]) for name in NAMES], axis=1)


@pytest.mark.parametrize("training", [False, True])
def test_stand_ins_take_the_place_of_absent_modalities_even_of_nan(training):
    layer, stand_ins = layer_with_stand_ins()
    mask = presence(20)
    inputs = {name: np.where(mask[name][:, None], values, np.nan) for name, values in features(20).items()}
    complete, shown = layer(inputs, mask=mask, training=training)
    for name in NAMES:
        expected = np.where(mask[name][:, None], features(20)[name], stand_ins[name])
        np.testing.assert_array_equal(complete[name], expected)
        np.testing.assert_array_equal(shown[name], mask[name])


def test_without_a_mask_everything_is_present():
    layer, _ = layer_with_stand_ins()
    complete, shown = layer(features(5))
    for name in NAMES:
        np.testing.assert_array_equal(complete[name], features(5)[name])
        assert shown[name].dtype == tf.bool
        assert np.all(shown[name])


def test_gradients_reach_the_stand_ins_of_absent_modalities_only():
    layer, _ = layer_with_stand_ins()
    mask = {"visual": [True, True], "acoustic": [True, False], "textual": [False, False]}
    with tf.GradientTape() as tape:
        complete, _ = layer(features(2), mask=mask)
        loss = sum(tf.reduce_sum(values) for values in complete.values())
    np.testing.assert_array_equal(tape.gradient(loss, layer.stand_ins), [1, 1, 2, 2, 2, 0, 0, 0, 0])


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(0, 40), share=st.floats(0, 1), dropout=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_dropout_hides_present_modalities_but_never_the_last(rows, share, dropout, seed):
    tf.random.set_seed(seed)
    layer, stand_ins = layer_with_stand_ins(dropout)
    mask = presence(rows, share)
    complete, shown = layer(features(rows), mask=mask, training=True)
    before, after = matrix(mask), matrix(shown)
    assert not np.any(after & ~before)
    np.testing.assert_array_equal(after.any(axis=1), before.any(axis=1))
    for name in NAMES:
        expected = np.where(shown[name].numpy()[:, None], features(rows)[name], stand_ins[name])
        np.testing.assert_array_equal(complete[name], expected)


def test_modalities_are_dropped_with_the_stated_probability_and_the_survivor_is_any_of_them():
    rows, dropout = 40_000, 0.4
    layer, _ = layer_with_stand_ins(dropout, seed=3)
    tf.random.set_seed(3)
    _, shown = layer(features(rows), training=True)
    kept = matrix(shown)
    # Each is kept by its own draw, or as the survivor, one of three, where all draws say to drop.
    np.testing.assert_allclose(kept.mean(axis=0), 1 - dropout + dropout**3 / 3, atol=0.01)
    expected = [3 * dropout**2 * (1 - dropout) + dropout**3, 3 * dropout * (1 - dropout) ** 2, (1 - dropout) ** 3]
    np.testing.assert_allclose(np.bincount(kept.sum(axis=1), minlength=4) / rows, [0, *expected], atol=0.01)


def test_nothing_is_dropped_outside_training():
    layer, _ = layer_with_stand_ins(0.9)
    _, shown = layer(features(50), training=False)
    assert matrix(shown).all()
    _, shown = layer(features(50))
    assert matrix(shown).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_traced_layer_takes_any_number_of_rows_and_a_training_switch_that_is_a_tensor(jit_compile):
    layer, _ = layer_with_stand_ins(0.5)
    signature = [
        {name: tf.TensorSpec([None, width]) for name, width in WIDTHS.items()},
        {name: tf.TensorSpec([None], tf.bool) for name in WIDTHS},
        tf.TensorSpec([], tf.bool),
    ]
    traced = tf.function(
        lambda inputs, mask, training: layer(inputs, mask=mask, training=training),
        input_signature=signature,
        jit_compile=jit_compile,
    )
    for rows in (30, 1, 0):
        mask = presence(rows)
        _, shown = traced(features(rows), mask, tf.constant(False))
        np.testing.assert_array_equal(matrix(shown), matrix(mask))
    _, shown = traced(features(30), presence(30), tf.constant(True))
    assert matrix(shown).sum() < matrix(presence(30)).sum()


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_half_features_from_float32_stand_ins(dtype):
    layer = MissingModalities(0.5, dtype=dtype)
    complete, _ = layer(features(6), mask=presence(6), training=True)
    assert {values.dtype.name for values in complete.values()} == {layer.compute_dtype}
    assert layer.stand_ins.dtype == tf.float32


@pytest.mark.parametrize("file", ["model.keras", "saved_model"])
def test_a_saved_layer_gives_the_same_stand_ins(tmp_path, file):
    layer, _ = layer_with_stand_ins(0.5)
    inputs = {name: keras.Input([width], name=name) for name, width in WIDTHS.items()}
    mask = {name: keras.Input([], dtype=tf.bool, name=f"has_{name}") for name in WIDTHS}
    original = keras.Model([inputs, mask], layer(inputs, mask=mask))
    original.save(str(tmp_path / file))
    restored = keras.models.load_model(str(tmp_path / file))
    arguments = [features(8), presence(8)]
    for found, expected in zip(tf.nest.flatten(restored(arguments)), tf.nest.flatten(original(arguments)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_layer_made_from_its_configuration_is_the_same():
    layer = MissingModalities(0.25, initializer="ones", regularizer=keras.regularizers.L2(0.5), seed=7)
    config = layer.get_config()
    assert MissingModalities.from_config(config).get_config() == config
    layer(features(2))
    np.testing.assert_allclose(sum(layer.losses), 0.5 * 9)


@pytest.mark.parametrize("dropout", [1.0, -0.1, "half", True])
def test_a_dropout_that_is_no_share_is_quoted(dropout):
    with pytest.raises(InvalidInputError, match=f"MissingModalities: dropout is {dropout!r}, expected a number in"):
        MissingModalities(dropout)


def test_inputs_that_do_not_fit_are_refused_by_name():
    layer, _ = layer_with_stand_ins()
    with pytest.raises(InvalidInputError, match="expected a dictionary of features by modality name"):
        MissingModalities()(np.ones((2, 3), "float32"))
    with pytest.raises(InvalidInputError, match=r'"audio" of width 2.*expected "acoustic" of width 2'):
        layer({"audio" if name == "acoustic" else name: values for name, values in features(2).items()})
    with pytest.raises(InvalidInputError, match="the mask has the modalities visual; expected"):
        layer(features(2), mask={"visual": np.array([True, False])})
