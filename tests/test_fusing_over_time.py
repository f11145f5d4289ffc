"""What fusions over time learn that no function of the means of the tokens can: small regressions on known truth.

``benchmarks/fusing_over_time.py`` has the same as recommendations, with more patterns and seeds.
"""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import make_fusion
from tf_metammf.records import TokenSequences
from tf_metammf.records.synthesis.sequence_synthesis import SequenceData, synthesize_sequences
from tf_metammf.records.synthesis.synthetic_sequences import Pattern, SyntheticSequences

ITEMS, TEST = 1500, 300
FRAMES = 6


def synthetic(pattern: str, *, items: int = ITEMS, frames: int = FRAMES, **options) -> SequenceData:
    options = {"users": 5, "items": items, "frames": frames, "cold_items": 0, "popularity": 0, **options}
    return synthesize_sequences(SyntheticSequences(pattern=pattern, **options))


def batch_of(data: SequenceData) -> dict[str, TokenSequences]:
    found = {}
    for name, modality in data.raw.modalities.items():
        tokens = modality.features
        values = tokens.values.reshape(len(tokens), -1, tokens.width)
        times = tokens.times.reshape(values.shape[:2])
        found[name] = TokenSequences(tf.constant(values), tf.constant(tokens.lengths), tf.constant(times))
    return found


def shuffled(sequences: dict[str, TokenSequences]) -> dict[str, TokenSequences]:
    """The same tokens, those of every item in an order of chance."""
    random = np.random.default_rng(5)
    found = {}
    for name, one in sequences.items():
        places = np.argsort(random.random(one.times.shape), axis=1)
        found[name] = one._replace(values=tf.gather(one.values, places, batch_dims=1))
    return found


def explained(fusion, inputs, data: SequenceData, *, steps: int) -> float:
    """Share of the variance of what users respond to that a fusion explains for the last items, after training."""
    keras.utils.set_random_seed(1)
    wanted = tf.constant(data.true_item_embeddings[:, :-1])
    optimizer, random = keras.optimizers.legacy.Adam(0.01), np.random.default_rng(2)

    fusion(chosen(inputs, [0]))

    @tf.function
    def step(rows):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((fusion(chosen(inputs, rows), training=True) - tf.gather(wanted, rows)) ** 2)
        weights = fusion.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    for _ in range(steps):
        step(tf.constant(random.integers(len(wanted) - TEST, size=128)))
    held_out = range(len(wanted) - TEST, len(wanted))
    return share(fusion, chosen(inputs, held_out), tf.gather(wanted, held_out))


def chosen(inputs, items):
    """The inputs of some items."""
    return tf.nest.map_structure(lambda part: tf.gather(part, items), inputs)


def share(fusion, inputs, truth) -> float:
    """Share of the variance of the truth that a fusion explains."""
    return 1 - float(tf.reduce_mean((fusion(inputs) - truth) ** 2) / tf.math.reduce_variance(truth))


def small(name: str, **options):
    return make_fusion(name, units=(4,), token_units=16, dropout=0.0, **options)


@pytest.mark.long
def test_a_query_finds_the_one_frame_that_counts_in_longer_videos_too():
    """The mean of all frames has 1 / frames of the variance."""
    fusion = small("queries", queries=1)
    assert explained(fusion, batch_of(synthetic("needle")), synthetic("needle"), steps=150) > 0.9
    longer = synthetic("needle", frames=4 * FRAMES)
    assert share(fusion, batch_of(longer), longer.true_item_embeddings[:, :-1]) > 0.6
    attention = fusion.attention(batch_of(longer))["visual"].numpy()
    assert (attention.argmax(axis=1) == longer.decisive["visual"]).mean() > 0.9


@pytest.mark.long
def test_a_pyramid_sees_the_order_and_loses_it_when_frames_are_shuffled():
    data = synthetic("order")
    fusion = small("pyramid", slots=6)
    assert explained(fusion, batch_of(data), data, steps=150) > 0.9
    assert share(fusion, shuffled(batch_of(data)), data.true_item_embeddings[:, :-1]) < 0.15


@pytest.mark.long
def test_metammf_fuses_by_a_kind_that_only_the_order_shows():
    data = synthetic("kinds")
    fusion = small("metammf_tokens", meta="pyramid")
    assert explained(fusion, batch_of(data), data, steps=300) > 0.9
    means = {name: one.means() for name, one in batch_of(data).items()}
    assert explained(make_fusion("metammf", units=(4,)), means, data, steps=100) < 0.15


# Of 1,500 items a fusion learns by heart which frame counts; how it is pointed out takes more of them.
MANY = 6000


@pytest.mark.long
def test_a_sound_points_out_the_frame_that_counts_unless_it_is_of_another_video():
    data = synthetic("binding", items=MANY)
    fusion, inputs = small("crossmodal", layers=1), batch_of(data)
    assert explained(fusion, inputs, data, steps=500) > 0.9
    strange = {**inputs, "acoustic": tf.nest.map_structure(lambda part: tf.roll(part, 1, axis=0), inputs["acoustic"])}
    assert share(fusion, strange, data.true_item_embeddings[:, :-1]) < 0.1
    sounds = fusion.attention(inputs)["acoustic"].numpy()
    assert (sounds.argmax(axis=1) == data.decisive["acoustic"]).mean() > 0.9


@pytest.mark.long
def test_the_frame_at_the_time_of_a_sound_is_found_whatever_the_rates_and_not_without_times():
    data = synthetic("clock", items=MANY, sound_rate=3.7)
    fusion, inputs = small("crossmodal", layers=1), batch_of(data)
    assert explained(fusion, inputs, data, steps=900) > 0.9
    timeless = {name: one._replace(times=tf.zeros_like(one.times)) for name, one in inputs.items()}
    assert share(fusion, timeless, data.true_item_embeddings[:, :-1]) < 0.2


@pytest.mark.long
@pytest.mark.parametrize(("levels", "of_pairs"), [("first", (0.3, 0.6)), ("same", (0.7, 1.0))])
def test_keys_of_two_neighbouring_tokens_take_more_than_the_first_level(levels, of_pairs):
    """Half of the items have keys of one token. Without times, only the convolutions see neighbours."""
    data = synthetic("neighbours", items=16_000, frames=8)
    fusion, inputs = small("crossmodal", source_levels=levels, frequencies=0), batch_of(data)
    explained(fusion, inputs, data, steps=1400)
    single, pair = (np.flatnonzero(data.kind_of_item[-TEST:] == kind) + 16_000 - TEST for kind in (0, 1))
    truth = data.true_item_embeddings[:, :-1]
    assert share(fusion, chosen(inputs, single), truth[single]) > 0.8
    assert of_pairs[0] < share(fusion, chosen(inputs, pair), truth[pair]) < of_pairs[1]


@pytest.mark.parametrize("pattern", get_args(Pattern))
def test_means_hide_what_users_respond_to(pattern):
    """By a linear regression on the means, which explains 1 / frames at most."""
    data = synthetic(pattern, frames=24 if "halves" in pattern else 8)
    means = np.concatenate([one.means() for _, one in sorted(batch_of(data).items())], axis=1)
    design = np.column_stack([means, np.ones(ITEMS)])
    truth = data.true_item_embeddings[:, :-1]
    solution = np.linalg.lstsq(design[:-TEST], truth[:-TEST], rcond=None)[0]
    residual = design[-TEST:] @ solution - truth[-TEST:]
    assert 1 - (residual**2).mean() / truth[-TEST:].var() < 1 / 8 + 0.05
