"""The static fusions against their equations in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.static_fusions import AttentionFusion, ConcatenationFusion, GatedFusion, SumFusion

WIDTHS = {"visual": 7, "acoustic": 3, "textual": 5}
NAMES = ["acoustic", "textual", "visual"]
ITEMS = 10
PROJECTING = [SumFusion, GatedFusion, AttentionFusion]


def features() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.normal(size=(ITEMS, width)) for name, width in WIDTHS.items()}


def presence() -> dict[str, np.ndarray]:
    """Item 0 has everything, item 1 nothing, the others something at random."""
    random = np.random.default_rng(2)
    mask = {name: random.random(ITEMS) < 0.5 for name in WIDTHS}
    for present in mask.values():
        present[:2] = True, False
    return mask


def with_random_weights(fusion_class, **options):
    # A slope that float32 holds exactly: TensorFlow keeps slopes in float32 even where it computes in float64.
    fusion = fusion_class((6, 4), negative_slope=0.125, dtype="float64", **options)
    fusion(features())
    random = np.random.default_rng(3)
    fusion.set_weights([random.normal(size=weight.shape) for weight in fusion.weights])
    return fusion


def perceptron(stack, x: np.ndarray) -> np.ndarray:
    for position, (kernel, bias) in enumerate(zip(stack.kernels, stack.biases, strict=True)):
        if position:
            x = np.maximum(x, 0.125 * x)
        x = x @ kernel.numpy() + bias.numpy()
    return x


def side_by_side() -> np.ndarray:
    return np.concatenate([features()[name] for name in NAMES], axis=1)


def projections(fusion) -> np.ndarray:
    """[B, M, out]"""
    stacks = zip(NAMES, fusion.projections, strict=True)
    return np.stack([perceptron(stack, features()[name]) for name, stack in stacks], axis=1)


def present(mask) -> np.ndarray:
    """[B, M]"""
    return np.stack([np.ones(ITEMS) if mask is None else mask[name].astype(float) for name in NAMES], axis=1)


@pytest.mark.parametrize("mask", [None, presence()])
def test_concatenation_is_a_perceptron_over_all_modalities_and_does_not_look_at_the_mask(mask):
    fusion = with_random_weights(ConcatenationFusion)
    expected = perceptron(fusion.dense_stack, side_by_side())
    np.testing.assert_allclose(fusion(features(), mask=mask), expected, atol=1e-11)
    np.testing.assert_allclose(fusion(side_by_side()), expected, atol=1e-11)


def test_a_channel_gate_opens_or_closes_every_value_by_all_of_them():
    fusion = with_random_weights(ConcatenationFusion, channel_gate=2)
    assert [tuple(kernel.shape) for kernel in fusion.gate.kernels] == [(4, 2), (2, 4)]
    fused = perceptron(fusion.dense_stack, side_by_side())
    inwards, outwards = (kernel.numpy() for kernel in fusion.gate.kernels)
    gates = 1 / (1 + np.exp(-np.maximum(fused @ inwards, 0) @ outwards))
    np.testing.assert_allclose(fusion(features(), mask=presence()), fused * gates, atol=1e-11)
    again = keras.layers.deserialize(keras.layers.serialize(fusion))
    assert again.get_config() == fusion.get_config()
    with pytest.raises(InvalidInputError, match="ConcatenationFusion: channel_gate is 0, expected an integer"):
        ConcatenationFusion((4,), channel_gate=0)


@pytest.mark.parametrize("mask", [None, presence()])
def test_sum_is_the_mean_of_the_projections_of_present_modalities(mask):
    fusion = with_random_weights(SumFusion)
    expected = np.zeros((ITEMS, 4))
    for item, weights in enumerate(present(mask)):
        if weights.any():
            expected[item] = projections(fusion)[item][weights.astype(bool)].mean(axis=0)
    np.testing.assert_allclose(fusion(features(), mask=mask), expected, atol=1e-11)


@pytest.mark.parametrize("mask", [None, presence()])
def test_gated_weighs_every_value_by_a_gate_computed_from_all_modalities(mask):
    fusion = with_random_weights(GatedFusion)
    gates = 1 / (1 + np.exp(-perceptron(fusion.gates, side_by_side()))).reshape(ITEMS, 3, 4)
    expected = (present(mask)[:, :, None] * gates * projections(fusion)).sum(axis=1)
    np.testing.assert_allclose(fusion(features(), mask=mask), expected, atol=1e-11)


@pytest.mark.parametrize("mask", [None, presence()])
def test_attention_is_a_softmax_over_present_modalities(mask):
    fusion = with_random_weights(AttentionFusion)
    projected = projections(fusion)
    scores = perceptron(fusion.score, np.tanh(perceptron(fusion.attention, projected)))[:, :, 0]
    weights = np.exp(scores) * present(mask)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    expected = (weights[:, :, None] * projected).sum(axis=1)
    np.testing.assert_allclose(fusion(features(), mask=mask), expected, atol=1e-11)


@pytest.mark.parametrize("fusion_class", [SumFusion, AttentionFusion])
def test_features_of_an_absent_modality_make_no_difference(fusion_class):
    fusion, mask = with_random_weights(fusion_class), presence()
    changed = {name: np.where(mask[name][:, None], values, 100.0) for name, values in features().items()}
    np.testing.assert_allclose(fusion(changed, mask=mask), fusion(features(), mask=mask), atol=1e-11)


@pytest.mark.parametrize("fusion_class", PROJECTING)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_items_without_any_modality_get_zeros_and_finite_gradients(fusion_class, dtype):
    fusion = fusion_class((6, 4), dtype=dtype)
    inputs = {name: tf.constant(values, tf.float32) for name, values in features().items()}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        fused = fusion(inputs, mask=presence())
        loss = tf.reduce_sum(tf.cast(fused, tf.float32) ** 2)
    assert not np.any(fused[1])
    assert np.all(np.any(fused.numpy()[present(presence()).any(axis=1)], axis=1))
    gradients = tape.gradient(loss, [*inputs.values(), *fusion.trainable_variables])
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)


@pytest.mark.parametrize("fusion_class", PROJECTING)
def test_projections_need_the_modalities_apart(fusion_class):
    with pytest.raises(InvalidInputError, match=rf"{fusion_class.__name__}: the input is one tensor.* dictionary"):
        fusion_class((4,))(np.ones((2, 5), "float32"))


@pytest.mark.parametrize(
    ("fusion_class", "options"),
    [(ConcatenationFusion, {"channel_gate": 2}), *((fusion_class, {}) for fusion_class in PROJECTING)],
)
def test_the_regulariser_reaches_every_kernel_and_no_bias(fusion_class, options):
    fusion = with_random_weights(fusion_class, kernel_regularizer=keras.regularizers.L2(0.5), **options)
    kernels = [weight.numpy() for weight in fusion.weights if "kernel" in weight.name]
    np.testing.assert_allclose(sum(fusion.losses), 0.5 * sum((kernel**2).sum() for kernel in kernels))
    assert len(kernels) < len(fusion.weights)


@pytest.mark.parametrize("fusion_class", [ConcatenationFusion, *PROJECTING])
def test_an_argument_that_is_not_acceptable_is_quoted(fusion_class):
    with pytest.raises(InvalidInputError, match=f"{fusion_class.__name__}: units is 'wide'"):
        fusion_class("wide")
    with pytest.raises(InvalidInputError, match=f"{fusion_class.__name__}: negative_slope is -0.1"):
        fusion_class(negative_slope=-0.1)
