"""Mixed precision and XLA: encoders and fusions of MetaMMF compute what they do in float32, as far as 16 bits go."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import FUSIONS

from tf_metammf import InBatchSoftmax, InteractionGraph, MetaMMF

ENCODERS = ("mf", "sage", "lightgcn")
USERS, ITEMS, COLD_ITEM = 30, 20, 19
POLICIES = {"float32": 1e-5, "mixed_bfloat16": 0.05, "mixed_float16": 0.01}


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Even users like even items, odd ones odd items."""
    random = np.random.default_rng(0)
    user = random.integers(0, USERS, 300)
    return user, 2 * random.integers(0, COLD_ITEM // 2, 300) + user % 2


def make(*, encoder: str = "mf", fusion: str = "metammf", **options) -> MetaMMF:
    keras.utils.set_random_seed(3)
    random = np.random.default_rng(4)
    frequency = np.bincount(pairs()[1], minlength=ITEMS)
    graph = {"graph": InteractionGraph(*pairs(), users=USERS, items=ITEMS)}
    model = MetaMMF(
        USERS,
        # Raw features beyond the range of float16: they are standardised in float32.
        {"visual": 1e6 + 1e5 * random.normal(size=(ITEMS, 6)), "acoustic": random.normal(size=(ITEMS, 4))},
        InBatchSoftmax(frequency, temperature=0.5),
        presence={"acoustic": np.arange(ITEMS) % 3 > 0},
        item_frequency=frequency,
        fusion=fusion,
        fusion_options={"units": (8, 4)},
        encoder=encoder,
        encoder_options={} if encoder == "mf" else graph | ({"dropout": [0.0]} if encoder == "sage" else {}),
        id_units=4,
        normalize=True,
        **options,
    )
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    return model


def batch(size: int = 64) -> dict[str, tf.Tensor]:
    user, item = pairs()
    return {"user": tf.constant(user[:size], tf.int64), "item": tf.constant(item[:size], tf.int64)}


def loss_and_gradients(model: MetaMMF) -> tuple[float, list[np.ndarray]]:
    """Of a step as it stands, where XLA compiles the fusion alone; tests of `fit` have all of it in one graph."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch(), training=True)
    gradients = tape.gradient(loss, model.trainable_variables)
    return float(loss), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


CASES = [("mf", fusion) for fusion in FUSIONS] + [(encoder, "metammf") for encoder in ENCODERS if encoder != "mf"]
# XLA compiles fusions alone, and the same operations of every other one: two of them are enough.
COMPILED = [("float32", "mf", "metammf"), ("mixed_bfloat16", "mf", "metammf"), ("float32", "mf", "attention")]
OPTIONS = [("mixed_float16", False, *case) for case in CASES]
# Numbers of bfloat16 do not overflow; types that do not fit are found by either.
OPTIONS += [("mixed_bfloat16", False, *case) for case in CASES if case[0] in ("mf", "sage")]
OPTIONS += [(policy, True, *case) for policy, *case in COMPILED]


@pytest.fixture(scope="module")
def reference():
    """Loss and gradients in float32 without XLA, by encoder and fusion."""
    return {(encoder, fusion): loss_and_gradients(make(encoder=encoder, fusion=fusion)) for encoder, fusion in CASES}


@pytest.mark.parametrize(("policy", "jit_compile", "encoder", "fusion"), OPTIONS)
def test_loss_and_gradients_are_those_of_float32(encoder, fusion, policy, jit_compile, reference):
    model = make(encoder=encoder, fusion=fusion, dtype=policy, jit_compile=jit_compile)
    assert {weight.dtype for weight in model.trainable_variables} == {tf.float32}
    loss, gradients = loss_and_gradients(model)
    expected_loss, expected = reference[encoder, fusion]
    assert loss == pytest.approx(expected_loss, rel=POLICIES[policy])
    scale = max(np.abs(gradient).max() for gradient in expected)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=POLICIES[policy] * scale)


@pytest.mark.parametrize(
    ("encoder", "policy"), [("mf", "mixed_float16"), ("sage", "mixed_bfloat16"), ("lightgcn", "mixed_float16")]
)
def test_fit_learns_with_16_bits(encoder, policy):
    model = make(encoder=encoder, dtype=policy)
    user, item = pairs()
    data = tf.data.Dataset.from_tensor_slices({"user": user, "item": item}).batch(100).repeat(20)
    model.fit(data, verbose=0)
    users, items = (embeddings.numpy() for embeddings in model.embeddings())
    assert users.dtype == items.dtype == np.float32
    best = np.argsort(-(users @ items[:COLD_ITEM].T))[:, :3]
    assert (best % 2 == np.arange(USERS)[:, None] % 2).mean() > 0.9


def test_float16_losses_are_scaled_so_that_small_gradients_survive():
    model = make(dtype="mixed_float16")
    assert isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    before = float(model.optimizer.loss_scale)
    assert before > 1
    model.objective.call = lambda queries, *_: float("inf") * tf.reduce_sum(queries)
    weights = [weight.numpy() for weight in model.trainable_variables]
    model.fit(tf.data.Dataset.from_tensors(batch()), verbose=0)
    assert float(model.optimizer.loss_scale) < before
    for weight, unchanged in zip(model.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(weight, unchanged)


def test_xla_compiles_once_for_batches_of_similar_size():
    model = make(jit_compile=True)
    sizes = [model.item_tower.content(*model.item_features.lookup(tf.range(n)), training=True) for n in (3, 11)]
    assert [tuple(content.shape) for content in sizes] == [(3, 4), (11, 4)]
    assert model.item_tower._compiled_fused.experimental_get_tracing_count() == 1
