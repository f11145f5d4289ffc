"""ONNX files as encoders, two tiny ones: the mean of each channel of a picture, and that of a window of sound."""

import base64
from pathlib import Path

import numpy as np
import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.records.media.encoders import make_encoder
from tf_metammf.records.media.encoding.media_encoder import require_sound
from tf_metammf.records.media.encoding.pixel_scales import scaled

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

# ReduceMean over the axes 2 and 3 of a float input x [n, 3, 16, 16]; over the axis 1 of x [n, 800], which stays.
PICTURES = (
    "CAgSADpvCiYKAXgKAWESAXkiClJlZHVjZU1lYW4qDwoIa2VlcGRpbXMYAKABAhIBZyoZCAIQB0IBYUoQAgAAAAAAAAADAAAAAAAAAFocCgF4EhcK"
    "FQgBEhEKAxIBbgoCCAMKAggQCgIIEGIJCgF5EgQKAggBQgQKABAS"
)
SOUND = (
    "CAgSADpgCiYKAXgKAWESAXkiClJlZHVjZU1lYW4qDwoIa2VlcGRpbXMYAaABAhIBZyoRCAEQB0IBYUoIAQAAAAAAAABaFQoBeBIQCg4IARIKCgMS"
    "AW4KAwigBmIJCgF5EgQKAggBQgQKABAS"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("onnx")
    for name, content in (("pictures", PICTURES), ("sound", SOUND)):
        (folder / f"{name}.onnx").write_bytes(base64.b64decode(content))
    return {name: str(folder / f"{name}.onnx") for name in ("pictures", "sound")}


def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)


def test_pictures_are_given_as_the_file_takes_them(files):
    encoder = make_encoder("onnx", {"path": files["pictures"], "input": "frames", "scale": "imagenet"})
    require_sound(encoder, "onnx")
    assert (encoder.width, encoder.inputs.size) == (3, 16)
    expected = scaled(frames(), "imagenet").mean(axis=(1, 2))
    np.testing.assert_allclose(encoder.encode(frames()), expected, atol=1e-4)


def test_windows_of_sound_are_encoded(files):
    settings = {"path": files["sound"], "input": "windows", "sample_rate": 8000, "window_seconds": 0.1}
    encoder = make_encoder("onnx", settings)
    windows = np.random.default_rng(0).normal(size=(3, 800)).astype(np.float32)
    np.testing.assert_allclose(encoder.encode(windows), windows.mean(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input": "frames"}, 'scale is ""'),
        ({"input": "frames", "scale": "0..1", "size": 32}, "takes pictures of 16 pixels, and size is 32"),
        ({"input": "frames", "scale": "0..1", "layout": "nhwc"}, "expected pictures with 3 channels"),
        ({"input": "frames", "scale": "0..1", "output": "z"}, "has the outputs y"),
        ({"input": "windows"}, "does not take windows as"),
        ({"input": "film"}, 'input is "film"'),
        ({"input": "frames", "scale": "0..1", "path": __file__}, "cannot be loaded"),
        ({"input": "frames", "scale": "0..1", "path": "missing.onnx"}, "expected an ONNX file"),
    ],
)
def test_mistakes_are_named(files, settings, message):
    with pytest.raises(InvalidInputError, match=message):
        make_encoder("onnx", {"path": files["pictures"], **settings})


def test_the_file_decides_the_fingerprint(files):
    encoder = make_encoder("onnx", {"path": files["pictures"], "input": "frames", "scale": "0..1"})
    assert encoder.weights == (Path(files["pictures"]),)
