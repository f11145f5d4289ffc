"""Random numbers of layers, whose state is a part of every checkpoint."""

import random
from typing import Any

import tensorflow as tf


def new_generator(seed: int | None = None) -> tf.random.Generator:
    """A generator for a layer to keep as an attribute.

    Its state is a variable that ``tf.train.Checkpoint`` saves with the layer, so that a training that is resumed
    draws what an uninterrupted one would have drawn. Weights files do not hold it.

    Args:
        seed: Defaults to None: drawn from Python's ``random``, which ``tf_keras.utils.set_random_seed`` seeds.
    """
    return tf.random.Generator.from_seed(random.getrandbits(31) if seed is None else seed, alg="philox")


def uniform(generator: tf.random.Generator, shape: Any) -> tf.Tensor:
    """Numbers in [0, 1), float32 of the given shape."""
    return tf.random.stateless_uniform(shape, generator.make_seeds()[:, 0])


def dropout(generator: tf.random.Generator, values: tf.Tensor, rate: float) -> tf.Tensor:
    """``values / (1 - rate)``, each of them 0 with probability ``rate``; ``values`` themselves for a rate of 0."""
    return tf.nn.experimental.stateless_dropout(values, rate, generator.make_seeds()[:, 0]) if rate else values
