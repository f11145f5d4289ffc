"""Embeddings to search in: clustered, as a catalogue is, and isotropic, which is the worst case of an index."""

import numpy as np
from numpy.typing import NDArray

WIDTH = 64
TOPICS = 3000
GENRES = 60
SEED = 0


def clustered(items: int, queries: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Items around topics, topics around genres, topics popular by a power law; queries mix three topics.

    All of length 1. The noise around a topic is 0.64 times as long as the topic, so a neighbour's cosine is about 0.7.
    """
    random = np.random.default_rng(SEED)
    genres = random.normal(size=(GENRES, WIDTH))
    topics = _unit(genres[random.integers(0, GENRES, TOPICS)] + 0.8 * random.normal(size=(TOPICS, WIDTH)))
    share = 1 / np.arange(1, TOPICS + 1) ** 0.7
    share /= share.sum()
    vectors = topics[random.choice(TOPICS, items, p=share)] + 0.08 * random.normal(size=(items, WIDTH))
    mixed = topics[random.choice(TOPICS, (queries, 3), p=share)]
    weights = random.dirichlet([1.0] * 3, size=queries)
    asked = np.einsum("qt,qtd->qd", weights, mixed) + 0.04 * random.normal(size=(queries, WIDTH))
    return _unit(vectors), _unit(asked)


def isotropic(items: int, queries: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Directions without any structure."""
    random = np.random.default_rng(SEED)
    return _unit(random.normal(size=(items, WIDTH))), _unit(random.normal(size=(queries, WIDTH)))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
