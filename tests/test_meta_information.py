"""MetaInformation against a two-layer perceptron in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_information import MetaInformation

FEATURES = np.random.default_rng(1).normal(size=(7, 6))
ABSENCE = np.random.default_rng(2).integers(0, 2, size=(7, 3)).astype(float)


def extractor(**options) -> MetaInformation:
    """A float64 layer with every weight, biases and absence kernel too, away from zero."""
    layer = MetaInformation(4, modalities=3, dtype="float64", **options)
    layer(FEATURES)
    random = np.random.default_rng(3)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    return layer


def perceptron(inputs, hidden_kernel, layer: MetaInformation) -> np.ndarray:
    hidden = np.maximum(inputs @ hidden_kernel + layer.hidden_bias.numpy(), 0)
    return hidden @ layer.kernel.numpy() + layer.bias.numpy()


def test_it_is_a_perceptron_with_a_hidden_layer_as_wide_as_the_features():
    layer = extractor()
    assert layer.hidden_kernel.shape == (6, 6)
    np.testing.assert_allclose(layer(FEATURES), perceptron(FEATURES, layer.hidden_kernel.numpy(), layer), atol=1e-12)


def test_the_hidden_width_can_be_chosen():
    layer = extractor(hidden_units=11)
    assert layer.hidden_kernel.shape == (6, 11)
    np.testing.assert_allclose(layer(FEATURES), perceptron(FEATURES, layer.hidden_kernel.numpy(), layer), atol=1e-12)


def test_absence_is_seen_as_further_inputs_of_the_hidden_layer():
    layer = extractor()
    inputs = np.concatenate([FEATURES, ABSENCE], axis=1)
    kernel = np.concatenate([layer.hidden_kernel.numpy(), layer.absence_kernel.numpy()])
    np.testing.assert_allclose(layer(FEATURES, absence=ABSENCE), perceptron(inputs, kernel, layer), atol=1e-12)


def test_with_everything_present_absence_makes_no_difference_at_all():
    layer = extractor()
    np.testing.assert_array_equal(layer(FEATURES, absence=np.zeros((7, 3))), layer(FEATURES))


def test_a_fresh_layer_does_not_see_absence_yet_but_learns_from_it():
    layer = MetaInformation(4, modalities=3)
    with tf.GradientTape() as tape:
        outputs = layer(tf.constant(FEATURES, tf.float32), absence=tf.constant(ABSENCE, tf.float32))
    np.testing.assert_array_equal(outputs, layer(tf.constant(FEATURES, tf.float32)))
    assert np.abs(tape.gradient(outputs, layer.absence_kernel)).max() > 0


def test_meta_information_starts_on_the_scale_of_the_features():
    keras.utils.set_random_seed(5)
    features = np.random.default_rng(5).normal(size=(2000, 200))
    mean_squares = [np.mean(MetaInformation(5)(features).numpy() ** 2) for _ in range(8)]
    assert 0.5 < np.mean(mean_squares) < 2


def test_regularisers_reach_all_kernels_and_no_bias():
    layer = extractor(kernel_regularizer=keras.regularizers.L2(2.0))
    kernels = [layer.hidden_kernel, layer.kernel, layer.absence_kernel]
    np.testing.assert_allclose(sum(layer.losses), 2 * sum((kernel.numpy() ** 2).sum() for kernel in kernels))


def test_a_layer_made_from_its_configuration_is_the_same():
    config = MetaInformation(4, 9, modalities=2, kernel_initializer="he_normal", bias_initializer="ones").get_config()
    assert MetaInformation.from_config(config).get_config() == config
    assert (config["units"], config["hidden_units"], config["modalities"]) == (4, 9, 2)


def test_mixed_precision_computes_in_half_and_keeps_float32_weights():
    layer = MetaInformation(4, modalities=3, dtype="mixed_float16")
    assert layer(FEATURES.astype(np.float32), absence=ABSENCE.astype(np.float32)).dtype == tf.float16
    assert {weight.dtype for weight in layer.weights} == {tf.float32}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": -1}, "MetaInformation: units is -1"),
        ({"units": 4, "hidden_units": 0}, "MetaInformation: hidden_units is 0"),
        ({"units": 4, "modalities": -2}, "MetaInformation: modalities is -2"),
    ],
)
def test_an_argument_that_is_not_acceptable_is_quoted(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        MetaInformation(**arguments)


def test_absence_is_refused_by_a_layer_made_for_no_modalities():
    with pytest.raises(InvalidInputError, match="made for 0 modalities"):
        MetaInformation(4)(FEATURES.astype(np.float32), absence=ABSENCE)
