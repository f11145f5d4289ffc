"""A dynamic fusion that begins as a static one, against the static one and against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_dense import MetaDense
from tf_metammf.fusion.meta_fusion import MetaFusion
from tf_metammf.fusion.meta_information import MetaInformation
from tf_metammf.fusion.static_fusions import ConcatenationFusion

WIDTHS = {"acoustic": 3, "visual": 7}
RANKS = [None, 3]


def features(rows: int = 9) -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    return {name: random.normal(size=(rows, width)).astype(np.float32) for name, width in WIDTHS.items()}


def static_start(rank: int | None = 3, **options) -> MetaFusion:
    keras.utils.set_random_seed(5)
    fusion = MetaFusion((6, 4), meta_units=2, rank=rank, start="static", **options)
    fusion(features())
    return fusion


@pytest.mark.parametrize("rank", RANKS)
def test_it_begins_as_concatenation_with_the_same_kernels_to_the_bit(rank):
    fusion, static = static_start(rank), ConcatenationFusion((6, 4))
    static(features())
    for position, layer in enumerate(fusion.fusion_layers):
        layer.bias.assign(np.random.default_rng(position).normal(size=layer.units))
        static.dense_stack.kernels[position].assign(layer.static_kernel)
        static.dense_stack.biases[position].assign(layer.bias)
    np.testing.assert_array_equal(fusion(features()), static(features()))


@pytest.mark.long
@pytest.mark.parametrize("rank", RANKS)
def test_it_becomes_dynamic_where_that_lowers_the_loss(rank):
    fusion, inputs = static_start(rank), features(64)
    meta_information = fusion.extract_meta_information(inputs).numpy()
    x = np.concatenate([inputs[name] for name in sorted(inputs)], axis=1)
    # What no static kernel gives: the first feature, as often as the meta information says.
    wanted = tf.constant(np.tile(x[:, :1] * meta_information[:, :1], [1, 4]))
    optimizer = keras.optimizers.Adam(0.01)

    def loss() -> tf.Tensor:
        return tf.reduce_mean((fusion(inputs) - wanted) ** 2)

    for _ in range(80):
        optimizer.minimize(loss, fusion.trainable_variables)
    kernels = fusion.kernels(inputs)
    assert all(np.ptp(kernel, axis=0).max() > 1e-3 for kernel in kernels)
    without = static_start(rank)
    without.set_weights(fusion.get_weights())
    for layer in without.fusion_layers:
        last = layer.tensor if rank is None else layer.factor_b
        last.assign(tf.zeros_like(last))
    assert float(loss()) < float(tf.reduce_mean((without(inputs) - wanted) ** 2))


@pytest.mark.parametrize("rank", RANKS)
def test_output_is_that_of_kernels_and_biases_in_numpy(rank):
    fusion = static_start(rank, normalize_meta=True, negative_slope=0.125)
    random = np.random.default_rng(1)
    fusion.set_weights([random.normal(size=weight.shape) for weight in fusion.weights])
    inputs = features()
    extractor = fusion.meta_information
    x = np.concatenate([inputs[name] for name in sorted(inputs)], axis=1)
    hidden = np.maximum(x @ extractor.hidden_kernel.numpy() + extractor.hidden_bias.numpy(), 0)
    meta = hidden @ extractor.kernel.numpy() + extractor.bias.numpy()
    meta /= np.sqrt((meta**2).mean(axis=1, keepdims=True) + 1e-6)
    for position, layer in enumerate(fusion.fusion_layers):
        if rank is None:
            tensor = layer.tensor.numpy()
        else:
            factors = layer.factor_c.numpy(), layer.factor_a.numpy(), layer.factor_b.numpy()
            tensor = np.einsum("sr,ir,ro->sio", *factors)
        if position:
            x = np.where(x > 0, x, 0.125 * x)
        kernels = layer.static_kernel.numpy() + np.einsum("bs,sio->bio", meta, tensor)
        x = np.einsum("bi,bio->bo", x, kernels) + layer.bias.numpy()
    np.testing.assert_allclose(fusion(inputs), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_float16", "mixed_bfloat16"])
def test_meta_information_of_any_size_has_mean_square_one(dtype):
    keras.utils.set_random_seed(2)
    layer = MetaInformation(4, normalize=True, dtype=dtype)
    rows = np.random.default_rng(0).normal(size=(6, 5)) * [[1e-1], [1], [10], [100], [1000], [0]]
    meta = layer(tf.constant(rows, layer.compute_dtype)).numpy().astype(np.float64)
    tolerance = 1e-3 if dtype.startswith("float") else 0.05
    np.testing.assert_allclose((meta[1:5] ** 2).mean(axis=1), 1, atol=tolerance)
    assert not meta[5].any()


@pytest.mark.parametrize("rank", RANKS)
def test_the_penalty_is_on_what_generates_kernels_alone(rank):
    fusion = MetaFusion((6, 4), meta_units=2, rank=rank, generated_l2=0.5)
    fusion(features())
    weights = [layer.tensor if rank is None else layer.factor_b for layer in fusion.fusion_layers]
    expected = sum(0.25 * np.sum(weight.numpy() ** 2) for weight in weights)
    np.testing.assert_allclose(tf.add_n(fusion.losses), expected, rtol=1e-5)
    assert not MetaFusion((6, 4)).losses


@pytest.mark.parametrize("start", ["random", "static"])
def test_a_fusion_made_from_its_configuration_is_the_same(start):
    fusion = MetaFusion((6, 4), start=start, normalize_meta=True, generated_l2=0.125, name="fuse")
    again = MetaFusion.from_config(fusion.get_config())
    assert again.get_config() == fusion.get_config()
    dense = MetaDense(3, 2, use_bias=True, generated_initializer="ones", generated_regularizer="l2")
    assert MetaDense.from_config(dense.get_config()).get_config() == dense.get_config()


def test_the_configuration_of_a_fusion_from_before_makes_the_published_one():
    config = MetaFusion((6, 4)).get_config()
    earlier = {key: config[key] for key in config if key not in ("start", "normalize_meta", "generated_l2")}
    fusion = MetaFusion.from_config(earlier)
    fusion(features())
    assert all("bias" not in weight.name for layer in fusion.fusion_layers for weight in layer.weights)
    assert fusion.fusion_layers[0].factor_b.numpy().any()


def test_another_start_is_refused():
    with pytest.raises(InvalidInputError, match='unknown start "dynamic"'):
        MetaFusion((6, 4), start="dynamic")
    with pytest.raises(InvalidInputError, match="generated_l2 is -1"):
        MetaFusion((6, 4), generated_l2=-1)
