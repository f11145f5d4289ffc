"""What the encoders without weights measure, against NumPy and against what was put into the input."""

import colorsys

import numpy as np
import pytest
from made_media import tone

from tf_metammf.records.media.encoders import encoder_names, make_encoder
from tf_metammf.records.media.encoding.media_encoder import MediaEncoder, require_sound


@pytest.fixture(scope="module")
def image_statistics() -> MediaEncoder:
    return make_encoder("image_statistics", {"size": 24})


@pytest.fixture(scope="module")
def sound_statistics() -> MediaEncoder:
    return make_encoder("sound_statistics", {"sample_rate": 8000})


def pairs(frames: np.ndarray, successors: np.ndarray | None = None) -> np.ndarray:
    return np.stack([frames, frames if successors is None else successors], axis=1)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("name", ["image_statistics", "sound_statistics", "hashed_text"])
def test_encoders_without_weights_can_tell_inputs_apart(name):
    encoder = make_encoder(name)
    require_sound(encoder, name)
    assert name in encoder_names() and encoder.licence == "none needed"


def test_colours_are_means_and_deviations(image_statistics):
    frames = noise(3, 24, 24, 3)
    found = image_statistics.encode(pairs(frames))
    values = frames / 255.0
    np.testing.assert_allclose(found[:, :3], values.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[:, 6:9], values.std(axis=(1, 2)), atol=1e-5)
    hsv = np.array([[colorsys.rgb_to_hsv(*pixel) for pixel in picture.reshape(-1, 3)] for picture in values])
    np.testing.assert_allclose(found[:, 3:6], hsv.mean(axis=1), atol=1e-4)
    cells = values.reshape(3, 3, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(3, 27)
    np.testing.assert_allclose(found[:, 24:51], cells, atol=1e-5)


def test_the_histogram_of_hues_says_which_colour_it_is(image_statistics):
    for hue in (0.04, 0.38, 0.71):
        frame = np.tile(np.round(np.multiply(colorsys.hsv_to_rgb(hue, 0.9, 0.8), 255)), (1, 24, 24, 1))
        histogram = image_statistics.encode(pairs(frame.astype(np.uint8)))[0, 12:24]
        assert histogram.argmax() == int(hue * 12) and histogram.max() > 0.99


def test_edges_have_a_direction(image_statistics):
    steps = np.zeros((1, 24, 24, 3), np.uint8)
    steps[:, :, ::4] = steps[:, :, 1::4] = 255
    upright = image_statistics.encode(pairs(steps))[0, 53:61]
    lying = image_statistics.encode(pairs(steps.transpose(0, 2, 1, 3)))[0, 53:61]
    assert upright @ lying < 0.1 * np.linalg.norm(upright) * np.linalg.norm(lying)


def test_motion_is_the_difference_to_the_next_frame(image_statistics):
    frames, successors = noise(2, 24, 24, 3), noise(2, 24, 24, 3, seed=1)
    found = image_statistics.encode(pairs(frames, successors))
    difference = np.abs(frames.astype(float) - successors).mean(axis=3) / 255
    np.testing.assert_allclose(found[:, 73], difference.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[:, 75], (difference > 0.1).mean(axis=(1, 2)), atol=1e-5)
    assert not image_statistics.encode(pairs(frames))[:, 73:].any()


def test_a_tone_is_where_it_is_in_the_spectrum(sound_statistics):
    seconds = np.arange(24000) / 8000
    tones = np.stack([0.5 * np.sin(2 * np.pi * hertz * seconds) for hertz in (400, 1000, 3000)]).astype(np.float32)
    found = sound_statistics.encode(tones)
    centroid, bandwidth, flatness, loudness = found[:, 64:68].T
    np.testing.assert_allclose(centroid, np.array([400, 1000, 3000]) / 4000, atol=0.02)
    np.testing.assert_allclose(loudness, 0.5 / np.sqrt(2), atol=0.01)
    assert bandwidth.max() < 0.1 and flatness.max() < 0.1
    assert np.all(np.diff(found[:, :32].argmax(axis=1)) > 0)
    hiss = np.random.default_rng(0).normal(0, 0.1, (1, 24000)).astype(np.float32)
    assert sound_statistics.encode(hiss)[0, 66] > 0.4


@pytest.mark.parametrize("beats", [1.0, 1.5, 2.5])
def test_clicks_are_onsets_with_a_tempo(sound_statistics, beats):
    clicks = np.zeros((1, 24000), np.float32)
    for start in np.arange(0.1, 2.95, 1 / beats):
        clicks[0, round(start * 8000) : round(start * 8000) + 80] = np.random.default_rng(0).normal(0, 0.3, 80)
    onsets, tempo, height = sound_statistics.encode(clicks)[0, 72:]
    assert onsets * 3 == pytest.approx(len(np.arange(0.1, 2.95, 1 / beats)), abs=1)
    assert tempo == pytest.approx(beats, rel=0.06) and height > 0.4


def test_silence_is_finite(sound_statistics):
    assert np.isfinite(sound_statistics.encode(np.zeros((1, 24000), np.float32))).all()


def test_texts_with_words_in_common_are_similar():
    encoder = make_encoder("hashed_text")
    texts = ["baking bread at home", "home baked breads", "motor racing in Monza", "Brot backen"]
    encoder.fit(texts)
    vectors = encoder.encode([*texts, "BAKING  bread at home", "", "片 子"])
    similar = vectors @ vectors.T
    assert similar[0, 1] > max(similar[0, 2], similar[1, 2]) + 0.1
    np.testing.assert_allclose(vectors[4], vectors[0])
    assert not vectors[5].any() and vectors[6].any()


def test_projection_keeps_products_of_the_weights():
    encoder = make_encoder("hashed_text", {"width": 4096, "buckets": 4096})
    first, second = encoder.encode(["one two three", "two three four"])
    counts = [encoder._counts(text) for text in ("one two three", "two three four")]
    rows = np.zeros((2, 4096))
    for row, count in zip(rows, counts, strict=True):
        row[list(count)] = 1 + np.log(list(count.values()))
    exact = rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1])
    assert first @ second == pytest.approx(exact, abs=0.06)


def test_rare_words_weigh_more_once_texts_were_counted():
    encoder = make_encoder("hashed_text", {"character_ngrams": 0, "word_ngrams": 1})
    state = encoder.fit([f"common rare{number}" for number in range(50)])
    both, common, rare = encoder.encode(["common rare7", "common", "rare7"])
    assert both @ rare > 2 * (both @ common)
    again = make_encoder("hashed_text", {"character_ngrams": 0, "word_ngrams": 1})
    again.restore(state)
    np.testing.assert_array_equal(again.encode(["common rare7"])[0], both)


@pytest.mark.parametrize("name", ["image_statistics", "sound_statistics"])
def test_a_vector_does_not_depend_on_what_is_encoded_with_it(name, request):
    encoder = request.getfixturevalue(name)
    if name == "image_statistics":
        batch = noise(19, *encoder.inputs.shape)
    else:
        bars = [tone(0.25 + 0.02 * row, hertz=300 + 50 * row, rate=8000)[0] for row in range(19)]  # a tempo for each
        batch = np.stack([np.resize(bar, encoder.inputs.samples) for bar in bars])
    together = encoder.encode(batch)
    for size in (1, 3, 8):
        parts = [encoder.encode(batch[first : first + size]) for first in range(0, 19, size)]
        assert np.concatenate(parts).tobytes() == together.tobytes()
