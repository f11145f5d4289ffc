"""The contract every fusion keeps, fusions by name, and a user's own layer."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import FUSIONS

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.fusions import apply_fusion, make_fusion
from tf_metammf.fusion.missing_modalities import MissingModalities

WIDTHS = {"visual": 7, "acoustic": 3, "textual é/2": 5}


def features(rows: int = 6) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    return {name: random.normal(size=(rows, width)).astype("float32") for name, width in WIDTHS.items()}


def presence(rows: int = 6) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows + 1)
    return {name: random.random(rows) < 0.5 for name in WIDTHS}


@pytest.mark.parametrize("name", FUSIONS)
def test_every_fusion_gives_one_vector_an_item_for_any_number_of_items(name):
    fusion = make_fusion(name, units=(6, 4))
    signature = [
        {name: tf.TensorSpec([None, width]) for name, width in WIDTHS.items()},
        {name: tf.TensorSpec([None], tf.bool) for name in WIDTHS},
    ]
    traced, compiled = (
        tf.function(lambda inputs, mask: fusion(inputs, mask=mask), input_signature=signature, jit_compile=jit_compile)
        for jit_compile in (False, True)
    )
    for rows in (6, 0):
        expected = fusion(features(rows), mask=presence(rows))
        assert expected.shape == (rows, 4)
        np.testing.assert_allclose(traced(features(rows), presence(rows)), expected, atol=1e-5)
        np.testing.assert_allclose(compiled(features(rows), presence(rows)), expected, atol=1e-5)
    shapes = {name: (None, width) for name, width in WIDTHS.items()}
    assert fusion.compute_output_shape(shapes).as_list() == [None, 4]


@pytest.mark.parametrize("name", FUSIONS)
def test_every_item_is_fused_on_its_own(name):
    fusion = make_fusion(name, units=(6, 4))
    together = fusion(features(), mask=presence())
    for item in range(6):
        one = slice(item, item + 1)
        alone = fusion(
            {name: values[one] for name, values in features().items()},
            mask={name: values[one] for name, values in presence().items()},
        )
        np.testing.assert_allclose(alone, together[one], atol=1e-5)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("mask", [None, presence()])
def test_every_weight_has_a_gradient_with_a_mask_and_without(name, mask):
    fusion = make_fusion(name, units=(6, 4))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fusion(features(), mask=mask) ** 2)
    gradients = tape.gradient(loss, fusion.trainable_variables)
    assert gradients
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_half_and_keeps_float32_weights(name, policy):
    fusion = make_fusion(name, units=(6, 4), dtype=policy)
    fused = fusion(features(), mask=presence())
    assert fused.dtype.name == fusion.compute_dtype
    assert {weight.dtype for weight in fusion.weights} == {tf.float32}
    exact = make_fusion(name, units=(6, 4))
    exact(features())
    exact.set_weights(fusion.get_weights())
    np.testing.assert_allclose(tf.cast(fused, tf.float32), exact(features(), mask=presence()), atol=0.2)


def model_of(name: str) -> keras.Model:
    inputs = {name: keras.Input([width], name=f"x{position}") for position, (name, width) in enumerate(WIDTHS.items())}
    mask = {name: keras.Input([], dtype=tf.bool, name=f"has_{position}") for position, name in enumerate(WIDTHS)}
    complete, shown = MissingModalities(initializer="ones")(inputs, mask=mask)
    return keras.Model([inputs, mask], make_fusion(name, units=(6, 4))(complete, mask=shown))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        *((name, file) for name in FUSIONS for file in ("model.keras", "model.weights.h5")),
        *(("metammf", file) for file in ("saved_model", "weights.h5", "checkpoint_of_weights")),
    ],
)
def test_a_saved_model_gives_the_same_vectors(tmp_path, name, file):
    original, path = model_of(name), str(tmp_path / file)
    for weight in original.weights:
        weight.assign(tf.random.normal(weight.shape))
    if "weights" in file:
        original.save_weights(path)
        restored = model_of(name)
        restored.load_weights(path)
    else:
        original.save(path)
        restored = keras.models.load_model(path)
    arguments = [features(), presence()]
    np.testing.assert_allclose(restored(arguments), original(arguments), atol=1e-6)
    assert type(restored.layers[-1]) is FUSIONS[name]


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_made_from_its_configuration_is_the_same(name):
    options = {"kernel_regularizer": keras.regularizers.L2(0.5), "kernel_initializer": "he_normal", "dtype": "float64"}
    options |= {"meta_units": 3, "rank": None, "meta_hidden_units": 9} if name == "metammf" else {}
    config = make_fusion(name, units=(6, 4), negative_slope=0.2, **options).get_config()
    assert FUSIONS[name].from_config(config).get_config() == config
    assert config["units"] == [6, 4]
    assert config["negative_slope"] == 0.2


def test_an_unknown_fusion_or_option_is_named_with_the_nearest_known_one():
    with pytest.raises(InvalidInputError, match='unknown fusion "metamf"; did you mean "metammf"'):
        make_fusion("metamf")
    with pytest.raises(InvalidInputError, match='option of the fusion "metammf" "ranks"; did you mean "rank"'):
        make_fusion("metammf", ranks=3)
    with pytest.raises(InvalidInputError, match='unknown option of the fusion "sum" "rank"'):
        make_fusion("sum", rank=3)


def test_what_is_neither_a_name_nor_a_layer_is_refused():
    for wrong in (3, keras.layers.Dense, lambda inputs: inputs):
        with pytest.raises(InvalidInputError, match=r"expected a name .* or an instance of tf_keras.layers.Layer"):
            make_fusion(wrong)


class OwnFusion(keras.layers.Layer):
    """Takes the whole contract and tells what it was given."""

    def call(self, inputs, mask=None, training=None):
        first = inputs["visual"][:, :2]
        shown = tf.cast(mask["visual"], first.dtype)[:, None] if mask is not None else tf.ones_like(first[:, :1])
        return tf.concat([first, shown, tf.ones_like(shown) * float(bool(training))], axis=1)


class PlainFusion(keras.layers.Layer):
    """Takes features alone."""

    def call(self, inputs):
        return inputs["visual"][:, :2]


def test_a_layer_of_the_users_own_is_taken_as_it_is_and_gets_mask_and_training():
    own = OwnFusion()
    assert make_fusion(own) is own
    fused = apply_fusion(own, features(), presence(), training=True).numpy()
    np.testing.assert_array_equal(fused[:, :2], features()["visual"][:, :2])
    np.testing.assert_array_equal(fused[:, 2], presence()["visual"])
    np.testing.assert_array_equal(fused[:, 3], np.ones(6))
    np.testing.assert_array_equal(apply_fusion(own, features()).numpy()[:, 2:], [[1, 0]] * 6)
    with pytest.raises(InvalidInputError, match=r'the layer "own_fusion.*", but there are options: rank, units'):
        make_fusion(own, units=(3,), rank=2)


def test_a_layer_without_mask_and_training_is_called_without_them():
    fused = apply_fusion(PlainFusion(), features(), presence(), training=True)
    np.testing.assert_array_equal(fused, features()["visual"][:, :2])


def test_a_model_put_together_from_keras_layers_is_a_fusion_and_gets_no_mask():
    inputs = {name: keras.Input([width]) for name, width in WIDTHS.items()}
    joined = keras.layers.Concatenate()([inputs[name] for name in sorted(WIDTHS)])
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Dropout(0.5)(joined)))
    found = apply_fusion(make_fusion(model), features(), presence(), training=False)
    np.testing.assert_allclose(found, model(features()))
    assert not np.allclose(apply_fusion(model, features(), presence(), training=True), found)


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (lambda inputs: inputs["visual"][:, :, None], r"a tensor of shape \(6, 7, 1\)"),
        (lambda inputs: tf.reduce_sum(inputs["visual"]), r"a tensor of shape \(\)"),
        (lambda inputs: dict(inputs), "dict"),
    ],
)
def test_a_layer_that_returns_something_else_is_refused_with_what_it_returned(returned, found):
    with pytest.raises(InvalidInputError, match=rf'fusion "mine" returned {found}, expected one tensor'):
        apply_fusion(keras.layers.Lambda(returned, name="mine"), features(), presence())
