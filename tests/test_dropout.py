"""Random numbers of layers: seeded, fresh in every step, and a part of the checkpoint."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InBatchSoftmax, InteractionGraph, MetaMMF
from tf_metammf.layers.dropout import dropout, new_generator

USERS, ITEMS = 20, 15


def make(seed: int, *, encoder: str = "sage") -> MetaMMF:
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(0)
    graph = InteractionGraph(random.integers(0, USERS, 60), random.integers(0, ITEMS, 60), users=USERS, items=ITEMS)
    model = MetaMMF(
        USERS,
        {"visual": random.normal(size=(ITEMS, 5)), "acoustic": random.normal(size=(ITEMS, 3))},
        InBatchSoftmax(np.ones(ITEMS, int)),
        fusion_options={"units": (4,), "meta_units": 2, "rank": 2},
        encoder=encoder,
        encoder_options={"graph": graph, "edge_dropout": 0.3},
        id_units=4,
        id_dropout=0.4,
        modality_dropout=0.4,
    )
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    return model


def losses(model: MetaMMF, steps: int) -> list[float]:
    """The mean loss so far after each step of training."""
    batch = {"user": tf.range(10, dtype=tf.int64), "item": tf.range(10, dtype=tf.int64)}
    step = tf.function(lambda: model.train_step(batch))
    return [float(step()["loss"]) for _ in range(steps)]


def test_values_are_dropped_with_their_probability_and_the_others_are_scaled():
    generator = new_generator(1)
    values = tf.ones([10_000])
    dropped = dropout(generator, values, 0.3).numpy()
    np.testing.assert_allclose(dropped[dropped > 0], 1 / 0.7, rtol=1e-6)
    assert abs((dropped == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 10_000)
    assert not np.array_equal(dropped, dropout(generator, values, 0.3))
    assert dropout(generator, values, 0.0) is values


@pytest.mark.long
def test_the_same_seed_draws_the_same_and_another_one_something_else():
    one, same, other = (losses(make(seed), 3) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.long
def test_a_model_restored_from_a_checkpoint_goes_on_with_the_same_random_numbers(tmp_path):
    model = make(1)
    losses(model, 2)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(tmp_path / "checkpoint"))
    expected = losses(model, 3)
    restored = make(5)
    losses(restored, 1)
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).read(path).assert_consumed()
    np.testing.assert_array_equal(losses(restored, 3), expected)
