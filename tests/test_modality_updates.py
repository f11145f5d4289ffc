"""Steps that train modality by modality, against gradients taken by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import MetaMMF
from tf_metammf.errors import InvalidInputError
from tf_metammf.fusion.fusions import fusion_class
from tf_metammf.fusion.modality_heads import ModalityHeads
from tf_metammf.modality_updates import ModalityUpdates, weights_by_modality
from tf_metammf.parts.parts import known_parts

RANDOM = np.random.default_rng(0)
FEATURES = {"acoustic": RANDOM.normal(size=(12, 3)), "visual": RANDOM.normal(size=(12, 5))}
VIEWS = {"user": RANDOM.integers(0, 6, 40), "item": RANDOM.integers(0, 12, 40)}


def a_model(optimizer=None, *, alternating=True, fusion="sum", **options) -> MetaMMF:
    keras.utils.set_random_seed(3)
    counted = np.bincount(VIEWS["item"], minlength=12)
    sizes = {"units": (4,)} if isinstance(fusion, str) else None
    model = MetaMMF(
        6,
        FEATURES,
        "in_batch_softmax",
        item_frequency=counted,
        fusion=fusion,
        fusion_options=sizes,
        id_units=4,
        **options,
    )
    model.compile(optimizer or keras.optimizers.Adam(0.05))
    model.weight_updates = ModalityUpdates(weights_by_modality(model.item_tower), alternating=alternating)
    model.weight_updates.build(model)
    return model


def fitted(model: MetaMMF, epochs: int = 1) -> dict[str, list[float]]:
    return model.fit(VIEWS, batch_size=40, shuffle=False, epochs=epochs, verbose=0).history


def values_of(weights) -> list[np.ndarray]:
    return [weight.numpy() for weight in weights]


def test_an_alternating_step_is_one_step_of_descent_for_each_modality_on_the_joint_loss():
    model, by_hand = a_model(keras.optimizers.SGD(0.1)), a_model(keras.optimizers.SGD(0.1))
    history = fitted(model)
    own, norms, first = by_hand.weight_updates.own, {}, None
    of_one = {weight.ref() for weights in own.values() for weight in weights}
    shared = [weight for weight in by_hand.trainable_variables if weight.ref() not in of_one]
    batch = {name: tf.constant(column) for name, column in VIEWS.items()}
    for name in ("acoustic", "visual"):
        changed = [*own[name], *shared]
        with tf.GradientTape() as tape:
            loss = by_hand.compute_loss(batch, training=True)
        first = float(loss) if first is None else first
        gradients = [tf.convert_to_tensor(each) for each in tape.gradient(loss, changed)]
        norms[name] = np.sqrt(sum(np.sum(np.square(each)) for each in gradients[: len(own[name])]))
        for weight, gradient in zip(changed, gradients, strict=True):
            weight.assign_sub(0.1 * gradient)
    for found, expected in zip(model.trainable_variables, by_hand.trainable_variables, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert history["loss"] == pytest.approx([first], rel=1e-5)
    for name, norm in norms.items():
        assert history[f"gradient_norm/{name}"] == pytest.approx([norm], rel=1e-4)


def test_every_modality_has_an_optimizer_that_counts_its_own_steps():
    model = a_model()
    fitted(model, epochs=3)
    assert model.optimizer.iterations == 6
    assert [each.iterations.numpy() for each in model.weight_updates.optimizers.values()] == [3, 3]
    held = [each.name for each in model.optimizer.variables if each.name.startswith("m/")]
    assert sorted(held) == ["m/item_tower/id_embedding/embeddings:0", "m/user_tower/embedding/embeddings:0"]


def test_joint_updates_that_know_of_modalities_change_no_bit():
    model, plain = a_model(alternating=False), a_model(alternating=False)
    plain.weight_updates = type(plain.weight_updates).__base__()
    fitted(model, 2), fitted(plain, 2)
    for found, expected in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_embeddings_without_a_modality_that_is_not_there_or_that_the_encoder_sees_itself_are_refused():
    with pytest.raises(InvalidInputError, match='unknown modality "visul"; did you mean "visual"'):
        a_model().embeddings(without="visul")
    sees = MetaMMF(6, FEATURES, "bpr", encoder="vbpr")
    with pytest.raises(InvalidInputError, match="VBPR sees features itself"):
        sees.embeddings(without="visual")


@pytest.mark.parametrize("alternating", [True, False])
def test_a_stopped_modality_is_fused_and_not_trained(alternating):
    model = a_model(alternating=alternating)
    fitted(model)
    updates = model.weight_updates
    before = {name: values_of(weights) for name, weights in updates.own.items()}
    updates.stop(model, ["acoustic"])
    history = fitted(model)
    # Momentum alone would move it, had it been left in the step with a gradient of zero.
    for found, expected in zip(updates.own["acoustic"], before["acoustic"], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert any(
        (found != was).any() for found, was in zip(values_of(updates.own["visual"]), before["visual"], strict=True)
    )
    assert "gradient_norm/acoustic" not in history and updates.passes == 1
    assert (np.abs(model.item_embeddings() - model.embeddings(without="acoustic")[1]) > 1e-4).any()
    if alternating:  # what belongs to no modality goes on when the last one is stopped
        users = model.user_tower.embedding.embeddings.numpy()
        updates.stop(model, ["acoustic", "visual"])
        fitted(model)
        assert (model.user_tower.embedding.embeddings.numpy() != users).any() and updates.passes == 1


def test_a_step_is_traced_once_and_once_more_for_every_stop():
    traces = []

    class Traced(MetaMMF):
        def compute_loss(self, inputs, training=False):
            traces.append(self.weight_updates.running)
            return super().compute_loss(inputs, training)

    model = Traced(6, FEATURES, "in_batch_softmax", item_frequency=np.ones(12, int), fusion="sum", id_units=0)
    model.compile("adam")
    model.weight_updates = ModalityUpdates(weights_by_modality(model.item_tower), alternating=True)
    model.weight_updates.build(model)
    fitted(model, 3)
    both, one = ["acoustic", "visual"], ["visual"]
    traced = len(traces) // 2
    for _ in range(2):
        model.weight_updates.stop(model, ["acoustic"])
        fitted(model, 2)
    # A pass for each modality; Keras may trace a new function twice.
    assert traces == [both] * 2 * traced + [one] * traced


@pytest.mark.parametrize("name", [name for name, each in known_parts("fusion").items() if each.layer])
def test_a_fusion_names_weights_of_modalities_where_its_settings_say_so(name):
    settings, layer = known_parts("fusion")[name], fusion_class(name)
    assert settings.has_modality_weights == layer.has_modality_weights
    small = {"token_units": 4} if settings.takes == "tokens" else {}
    fusion = layer(units=(4,), **small)
    features = {each: tf.constant(values, tf.float32) for each, values in FEATURES.items()}
    fusion(features)
    own = fusion.weights_by_modality()
    assert list(own) == (["acoustic", "visual"] if settings.has_modality_weights else [])
    named = [weight.ref() for weights in own.values() for weight in weights]
    assert len(set(named)) == len(named) and set(named) <= {weight.ref() for weight in fusion.trainable_weights}
    # Only the modality itself depends on them: without its tokens they have no gradient, but for crossmodal fusions.
    if name in ("sum", "gated", "attention"):
        present = {"acoustic": tf.zeros(12, tf.bool), "visual": tf.ones(12, tf.bool)}
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.square(fusion(features, mask=present)))
        assert not any(np.any(each) for each in tape.gradient(total, own["acoustic"]))


def test_heads_belong_to_modalities_and_begin_as_one_kernel():
    heads, whole = (ModalityHeads(4, initializer=keras.initializers.GlorotUniform(seed=1)) for _ in range(2))
    features = {each: tf.constant(values, tf.float32) for each, values in FEATURES.items()}
    present = dict.fromkeys(features, tf.ones(12, tf.bool))
    heads(features, mask=present, fused=tf.zeros([12, 4]))
    drawn = whole.initializer((8, 4))
    for found, expected in zip(heads.weights_by_modality().values(), np.split(drawn, [3]), strict=True):
        np.testing.assert_array_equal(found[0], expected)
    model = a_model(fusion="metammf", modality_heads=True)
    assert [len(weights) for weights in model.weight_updates.own.values()] == [1, 1]
    fitted(model)


def test_modalities_without_weights_of_their_own_are_refused():
    with pytest.raises(InvalidInputError, match="no modality has weights of its own, expected at least 2"):
        a_model(fusion="metammf")
    with pytest.raises(InvalidInputError, match="visual has weights of its own, expected at least 2"):
        a_model(fusion="concatenation", adapters=["visual"])
