"""MetaFusion against networks built item by item in NumPy, and against the published fusion network."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.meta_fusion import MetaFusion

REFERENCE = Path(__file__).with_name("reference")
WIDTHS = {"visual": 7, "acoustic": 3, "textual": 5}
RANKS = [None, 3]


def features(rows: int = 9, dtype: str = "float64") -> dict[str, np.ndarray]:
    random = np.random.default_rng(rows)
    return {name: random.normal(size=(rows, width)).astype(dtype) for name, width in WIDTHS.items()}


def presence(rows: int = 9) -> dict[str, np.ndarray]:
    """Every third item has everything, the others something at random."""
    random = np.random.default_rng(rows + 1)
    return {name: (random.random(rows) < 0.5) | (np.arange(rows) % 3 == 0) for name in WIDTHS}


def fusion_with_random_weights(rank: int | None = 3, **options) -> MetaFusion:
    # A slope that float32 holds exactly: TensorFlow keeps slopes in float32 even where it computes in float64.
    fusion = MetaFusion((6, 4), meta_units=2, rank=rank, negative_slope=0.125, dtype="float64", **options)
    fusion(features())
    random = np.random.default_rng(4)
    fusion.set_weights([random.normal(size=weight.shape) for weight in fusion.weights])
    return fusion


def tensor_of(layer) -> np.ndarray:
    if layer.rank is None:
        return layer.tensor.numpy()
    return np.einsum("sr,ir,ro->sio", layer.factor_c.numpy(), layer.factor_a.numpy(), layer.factor_b.numpy())


def fused_item_by_item(fusion: MetaFusion, inputs, mask=None) -> np.ndarray:
    """The definition, read literally: one network for each item."""
    extractor = fusion.meta_information
    names = ["acoustic", "textual", "visual"]
    fused = []
    for item in range(len(inputs["visual"])):
        x = np.concatenate([inputs[name][item] for name in names])
        absent = np.array([0.0 if mask is None or mask[name][item] else 1.0 for name in names])
        hidden = x @ extractor.hidden_kernel.numpy() + extractor.hidden_bias.numpy()
        hidden = np.maximum(hidden + absent @ extractor.absence_kernel.numpy(), 0)
        meta = hidden @ extractor.kernel.numpy() + extractor.bias.numpy()
        for layer in fusion.fusion_layers:
            if layer is not fusion.fusion_layers[0]:
                x = np.where(x > 0, x, fusion.negative_slope * x)
            kernel = layer.static_kernel.numpy() + np.tensordot(meta, tensor_of(layer), axes=1)
            x = x @ kernel
        fused.append(x)
    return np.array(fused)


def test_it_equals_the_published_fusion_network():
    published = np.load(REFERENCE / "released_fusion_net.npz", allow_pickle=False)
    names = [f"param/layer_{position}" for position in (1, 2, 3, 4)]
    meta_units, rank = published["param/mlp_signal.2.bias"].shape[0], published["param/layer_1.A"].shape[1]
    fusion = MetaFusion(
        [published[f"{name}.M_1"].shape[1] for name in names], meta_units=meta_units, rank=rank, negative_slope=0.01
    )
    # The published order of modalities is not the alphabetical one, so they come side by side.
    inputs = np.concatenate([published[name] for name in ("visual", "acoustic", "textual")], axis=1)
    fusion(inputs)
    extractor = fusion.meta_information
    extractor.hidden_kernel.assign(published["param/mlp_signal.0.weight"].T)
    extractor.hidden_bias.assign(published["param/mlp_signal.0.bias"])
    extractor.kernel.assign(published["param/mlp_signal.2.weight"].T)
    extractor.bias.assign(published["param/mlp_signal.2.bias"])
    for layer, name in zip(fusion.fusion_layers, names, strict=True):
        layer.static_kernel.assign(published[f"{name}.M_1"])
        layer.factor_a.assign(published[f"{name}.A"])
        layer.factor_b.assign(published[f"{name}.B"])
        # The published code sums its third factor over the rank before it is used.
        factor_c = published[f"{name}.C"].reshape(rank, meta_units).sum(axis=0)
        layer.factor_c.assign(np.repeat(factor_c[:, np.newaxis], rank, axis=1))

    outputs = np.concatenate([fusion(inputs), published["param/item_E"]], axis=1)
    np.testing.assert_allclose(outputs, published["outputs"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("mask", [None, presence()])
def test_every_item_goes_through_a_network_of_its_own(rank, mask):
    fusion = fusion_with_random_weights(rank)
    expected = fused_item_by_item(fusion, features(), mask)
    np.testing.assert_allclose(fusion(features(), mask=mask), expected, rtol=1e-9)


@pytest.mark.parametrize("rank", RANKS)
def test_kernels_gives_those_networks_for_inspection(rank):
    fusion = fusion_with_random_weights(rank)
    first, second = fusion.kernels(features(), presence())
    assert (first.shape, second.shape) == ((9, 15, 6), (9, 6, 4))
    inputs = features()
    x = np.concatenate([inputs[name] for name in sorted(inputs)], axis=1)
    hidden = np.einsum("bi,bio->bo", x, first)
    expected = np.einsum("bi,bio->bo", np.where(hidden > 0, hidden, 0.125 * hidden), second)
    np.testing.assert_allclose(fusion(inputs, mask=presence()), expected, rtol=1e-9)


@pytest.mark.parametrize("rank", RANKS)
def test_gradients_are_those_of_finite_differences(rank):
    fusion = fusion_with_random_weights(rank)
    random = np.random.default_rng(8)
    upstream = random.normal(size=(9, 4))

    def loss():
        return tf.reduce_sum(fusion(features(), mask=presence()) * upstream)

    with tf.GradientTape() as tape:
        value = loss()
    for weight, gradient in zip(fusion.weights, tape.gradient(value, fusion.weights), strict=True):
        start, direction = weight.numpy(), random.normal(size=weight.shape)
        weight.assign(start + 1e-6 * direction)
        above = loss()
        weight.assign(start - 1e-6 * direction)
        slope = float(above - loss()) / 2e-6
        weight.assign(start)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-5, atol=1e-4, err_msg=weight.name)


def test_modalities_stand_in_alphabetical_order_whatever_the_order_of_the_dictionary():
    fusion = fusion_with_random_weights()
    inputs = features()
    backwards = {name: inputs[name] for name in sorted(inputs, reverse=True)}
    side_by_side = np.concatenate([inputs[name] for name in ("acoustic", "textual", "visual")], axis=1)
    np.testing.assert_array_equal(fusion(backwards), fusion(inputs))
    np.testing.assert_array_equal(fusion(side_by_side), fusion(inputs))


def test_a_mask_changes_the_items_that_lack_something_and_no_others():
    fusion = fusion_with_random_weights()
    complete = np.all(list(presence().values()), axis=0)
    assert complete.any()
    assert not complete.all()
    without, masked = fusion(features()).numpy(), fusion(features(), mask=presence()).numpy()
    np.testing.assert_array_equal(masked[complete], without[complete])
    assert (np.abs(masked - without)[~complete].max(axis=1) > 0).all()


@pytest.mark.parametrize("rank", RANKS)
def test_no_kernel_of_an_item_is_materialised_in_training(rank):
    items = 40
    inputs = {name: tf.constant(values) for name, values in features(items).items()}
    fusion = MetaFusion((12, 10), meta_units=2, rank=rank, dtype="float64")
    fusion(inputs)

    @tf.function
    def training_step(inputs, mask):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(fusion(inputs, mask=mask) ** 2)
        return tape.gradient(loss, fusion.trainable_variables)

    graph = training_step.get_concrete_function(inputs, presence(items)).graph
    shapes = [output.shape for operation in graph.get_operations() for output in operation.outputs]
    smallest_of_the_kernels = items * 12 * 10
    assert max(shape.num_elements() or 0 for shape in shapes if shape.rank is not None) < smallest_of_the_kernels


def test_regularisers_reach_the_kernels_they_are_for():
    fusion = fusion_with_random_weights(
        kernel_regularizer=keras.regularizers.L2(0.5), tensor_regularizer=keras.regularizers.L1(0.25)
    )
    penalty = 0.0
    for weight in fusion.weights:
        if "factor" in weight.name:
            penalty += 0.25 * np.abs(weight.numpy()).sum()
        elif "kernel" in weight.name:
            penalty += 0.5 * (weight.numpy() ** 2).sum()
    np.testing.assert_allclose(sum(fusion.losses), penalty)


def test_one_initialiser_given_to_all_layers_does_not_make_them_equal():
    fusion = MetaFusion((15, 15), kernel_initializer=keras.initializers.HeNormal(), rank=2)
    fusion(features())
    first, second = (layer.static_kernel.numpy() for layer in fusion.fusion_layers)
    assert first.shape == second.shape
    assert np.abs(first - second).max() > 0


def test_the_scale_of_the_features_survives_the_published_stack_at_the_start():
    keras.utils.set_random_seed(6)
    inputs = np.random.default_rng(6).normal(size=(256, 400)).astype("float32")
    for rank in (16, None):
        fused = [np.mean(MetaFusion((300, 200, 100, 32), rank=rank)(inputs).numpy() ** 2) for _ in range(2)]
        assert 0.5 < np.mean(fused) < 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": ()}, r"MetaFusion: units is \(\), expected one width for each layer"),
        ({"units": 32}, "units is 32, expected one width for each layer"),
        ({"units": (8, 0)}, "units is 0, expected an integer of at least 1"),
        ({"meta_units": 0}, "meta_units is 0"),
        ({"rank": -1}, "rank is -1"),
        ({"meta_hidden_units": 1.5}, "meta_hidden_units is 1.5"),
        ({"negative_slope": 1.5}, r"negative_slope is 1.5, expected a number in \[0, 1\)"),
    ],
)
def test_an_argument_that_is_not_acceptable_is_quoted(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        MetaFusion(**arguments)


def test_inputs_that_do_not_fit_are_refused_by_name():
    fusion = fusion_with_random_weights()
    inputs, mask = features(), presence()
    with pytest.raises(InvalidInputError, match='"acoustic" of width 3, "textual" of width 5; expected "acoustic"'):
        fusion({name: inputs[name] for name in ("acoustic", "textual")})
    with pytest.raises(InvalidInputError, match='expected "acoustic" of width 3, "textual" of width 5, "visual" of'):
        fusion(inputs | {"acoustic": inputs["textual"], "textual": inputs["acoustic"]})
    with pytest.raises(InvalidInputError, match="the mask has the modalities acoustic, textual; expected"):
        fusion(inputs, mask={name: mask[name] for name in ("acoustic", "textual")})
    with pytest.raises(InvalidInputError, match="the mask is ndarray, expected a dictionary"):
        fusion(inputs, mask=mask["visual"])
    with pytest.raises(InvalidInputError, match=r'modality "visual" has shape .* expected \[batch, width\]'):
        MetaFusion((4,))({"visual": np.ones((2, 3, 4), "float32")})
    with pytest.raises(InvalidInputError, match="expected at least one modality"):
        MetaFusion((4,)).build({})
    with pytest.raises(InvalidInputError, match="has no weights yet"):
        MetaFusion((4,)).kernels(inputs)


def test_features_side_by_side_have_no_mask():
    fusion = MetaFusion((4,), rank=2)
    fusion(np.ones((2, 5), "float32"))
    with pytest.raises(InvalidInputError, match="build it with a dictionary"):
        fusion(np.ones((2, 5), "float32"), mask={"visual": np.array([True, False])})


@pytest.mark.parametrize("rank", RANKS)
def test_coordinates_of_kernels_have_the_distances_of_the_kernels(rank):
    fusion = fusion_with_random_weights(rank)
    kernels = [kernel.numpy().reshape(9, -1) for kernel in fusion.kernels(features(), presence())]
    whole = np.concatenate(kernels, axis=1)
    coordinates = fusion.kernel_coordinates(features(), presence()).numpy()
    assert coordinates.shape == (9, 2)
    found, expected = (np.linalg.norm(rows[:, None] - rows, axis=-1) for rows in (coordinates, whole))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
