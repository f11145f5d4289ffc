"""Synthetic token sequences as clips: extracted again, their tokens say what users respond to."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from made_media import NEEDS_AV

from tf_metammf import make_fusion
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.records import TokenSequences
from tf_metammf.records.conversion.conversion import convert
from tf_metammf.records.reader import read_items
from tf_metammf.records.sources import videos as videos_source
from tf_metammf.records.synthesis.sequence_clips import (
    SEEN_PATTERNS,
    render_frames,
    require_clips,
    write_sequence_clips,
)
from tf_metammf.records.synthesis.sequence_synthesis import synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import SyntheticSequences

pytest.importorskip("av", reason=NEEDS_AV)

ITEMS, FRAMES = 60, 6
NEEDLE = SyntheticSequences(pattern="needle", users=30, items=ITEMS, frames=FRAMES, rate=2.0, interactions_per_user=6)


def test_frames_show_contents_as_their_ground_and_marks_as_squares():
    data = synthesize_sequences(NEEDLE)
    frames = render_frames(data, 7).astype(float)
    np.testing.assert_array_equal(frames, render_frames(data, 7))
    contents = data.shown["visual"][7][:, :4]
    np.testing.assert_allclose(frames[:, 28:36, 20:24].mean(axis=(1, 2)), 128 + 40 * contents[:, :3], atol=3)
    squares = [frames[:, 30:36, left : left + 6].mean(axis=(1, 2, 3)) for left in (8, 29, 50)]
    expected = np.full((FRAMES, 3), 128.0)
    expected[data.decisive["visual"][7], 0] += 120
    np.testing.assert_allclose(np.stack(squares, axis=1), expected, atol=3)


def test_patterns_whose_sounds_count_are_refused(tmp_path, capsys):
    with pytest.raises(InvalidInputError, match="the pattern is binding, and clips are written of needle, needles"):
        require_clips(SyntheticSequences(pattern="binding"))
    with pytest.raises(InvalidInputError, match="taste_width is 3, and a frame shows 4 numbers of content"):
        require_clips(SyntheticSequences(pattern=SEEN_PATTERNS[0], taste_width=3))
    words = ["records", "synthesize", "--output", str(tmp_path / "clips"), "--videos", "--sequences", "clock"]
    assert main(words) == 2
    assert "the pattern is clock" in capsys.readouterr().err


@pytest.mark.long
def test_extracted_tokens_say_what_the_frames_showed(tmp_path):
    """Contents and the mark follow from the tokens by a linear regression that is tested on other items."""
    data = synthesize_sequences(NEEDLE)
    write_sequence_clips(data, NEEDLE, tmp_path / "clips")
    options = videos_source.Options(frames=FRAMES, tokens=True, acoustic="none", textual="none", workers=1)
    record_set = convert("videos", tmp_path / "clips", tmp_path / "set", options=options)
    table = read_items(record_set)
    tokens = table.features["visual"]
    assert (tokens.lengths == FRAMES).all()
    np.testing.assert_allclose(tokens.times[:FRAMES], np.arange(FRAMES) / 2, atol=1e-3)
    rows = [data.raw.item_ids.index(item) for item in record_set.item_ids]
    shown = data.shown["visual"][rows].reshape(ITEMS * FRAMES, -1)[:, [0, 1, 2, 3, 8]]
    values = (tokens.values - tokens.values.mean(axis=0)) / (tokens.values.std(axis=0) + 1e-6)
    design, fitted = np.column_stack([values, np.ones(len(values))]), slice(0, 40 * FRAMES)
    inner = design[fitted].T @ design[fitted] + np.eye(design.shape[1])
    solution = np.linalg.solve(inner, design[fitted].T @ shown[fitted])
    held_out = slice(40 * FRAMES, None)
    errors = ((design[held_out] @ solution - shown[held_out]) ** 2).mean(axis=0)
    assert (1 - errors / shown[held_out].var(axis=0) > 0.8).all()


@pytest.mark.long
def test_a_fusion_over_time_learns_from_clips_what_their_means_hide(tmp_path):
    """Which content came first and which last, by a regression that is tested on a fifth of the items."""
    sequences = SyntheticSequences(pattern="order", users=5, items=400, frames=FRAMES, cold_items=0, popularity=0)
    data = synthesize_sequences(sequences)
    write_sequence_clips(data, sequences, tmp_path / "clips")
    options = videos_source.Options(frames=FRAMES, tokens=True, acoustic="none", textual="none", workers=1)
    record_set = convert("videos", tmp_path / "clips", tmp_path / "set", options=options)
    tokens = read_items(record_set).features["visual"]
    rows = [data.raw.item_ids.index(item) for item in record_set.item_ids]
    truth = data.true_item_embeddings[rows, :-1]
    values = (tokens.values - tokens.values.mean(axis=0)) / (tokens.values.std(axis=0) + 1e-6)
    values = values.reshape(len(rows), FRAMES, -1).astype(np.float32)
    times = np.tile(np.arange(FRAMES, dtype=np.float32), (len(rows), 1))
    inputs = {"visual": TokenSequences(tf.constant(values), tf.constant(tokens.lengths), tf.constant(times))}
    keras.utils.set_random_seed(0)
    fusion = make_fusion("pyramid", units=(4,), slots=6, token_units=16, dropout=0.0)
    optimizer = keras.optimizers.legacy.Adam(0.01)
    learned = {"visual": inputs["visual"].rows(slice(0, 320))}
    fusion(learned)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((fusion(learned, training=True) - truth[:320]) ** 2)
        weights = fusion.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    for _ in range(150):
        step()
    found = fusion({"visual": inputs["visual"].rows(slice(320, None))}).numpy()
    means = np.column_stack([values.mean(axis=1), np.ones(len(values))])
    inner = means[:320].T @ means[:320] + np.eye(means.shape[1])
    of_means = means[320:] @ np.linalg.solve(inner, means[:320].T @ truth[:320])
    explained = [1 - ((guess - truth[320:]) ** 2).mean() / truth[320:].var() for guess in (found, of_means)]
    assert explained[0] > 0.7 and explained[1] < 0.2, explained
