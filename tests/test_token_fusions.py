"""What all fusions over time keep: padding, absence, lengths, names, precision, files."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from token_fusions import EXTRACTING, TOKEN_FUSIONS, fusion_of, presence, rows, tokens

from tf_metammf import MetaMMF, make_fusion
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import TokenArrays, TokenSequences

ATTENDING = [name for name in TOKEN_FUSIONS if name != "pyramid"]


@pytest.mark.parametrize("name", EXTRACTING)
def test_padding_makes_no_difference_whatever_is_in_it(name):
    fusion = fusion_of(name, dtype="float64")
    expected = fusion(tokens(), mask=presence())
    assert expected.shape == (5, 4)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(fusion(tokens(padded=9, fill=np.nan), mask=presence()), expected, atol=1e-9)
    for item in range(5):
        alone = fusion(
            rows(tokens(), slice(item, item + 1)), mask={m: one[item : item + 1] for m, one in presence().items()}
        )
        np.testing.assert_allclose(alone[0], expected[item], atol=1e-9)


@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_an_item_with_empty_sequences_has_a_vector_of_its_own(name):
    """Without a token there is no time and no content: padding decides nothing, and other items are as before."""
    fusion = fusion_of(name, dtype="float64")
    expected, found = fusion(tokens()), []
    for fill in (0.0, np.nan):
        empty = {m: one._replace(lengths=one.lengths * [1, 1, 0, 1, 1]) for m, one in tokens(fill=fill).items()}
        found.append(fusion(empty).numpy())
        assert np.isfinite(found[-1]).all()
        np.testing.assert_allclose(found[-1][[0, 1, 3, 4]], expected.numpy()[[0, 1, 3, 4]], atol=1e-9)
    np.testing.assert_array_equal(*found)


# The others are traced by the test of a model; graphs of theirs take seconds.
@pytest.mark.parametrize("name", ["queries", "pyramid"])
def test_a_traced_fusion_takes_any_number_of_items_and_tokens(name):
    fusion = fusion_of(name)
    spec = {
        m: TokenSequences(
            tf.TensorSpec([None, None, one.width]), tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, None])
        )
        for m, one in tokens().items()
    }
    traced = tf.function(lambda x, mask: fusion(x, mask=mask), input_signature=[spec, presence_spec()])
    for padded, which in ((0, slice(None)), (21, slice(1, 4)), (0, slice(0))):
        x = rows(tokens(padded=padded, dtype="float32"), which)
        mask = {m: one[which] for m, one in presence().items()}
        np.testing.assert_allclose(traced(x, mask), fusion(x, mask=mask), atol=1e-5)


def presence_spec() -> dict[str, tf.TensorSpec]:
    return {m: tf.TensorSpec([None], tf.bool) for m in presence()}


@pytest.mark.parametrize("name", EXTRACTING)
def test_every_weight_has_a_finite_gradient_with_nan_in_padding(name):
    fusion = fusion_of(name)
    with tf.GradientTape() as tape:
        x = tokens(padded=2, fill=np.nan, dtype="float32")
        loss = tf.reduce_sum(fusion(x, mask=presence(), training=True) ** 2)
    gradients = tape.gradient(loss, fusion.trainable_variables)
    assert all(gradient is not None and np.isfinite(gradient.numpy()).all() for gradient in gradients)


@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_a_vector_is_a_sequence_of_one_token(name):
    fusion = fusion_of(name, dtype="float64")
    vectors = {m: one.values[:, 0] for m, one in tokens().items()}
    single = {m: TokenSequences(x[:, None], tf.ones([5], tf.int64), tf.zeros([5, 1])) for m, x in vectors.items()}
    np.testing.assert_array_equal(fusion(vectors, mask=presence()), fusion(single, mask=presence()))


def with_modalities_exchanged(weights: dict[str, np.ndarray], *, crossmodal: bool) -> dict[str, np.ndarray]:
    """Weights of a fusion of two modalities, those of the first in the place of those of the second."""
    numbered = "projection|looking|pooling_norm" + ("|block_0|block_1" if crossmodal else "")
    halves = "joined/kernel|generated_0/(static_kernel|factor_a)" + ("|read_out/kernel_0" if crossmodal else "")
    found = {}
    for name in weights:
        of_other = re.sub(rf"({numbered})_([01])/", lambda part: f"{part[1]}_{1 - int(part[2])}/", name)
        value = weights[of_other]
        if re.search(halves, name):
            value = np.roll(value, len(value) // 2, axis=0)
        if "pooling_queries" in name:
            value = value[::-1]
        if "level_weights" in name:
            value = value[::-1, ::-1]
        found[name] = value
    return found


@pytest.mark.parametrize("name", EXTRACTING)
def test_no_modality_comes_first(name):
    """With modalities and their weights exchanged, the fused vectors are the same."""
    original = fusion_of(name, dtype="float64", name="fusion")
    renamed = type(original).from_config(original.get_config())
    first, second = sorted(tokens())
    x, mask = tokens(), presence()
    exchanged = {first: x[second], second: x[first]}, {first: mask[second], second: mask[first]}
    renamed(exchanged[0], mask=exchanged[1])
    weights = {weight.name: weight.numpy() for weight in original.weights}
    weights = with_modalities_exchanged(weights, crossmodal="crossmodal" in name)
    for weight in renamed.weights:
        weight.assign(weights[weight.name])
    np.testing.assert_allclose(renamed(exchanged[0], mask=exchanged[1]), original(x, mask=mask), atol=1e-9)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_mixed_precision_computes_in_half_and_keeps_float32_weights(name, policy):
    exact, fusion = fusion_of(name), fusion_of(name, dtype=policy)
    for each in (exact, fusion):
        each.set_weights([0.5 * weight for weight in each.get_weights()])
    fused = fusion(tokens(dtype=fusion.compute_dtype), mask=presence())
    assert fused.dtype.name == fusion.compute_dtype
    assert {weight.dtype for weight in fusion.weights} == {tf.float32}
    np.testing.assert_allclose(tf.cast(fused, tf.float32), exact(tokens(dtype="float32"), mask=presence()), atol=0.05)


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_adds_up_to_one_over_the_tokens_that_are_there(name):
    fusion = fusion_of(name, dtype="float64")
    attention = fusion.attention(tokens(padded=2, fill=np.nan), presence())
    shown = np.concatenate([attention[m] for m in sorted(attention)], axis=1)
    there = np.concatenate([one.mask & presence()[m][:, None] for m, one in sorted(tokens(padded=2).items())], axis=1)
    assert (shown >= 0).all()
    assert (shown[~there] == 0).all()
    np.testing.assert_allclose(shown.sum(axis=1), [1, 1, 1, 1, 0], atol=1e-6)


def test_a_fusion_without_attention_says_so():
    with pytest.raises(InvalidInputError, match=r"PyramidFusion has no attention\. Use the fusion queries"):
        fusion_of("pyramid").attention(tokens(), presence())


@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_a_fusion_made_from_its_configuration_is_the_same(name):
    options = {"kernel_regularizer": keras.regularizers.L2(0.5), "kernel_initializer": "he_normal", "dropout": 0.25}
    fusion = fusion_of(name, **options)
    again = keras.layers.deserialize(keras.layers.serialize(fusion))
    assert type(again) is type(fusion)
    assert again.get_config() == fusion.get_config()
    assert len(fusion.losses) > 3  # the regulariser reaches the kernels of inner layers


def model_of(name: str, **options) -> MetaMMF:
    random = np.random.default_rng(0)
    sequences = {
        m: TokenArrays.of([random.normal(size=(random.integers(1, 6), width)) for _ in range(12)])
        for m, width in (("acoustic", 3), ("visual", 5))
    }
    fusion = make_fusion(name, units=(4,), **SMALL_MODEL[name])
    return MetaMMF(6, sequences, "full_softmax", item_frequency=np.ones(12), fusion=fusion, id_units=0, **options)


SMALL_MODEL = {
    "queries": {"token_units": 4, "heads": 1, "queries": 2},
    "pyramid": {"token_units": 4},
    "crossmodal": {"token_units": 4, "heads": 1, "layers": 1},
    "metammf_tokens": {"token_units": 4, "rank": 2},
}


@pytest.mark.long
@pytest.mark.parametrize("name", TOKEN_FUSIONS)
def test_a_model_learns_from_sequences_and_its_weights_are_saved_and_loaded(name, tmp_path):
    model, other = model_of(name), model_of(name)
    # Graphs of attention take seconds, and a few steps do not.
    model.compile(keras.optimizers.legacy.Adam(0.01), run_eagerly=True)
    batch = {"user": np.arange(24) % 6, "item": np.arange(24) % 12}
    losses = model.fit(batch, batch_size=24, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for file in ("w.h5", "w.weights.h5"):
        model.save_weights(str(tmp_path / file))
        other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
        other.load_weights(str(tmp_path / file))
        for found, expected in zip(other.item_tower.get_weights(), model.item_tower.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("queries", {"heads": 3}, "QueryFusion: heads is 3 and token_units is 64; expected token_units that are"),
        ("queries", {"queries": 0}, "QueryFusion: queries is 0, expected an integer of at least 1"),
        ("queries", {"frequencies": -1}, "QueryFusion: frequencies is -1"),
        ("pyramid", {"slots": 10}, "PyramidFusion: slots is 10, expected a multiple of 6"),
        ("pyramid", {"branches": "pool"}, 'unknown branches "pool"; did you mean "pooling"'),
        ("pyramid", {"frequencies": 3}, 'unknown option of the fusion "pyramid" "frequencies"'),
        ("crossmodal", {"source_levels": "last"}, 'unknown source_levels "last"'),
        ("metammf_tokens", {"meta": "query"}, 'unknown meta "query"; did you mean "queries"'),
        ("metammf_tokens", {"dropout": 1.0}, r"MetaTokenFusion: dropout is 1.0, expected a number in \[0, 1\)"),
    ],
)
def test_options_that_are_not_acceptable_are_named(name, options, message):
    with pytest.raises(InvalidInputError, match=message):
        make_fusion(name, **options)


@pytest.mark.parametrize("wrong", [[tf.ones([2, 3])], tf.ones([2, 3])])
def test_what_is_no_dictionary_is_refused(wrong):
    with pytest.raises(InvalidInputError, match=r"QueryFusion: the input has the shape .*, expected a dictionary of"):
        make_fusion("queries")(wrong)
