"""Token sequences in a model: pooled fusions see their means, token fusions the tokens."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import MetaMMF, MissingModalities, TokenFusion
from tf_metammf.parts.parts import settings_of
from tf_metammf.records import TokenArrays, TokenSequences

ITEMS, USERS, WIDTHS = 40, 12, {"acoustic": 3, "visual": 5}


def sequences(seed: int = 0, *, longest: int = 11, items: int = ITEMS) -> dict[str, list[np.ndarray | None]]:
    """Sequences of 1 to ``longest`` tokens; every fifth item has no sound."""
    random = np.random.default_rng(seed)
    return {
        name: [
            None
            if name == "acoustic" and item % 5 == 4
            else random.normal(2.0, 3.0, (random.integers(1, longest + 1), width)).astype(np.float32)
            for item in range(items)
        ]
        for name, width in WIDTHS.items()
    }


def tokens(seed: int = 0, **options) -> dict[str, TokenArrays]:
    return {name: TokenArrays.of(of_items) for name, of_items in sequences(seed, **options).items()}


def means(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What is the mean of each sequence, by NumPy, and which items have one."""
    found = {
        name: np.stack([np.zeros(WIDTHS[name], np.float32) if one is None else one.mean(axis=0) for one in of_items])
        for name, of_items in sequences(seed).items()
    }
    return found, {name: np.array([one is not None for one in of_items]) for name, of_items in sequences(seed).items()}


def batches(seed: int = 1):
    random = np.random.default_rng(seed)
    return [
        {"user": random.integers(0, USERS, 16), "item": random.integers(0, ITEMS, 16), "negative": None}
        for _ in range(4)
    ]


def model_of(features, presence=None, **options) -> MetaMMF:
    keras.utils.set_random_seed(7)
    frequency = np.arange(ITEMS) % 4  # a quarter is cold
    model = MetaMMF(USERS, features, "in_batch_softmax", presence=presence, item_frequency=frequency, **options)
    model.compile(keras.optimizers.legacy.SGD(0.05))
    return model


def losses(model: MetaMMF) -> list[float]:
    found = []
    for batch in batches():
        ids = {name: tf.constant(batch[name], tf.int64) for name in ("user", "item")}
        found.append(float(model.train_on_batch(ids)))
    return found


class LastToken(TokenFusion):
    """The last token of every modality, times a kernel."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel = self.add_weight("kernel", (sum(self.widths), self.units[-1]))

    def call(self, inputs, mask=None, training=None):
        last = [tf.gather(x.values, x.lengths - 1, batch_dims=1) for _, x in sorted(inputs.items())]
        return tf.matmul(tf.cast(tf.concat(last, axis=1), self.compute_dtype), self.kernel)


@pytest.mark.parametrize("fusion", ["metammf", "concatenation", "sum", "gated", "attention"])
def test_a_pooled_fusion_trains_on_sequences_as_on_their_means(fusion):
    options = {"fusion": fusion, "fusion_options": {"units": (8, 4)}, "id_units": 4}
    of_tokens, of_means = model_of(tokens(), **options), model_of(*means(), **options)
    np.testing.assert_allclose(losses(of_tokens), losses(of_means), rtol=1e-5)
    for one, other in zip(of_tokens.embeddings(), of_means.embeddings(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert of_tokens.token_modalities == {"acoustic": 11, "visual": 11}
    assert of_means.token_modalities == {}


def test_a_pooled_fusion_embeds_the_sequence_of_a_new_item_as_its_mean():
    model = model_of(tokens(), fusion_options={"units": (8, 4)}, id_units=4)
    new = tokens(3, items=5, longest=40)
    padded = {
        name: TokenSequences(
            np.stack([np.pad(one.values, [[0, 40 - len(one.values)], [0, 0]], constant_values=np.nan) for one in each]),
            arrays.lengths,
            np.zeros((5, 40), np.float32),
        )
        for name, arrays in new.items()
        for each in [[arrays[[item]] for item in range(5)]]
    }
    present = {name: arrays.lengths > 0 for name, arrays in new.items()}
    pooled = {name: arrays.means() for name, arrays in new.items()}
    np.testing.assert_allclose(
        model.embed_new_items(padded, present), model.embed_new_items(pooled, present), atol=1e-5
    )


def test_a_token_fusion_gets_the_tokens_standardised_by_item_and_stand_ins():
    model = model_of(tokens(), fusion=LastToken(units=(4,)), id_units=0, combination="concatenate")
    known = np.arange(ITEMS) % 4 > 0
    inputs = []
    for name, of_items in sorted(sequences().items()):
        counted = [one for one, is_known in zip(of_items, known, strict=True) if one is not None and is_known]
        mean = np.mean([one.mean(axis=0) for one in counted], axis=0, dtype=np.float64)
        variance = np.mean([((one - mean) ** 2).mean(axis=0) for one in counted], axis=0)
        stand_in = np.zeros(WIDTHS[name])
        inputs.append([stand_in if one is None else (one[-1] - mean) / np.sqrt(variance) for one in of_items])
    expected = np.concatenate(inputs, axis=1) @ model.item_tower.fusion.kernel.numpy()
    np.testing.assert_allclose(model.embeddings()[1], expected, atol=1e-4)
    assert np.isfinite(losses(model)).all()


def test_a_token_fusion_takes_a_vector_for_a_sequence_of_one_token():
    vectors = {name: np.ones((ITEMS, width), np.float32) for name, width in WIDTHS.items()}
    ones = {name: TokenArrays.of(list(values[:, np.newaxis])) for name, values in vectors.items()}
    of_vectors, of_tokens = (model_of(each, fusion=LastToken(units=(4,)), id_units=0) for each in (vectors, ones))
    np.testing.assert_array_equal(of_vectors.embeddings()[1], of_tokens.embeddings()[1])


def test_xla_mixed_precision_and_modality_dropout_leave_lengths_and_times_alone():
    seen = []

    class Times(LastToken):
        def call(self, inputs, mask=None, training=None):
            seen.append({part.dtype for x in inputs.values() for part in (x.lengths, x.times)})
            return super().call(inputs, mask, training)

    options = {"jit_compile": True, "dtype": "mixed_bfloat16", "modality_dropout": 0.5}
    model = model_of(tokens(), fusion=Times(units=(4,), dtype="mixed_bfloat16"), id_units=0, **options)
    assert np.isfinite(losses(model)).all()
    assert all(each == {tf.int64, tf.float32} for each in seen)


def test_stand_ins_are_the_only_token_of_an_absent_modality():
    layer = MissingModalities(initializer="ones")
    values = tf.fill([2, 3, 2], np.nan)
    values = tf.tensor_scatter_nd_update(values, [[0, 0], [0, 1]], [[5.0, 6.0], [7.0, 8.0]])
    inputs = {"visual": TokenSequences(values, tf.constant([2, 0], tf.int64), tf.constant([[1.0, 2.0, 0.0]] * 2))}
    complete, present = layer(inputs, mask={"visual": tf.constant([True, False])})
    found = complete["visual"]
    np.testing.assert_array_equal(found.values, [[[5, 6], [7, 8], [0, 0]], [[1, 1], [0, 0], [0, 0]]])
    np.testing.assert_array_equal(found.lengths, [2, 1])
    np.testing.assert_array_equal(found.times, [[1, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(present["visual"], [True, False])


def test_settings_of_a_fusion_of_the_users_own_know_what_it_takes():
    assert settings_of("fusion", f"{__name__}:LastToken").takes == "tokens"
    assert settings_of("fusion", "metammf").takes == "vectors"
