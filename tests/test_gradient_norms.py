"""Norms of gradients: those of whole tables, however a gradient is represented."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_metammf import InBatchSoftmax, MetaMMF
from tf_metammf.gradient_norms import gradient_norm


def test_rows_that_occur_several_times_are_added_up_first():
    values = np.array([[3.0, 0.0], [1.0, 2.0], [-1.0, 4.0]], np.float32)
    slices = tf.IndexedSlices(tf.constant(values), tf.constant([5, 2, 5]), tf.constant([9, 2]))
    dense = tf.constant([[2.0, 6.0]])
    # Rows 5: [2, 4], 2: [1, 2].
    assert float(gradient_norm([slices, None, dense])) == pytest.approx(np.sqrt(4 + 16 + 1 + 4 + 4 + 36))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_step_logs_the_norm_of_what_it_applies(policy):
    keras.utils.set_random_seed(0)
    frequency = np.array([2, 3, 1, 1, 0])
    features = {"visual": np.random.default_rng(0).normal(size=(5, 3))}
    options = {"units": (4,), "meta_units": 2, "rank": 2}
    objective = InBatchSoftmax(frequency)
    model = MetaMMF(6, features, objective, item_frequency=frequency, fusion_options=options, id_units=4, dtype=policy)
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    model.logs_gradient_norm = True
    before = [weight.numpy().astype(np.float64) for weight in model.trainable_variables]
    # The first user is there three times.
    logs = model.train_step({"user": tf.constant([0, 0, 4, 0, 2]), "item": tf.constant([1, 0, 2, 1, 3])})
    # With a learning rate of 1, what is taken away from the weights is the gradient.
    gradient = [was - weight.numpy() for was, weight in zip(before, model.trainable_variables, strict=True)]
    expected = np.sqrt(sum(np.sum(part**2) for part in gradient))
    assert float(logs["gradient_norm"]) == pytest.approx(expected, rel=1e-4)
