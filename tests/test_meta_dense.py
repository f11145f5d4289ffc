"""MetaDense against kernels built in NumPy, and against the published layers."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_dense import MetaDense

REFERENCE = Path(__file__).with_name("reference")

SHAPES = [(1, 1, 1, 1), (6, 5, 4, 3), (4, 13, 2, 7), (9, 2, 11, 1)]
RANKS = [None, 1, 4]


def built(batch, width, units, meta_units, rank, **options):
    """A float64 layer, inputs and meta information for it."""
    keras.utils.set_random_seed(batch + width)
    random = np.random.default_rng(batch * units + meta_units)
    features, meta = random.normal(size=(batch, width)), random.normal(size=(batch, meta_units))
    layer = MetaDense(units, rank, dtype="float64", **options)
    layer((features, meta))
    return layer, features, meta


def tensor_of(layer: MetaDense) -> np.ndarray:
    """T [S, in, out] of a layer, in NumPy."""
    if layer.rank is None:
        return layer.tensor.numpy()
    return np.einsum("sr,ir,ro->sio", layer.factor_c.numpy(), layer.factor_a.numpy(), layer.factor_b.numpy())


def gradients(layer: MetaDense, features, meta, output_gradient) -> dict[str, np.ndarray]:
    features, meta = tf.convert_to_tensor(features), tf.convert_to_tensor(meta)
    with tf.GradientTape() as tape:
        tape.watch([features, meta])
        loss = tf.reduce_sum(layer((features, meta)) * output_gradient)
    sources = {"features": features, "meta": meta} | {w.name.split("/")[-1].split(":")[0]: w for w in layer.weights}
    return {name: gradient.numpy() for name, gradient in tape.gradient(loss, sources).items()}


@pytest.mark.parametrize(("shape", "rank"), product(SHAPES, RANKS))
def test_output_and_gradients_are_those_of_kernels_built_row_by_row(shape, rank):
    layer, features, meta = built(*shape, rank)
    static, tensor = layer.static_kernel.numpy(), tensor_of(layer)
    kernels = static + np.einsum("bs,sio->bio", meta, tensor)
    upstream = np.random.default_rng(0).normal(size=(len(features), layer.units))

    np.testing.assert_allclose(layer((features, meta)), np.einsum("bi,bio->bo", features, kernels), atol=1e-12)
    np.testing.assert_allclose(layer.kernel(meta), kernels, atol=1e-12)

    kernel_gradients = np.einsum("bi,bo->bio", features, upstream)
    tensor_gradient = np.einsum("bs,bio->sio", meta, kernel_gradients)
    expected = {
        "features": np.einsum("bio,bo->bi", kernels, upstream),
        "meta": np.einsum("sio,bio->bs", tensor, kernel_gradients),
        "static_kernel": kernel_gradients.sum(axis=0),
    }
    if rank is None:
        expected["tensor"] = tensor_gradient
    else:
        a, b, c = layer.factor_a.numpy(), layer.factor_b.numpy(), layer.factor_c.numpy()
        expected["factor_a"] = np.einsum("sio,ro,sr->ir", tensor_gradient, b, c)
        expected["factor_b"] = np.einsum("sio,ir,sr->ro", tensor_gradient, a, c)
        expected["factor_c"] = np.einsum("sio,ir,ro->sr", tensor_gradient, a, b)
    found = gradients(layer, features, meta, upstream)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_decomposed_layer_equals_the_full_layer_of_the_tensor_its_factors_make(shape):
    decomposed, features, meta = built(*shape, 3)
    full, *_ = built(*shape, None)
    full.set_weights([decomposed.static_kernel, tensor_of(decomposed)])
    np.testing.assert_allclose(decomposed((features, meta)), full((features, meta)), atol=1e-12)


def test_the_full_layer_equals_the_published_one_with_its_gradients():
    published = np.load(REFERENCE / "meta_layer.npz", allow_pickle=False)
    inputs = published["inputs"], published["meta_information"]
    layer = MetaDense(published["static_kernel"].shape[1])
    layer(inputs)
    layer.static_kernel.assign(published["static_kernel"])
    layer.tensor.assign(published["tensor"])

    np.testing.assert_allclose(layer(inputs), published["outputs"], rtol=1e-5, atol=1e-5)
    found = gradients(layer, *inputs, published["output_gradient"])
    for name, reference in [("features", "inputs"), ("tensor", "tensor"), ("static_kernel", "static_kernel")]:
        np.testing.assert_allclose(found[name], published[f"{reference}_gradient"], rtol=1e-5, atol=1e-5, err_msg=name)


def test_the_decomposed_layer_reproduces_the_published_one_with_its_gradients():
    published = np.load(REFERENCE / "released_cpd_layer.npz", allow_pickle=False)
    inputs = published["inputs"], published["meta_information"]
    rank, meta_units = published["factor_a"].shape[1], inputs[1].shape[1]
    # The published code sums its third factor over the rank before it is used.
    factor_c = published["factor_c_flat"].reshape(rank, meta_units).sum(axis=0)
    layer = MetaDense(published["static_kernel"].shape[1], rank)
    layer(inputs)
    layer.static_kernel.assign(published["static_kernel"])
    layer.factor_a.assign(published["factor_a"])
    layer.factor_b.assign(published["factor_b"])
    layer.factor_c.assign(np.repeat(factor_c[:, np.newaxis], rank, axis=1))

    np.testing.assert_allclose(layer(inputs), published["outputs"], rtol=1e-5, atol=1e-5)
    found = gradients(layer, *inputs, published["output_gradient"])
    pairs = [("features", "inputs"), *((name, name) for name in ("factor_a", "factor_b", "static_kernel"))]
    for name, reference in pairs:
        np.testing.assert_allclose(found[name], published[f"{reference}_gradient"], rtol=1e-5, atol=1e-5, err_msg=name)
    published_c = published["factor_c_flat_gradient"].reshape(rank, meta_units)
    summed = np.tile(found["factor_c"].sum(axis=1), (rank, 1))
    np.testing.assert_allclose(summed, published_c, rtol=1e-5, atol=1e-5)


def largest_tensor(function, *arguments) -> int:
    """Elements of the largest tensor in a function's graph and the graphs it calls."""
    graph = function.get_concrete_function(*arguments).graph
    graphs = [graph, *(inner.graph for inner in graph._functions.values() if hasattr(inner, "graph"))]
    shapes = [output.shape for graph in graphs for operation in graph.get_operations() for output in operation.outputs]
    return max(shape.num_elements() or 0 for shape in shapes if shape.rank is not None)


@pytest.mark.parametrize("rank", [None, 2])
def test_no_kernel_of_a_row_is_ever_materialised_forward_or_backward(rank):
    batch, width, units, meta_units = 17, 11, 13, 3
    layer, features, meta = built(batch, width, units, meta_units, rank)
    features, meta = tf.constant(features), tf.constant(meta)

    def training_step(compute):
        @tf.function
        def step(features, meta):
            with tf.GradientTape() as tape:
                tape.watch([features, meta])
                loss = tf.reduce_sum(compute(features, meta) ** 2)
            return tape.gradient(loss, [features, meta, *layer.weights])

        return step

    def naive(features, meta):
        return tf.einsum("bi,bio->bo", features, layer.kernel(meta))

    one_kernel_a_row = batch * width * units
    assert largest_tensor(training_step(lambda *inputs: layer(inputs)), features, meta) < one_kernel_a_row
    assert largest_tensor(training_step(naive), features, meta) >= one_kernel_a_row


@pytest.mark.parametrize(
    ("width", "units", "meta_units", "rank"),
    [(300, 200, 5, 16), (300, 200, 5, None), (64, 300, 20, 4), (500, 10, 1, 64), (500, 10, 1, None)],
)
def test_the_generated_part_starts_with_unit_variance_whatever_the_sizes(width, units, meta_units, rank):
    variances = []
    for seed in range(6):
        keras.utils.set_random_seed(seed)
        random = np.random.default_rng(seed)
        layer = MetaDense(units, rank, kernel_initializer="zeros")
        variances.append(np.var(layer((random.normal(size=(256, width)), random.normal(size=(256, meta_units))))))
    assert 0.6 < np.mean(variances) < 1.6


def test_weights_of_one_shape_do_not_start_out_equal():
    layer = MetaDense(4, 4, tensor_initializer=keras.initializers.GlorotNormal())
    layer((tf.ones([2, 4]), tf.ones([2, 4])))
    starts = [layer.factor_a.numpy(), layer.factor_b.numpy(), layer.factor_c.numpy()]
    assert not any(np.array_equal(one, other) for one, other in [starts[:2], starts[1:], starts[::2]])


def test_activation_regularisers_and_constraints_are_applied():
    layer, features, meta = built(
        5,
        4,
        3,
        2,
        2,
        activation="relu",
        kernel_regularizer=keras.regularizers.L2(0.5),
        tensor_regularizer=keras.regularizers.L1(0.25),
        tensor_constraint="non_neg",
    )
    assert layer.factor_b.constraint is not None
    assert layer.static_kernel.constraint is None
    kernels = layer.kernel(meta).numpy()
    np.testing.assert_allclose(layer((features, meta)), np.maximum(np.einsum("bi,bio->bo", features, kernels), 0))
    factors = [layer.factor_a, layer.factor_b, layer.factor_c]
    penalty = 0.5 * (layer.static_kernel.numpy() ** 2).sum() + 0.25 * sum(np.abs(f.numpy()).sum() for f in factors)
    np.testing.assert_allclose(sum(layer.losses), penalty)


@pytest.mark.parametrize("rank", [None, 2])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_traced_layer_takes_any_number_of_rows_and_none(rank, jit_compile):
    layer, features, meta = built(5, 4, 3, 2, rank)
    signature = [tf.TensorSpec([None, 4], tf.float64), tf.TensorSpec([None, 2], tf.float64)]
    traced = tf.function(lambda x, h: layer((x, h)), input_signature=signature, jit_compile=jit_compile)
    for rows in (5, 1, 0):
        found = traced(features[:rows], meta[:rows])
        assert found.shape == (rows, 3)
        np.testing.assert_allclose(found, layer((features, meta))[:rows], atol=1e-12)
    assert layer.compute_output_shape([(None, 4), (None, 2)]).as_list() == [None, 3]


def test_a_layer_made_from_its_configuration_is_the_same():
    options = {
        "activation": "tanh",
        "kernel_initializer": "he_normal",
        "tensor_initializer": keras.initializers.RandomUniform(-0.5, 0.5, seed=3),
        "kernel_regularizer": keras.regularizers.L2(0.125),
        "tensor_regularizer": "l1",
        "kernel_constraint": "unit_norm",
        "tensor_constraint": keras.constraints.MaxNorm(2),
        "name": "fuse",
        "dtype": "mixed_bfloat16",
    }
    config = MetaDense(7, 3, **options).get_config()
    assert MetaDense.from_config(config).get_config() == config
    assert (config["units"], config["rank"], config["activation"], config["name"]) == (7, 3, "tanh", "fuse")
    serialized = keras.saving.serialize_keras_object(MetaDense(7))
    assert serialized["registered_name"] == "tf_metammf>MetaDense"


@pytest.mark.parametrize("format_of_file", ["model.keras", "weights.h5", "model.weights.h5"])
@pytest.mark.parametrize("rank", [None, 2])
def test_a_saved_layer_gives_the_same_outputs(tmp_path, rank, format_of_file):
    def model():
        inputs = keras.Input([4]), keras.Input([2])
        return keras.Model(inputs, MetaDense(3, rank)(inputs))

    original, path = model(), str(tmp_path / format_of_file)
    if "weights" in format_of_file:
        original.save_weights(path)
        restored = model()
        restored.load_weights(path)
    else:
        original.save(path)
        restored = keras.models.load_model(path)
    inputs = tf.random.normal([6, 4]), tf.random.normal([6, 2])
    np.testing.assert_array_equal(restored(inputs), original(inputs))


@pytest.mark.parametrize("rank", [None, 2])
def test_mixed_precision_computes_in_half_and_keeps_float32_weights(rank):
    layer = MetaDense(3, rank, dtype="mixed_float16")
    features, meta = tf.random.normal([6, 4]), tf.random.normal([6, 2])
    outputs = layer((features, meta))
    assert outputs.dtype == tf.float16
    assert {weight.dtype for weight in layer.weights} == {tf.float32}
    assert layer.kernel(meta).dtype == tf.float32
    np.testing.assert_allclose(outputs, tf.einsum("bi,bio->bo", features, layer.kernel(meta)), atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "MetaDense: units is 0, expected an integer of at least 1"),
        ({"units": 2.5}, "units is 2.5"),
        ({"units": True}, "units is True"),
        ({"units": 4, "rank": 0}, "MetaDense: rank is 0"),
        ({"units": 4, "rank": "16"}, "rank is '16'"),
    ],
)
def test_an_argument_that_is_not_acceptable_is_quoted(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        MetaDense(**arguments)


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match="expected a pair"):
        MetaDense(3)(tf.ones([2, 4]))
    with pytest.raises(InvalidInputError, match=r"the first input has shape \(2, 4, 1\), expected \[batch, width\]"):
        MetaDense(3)((tf.ones([2, 4, 1]), tf.ones([2, 2])))
    layer = MetaDense(3)
    with pytest.raises(InvalidInputError, match="has no weights yet"):
        layer.kernel(tf.ones([2, 2]))
    layer((tf.ones([2, 4]), tf.ones([2, 2])))
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 2"):
        layer((tf.ones([2, 4]), tf.ones([2, 3])))
