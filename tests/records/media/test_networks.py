"""Encoders with weights, on random weights: what they compute, and which mistakes they refuse."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.media.encoding.media_encoder import require_sound
from tf_metammf.records.media.encoding.pixel_scales import SCALES, scaled

NETWORK = {"model": "mobilenetv3small", "size": 32}


def frames(count: int = 2, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a small network without its classifier, and what it gives for some frames."""
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, pooling="avg", input_shape=(32, 32, 3)
    )
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    network.save_weights(path)
    prepared = keras.applications.mobilenet_v3.preprocess_input(frames().astype(np.float32))
    return path, network.predict(prepared, verbose=0)


def test_a_network_of_keras_computes_what_keras_does(weights):
    path, expected = weights
    encoder = make_encoder("keras_application", {**NETWORK, "weights": str(path)})
    require_sound(encoder, "keras_application")
    np.testing.assert_allclose(encoder.encode(frames()), expected, rtol=1e-3, atol=1e-5)
    assert encoder.width == expected.shape[1] and encoder.weights == (path,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "resnet5"}, 'did you mean "resnet50"'),
        ({}, "Say --download true, or give a file"),
        ({"weights": "missing.h5"}, "expected a file of weights"),
        ({**NETWORK, "weights": "{junk}"}, "expected a file of weights"),
    ],
)
def test_mistakes_in_weights_of_keras_are_named(tmp_path, settings, message):
    (tmp_path / "junk.h5").write_bytes(b"junk")
    settings = {name: str(tmp_path / "junk.h5") if value == "{junk}" else value for name, value in settings.items()}
    with pytest.raises(InvalidInputError, match=message):
        make_encoder("keras_application", settings)


def test_scales_are_what_they_say():
    values = frames(1)
    np.testing.assert_array_equal(scaled(values, "0..255"), values)
    np.testing.assert_allclose(scaled(values, "0..1"), values / 255, atol=1e-6)
    np.testing.assert_allclose(scaled(values, "-1..1"), values / 127.5 - 1, atol=1e-6)
    torch = keras.applications.imagenet_utils.preprocess_input(values.astype(np.float32), mode="torch")
    np.testing.assert_allclose(scaled(values, "imagenet"), torch, atol=1e-5)


class Sound(tf.Module):
    """As VGGish: a waveform in, a row for each of its parts out."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        parts = tf.signal.frame(waveform, 400, 400)
        return tf.reduce_mean(parts, axis=1), tf.stack([tf.reduce_max(parts, 1), tf.reduce_min(parts, 1)], 1)


class Pictures(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
    def __call__(self, pictures):
        return {"mean": tf.reduce_mean(pictures, axis=[1, 2]), "most": tf.reduce_max(pictures, axis=[1, 2])}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("saved")
    for name, module in (("sound", Sound()), ("pictures", Pictures())):
        tf.saved_model.save(module, str(folder / name))
    return {name: str(folder / name) for name in ("sound", "pictures")}


def test_a_saved_model_of_sound_is_averaged_over_its_own_parts(saved):
    settings = {"path": saved["sound"], "input": "waveform", "output": "1", "sample_rate": 8000, "window_seconds": 0.1}
    encoder = make_encoder("saved_model", settings)
    windows = np.random.default_rng(0).normal(size=(3, 800)).astype(np.float32)
    parts = windows.reshape(3, 2, 400)
    expected = np.stack([parts.max(axis=2).mean(axis=1), parts.min(axis=2).mean(axis=1)], axis=1)
    np.testing.assert_allclose(encoder.encode(windows), expected, rtol=1e-5)


def test_a_saved_model_of_pictures_gets_them_as_it_was_trained(saved):
    for scale in SCALES:
        settings = {"path": saved["pictures"], "input": "frames", "scale": scale, "size": 16, "output": "mean"}
        encoder = make_encoder("saved_model", settings)
        expected = scaled(frames(2, 16), scale).mean(axis=(1, 2))
        np.testing.assert_allclose(encoder.encode(frames(2, 16)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input": "frames", "size": 16, "output": "mean"}, 'scale is "", expected the one that its weights'),
        ({"input": "frames", "size": 16, "scale": "0..1"}, "has the outputs mean, most"),
        ({"input": "frames", "size": 24, "scale": "0..1", "output": "mean"}, "does not take frames as"),
        ({"input": "film"}, 'input is "film"'),
        ({"input": "frames", "scale": "0..1", "signature": "other"}, 'has no signature "other"'),
        ({"input": "frames", "scale": "0..1", "path": "nowhere"}, "expected the folder of a SavedModel"),
        ({"scale": "0..1"}, "needs the setting input"),
    ],
)
def test_mistakes_in_saved_models_are_named(saved, settings, message):
    with pytest.raises(InvalidInputError, match=message):
        make_encoder("saved_model", {"path": saved["pictures"], **settings})


def test_an_encoder_that_gives_the_same_for_everything_is_refused(tmp_path):
    class Constant(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
        def __call__(self, pictures):
            return tf.ones([tf.shape(pictures)[0], 4])

    tf.saved_model.save(Constant(), str(tmp_path / "constant"))
    settings = {"path": str(tmp_path / "constant"), "input": "frames", "scale": "0..1", "size": 16}
    with pytest.raises(InvalidInputError, match="gives the same vector for two different inputs"):
        require_sound(make_encoder("saved_model", settings), "saved_model")


@pytest.mark.parametrize(("name", "settings"), [("onnx", {"path": "x.onnx", "input": "frames", "scale": "0..1"})])
def test_what_is_not_installed_is_named_with_its_extra(monkeypatch, name, settings):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InvalidInputError, match=r"tf-metammf\[onnx\]"):
        make_encoder(name, settings)


def test_sentence_encoders_are_folders_unless_downloads_are_allowed():
    with pytest.raises(InvalidInputError, match="expected the folder of a model"):
        make_encoder("sentence_transformers", {"model": "all-MiniLM-L6-v2"})
