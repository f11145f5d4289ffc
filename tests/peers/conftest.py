"""A small catalogue for the peers, with what NumPy needs to compute the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import WITHOUT_GRAPH

from tf_metammf import BPR, InteractionGraph, MetaMMF

USERS, ITEMS = 12, 9
WIDTHS = {"acoustic": 3, "visual": 4}


class PeerCase:
    """A model with a peer for its encoder, and its parts as arrays.

    Attributes:
        model: The model, with random weights.
        features: float64 ``[items, width]`` by modality, zeros where an item lacks it.
        pairs: The training interactions, users and items.
    """

    def __init__(self, encoder: str, objective: Any, **options: Any) -> None:
        random = np.random.default_rng(1)
        keras.utils.set_random_seed(2)
        features = {name: random.normal(size=(ITEMS, width)) for name, width in WIDTHS.items()}
        presence = {name: np.arange(ITEMS) != 5 for name in ("acoustic",)}
        self.pairs = np.unique(np.stack([random.integers(0, USERS - 1, 40), random.integers(0, ITEMS - 1, 40)]), axis=1)
        graph = InteractionGraph(*self.pairs, users=USERS, items=ITEMS)
        model_options = {name: options.pop(name) for name in ("fusion", "fusion_options", "dtype") if name in options}
        self.model = MetaMMF(
            USERS,
            features,
            objective,
            presence=presence,
            item_frequency=np.bincount(self.pairs[1], minlength=ITEMS) + 1,
            encoder=encoder,
            encoder_options={**({} if encoder in WITHOUT_GRAPH else {"graph": graph}), **options},
            id_units=5,
            standardize=False,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=3),
            **({"fusion": None} | model_options),
        )
        for weight in self.model.encoder.trainable_weights:
            weight.assign(random.normal(size=weight.shape) * 0.7)
        self.features = {
            name: values * presence.get(name, np.ones(ITEMS))[:, None] for name, values in features.items()
        }

    @property
    def towers(self) -> tuple[np.ndarray, np.ndarray]:
        """Tower outputs of users and items."""
        items = self.model._represent_items(tf.range(ITEMS, dtype=tf.int64), training=False)
        return self.model.user_tower(tf.range(USERS)).numpy(), items.numpy()

    @property
    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """What the model gives for all users and items."""
        users, items = self.model.embeddings()
        return users.numpy(), items.numpy()

    @property
    def interactions(self) -> np.ndarray:
        """The training interactions, 0 or 1, ``[users, items]``."""
        matrix = np.zeros((USERS, ITEMS))
        matrix[tuple(self.pairs)] = 1
        return matrix

    def lightgcn(self, layers: int, interactions: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """LightGCN of the tower outputs."""
        found = self.interactions if interactions is None else interactions
        square = np.block([[np.zeros((USERS, USERS)), found], [found.T, np.zeros((ITEMS, ITEMS))]])
        roots = np.sqrt(np.maximum(square.sum(axis=1), 1e-30))
        nodes = [np.concatenate(self.towers)]
        for _ in range(layers):
            nodes.append(square / roots[:, None] / roots @ nodes[-1])
        mean = np.mean(nodes, axis=0)
        return mean[:USERS], mean[USERS:]

    def weight(self, name: str) -> np.ndarray:
        """A weight of the encoder by the last parts of its name."""
        weights = self.model.encoder.weights
        (found,) = [weight for weight in weights if f"/{weight.name}".endswith(f"/{name}:0")]
        return found.numpy().astype(np.float64)

    @property
    def batch(self) -> dict[str, tf.Tensor]:
        """Three interactions with two negatives each."""
        return {
            "user": tf.constant([0, 3, 11], tf.int64),
            "item": tf.constant([1, 5, 1], tf.int64),
            "negative": tf.constant([[2, 8], [5, 0], [7, 3]], tf.int64),
        }


@pytest.fixture
def make_case() -> Callable[..., PeerCase]:
    """Makes a case: ``make_case(encoder, objective, **encoder_options)``."""
    return lambda encoder, objective=None, **options: PeerCase(encoder, objective or BPR(), **options)


@pytest.fixture
def nearest() -> Callable[[np.ndarray, int], np.ndarray]:
    """From features to the cosines of the k most similar items of each, 0 elsewhere and where negative."""

    def matrix(values: np.ndarray, k: int) -> np.ndarray:
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        unit = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
        cosines = unit @ unit.T
        kept = np.zeros_like(cosines)
        for row, order in enumerate(np.argsort(-cosines, axis=1, kind="stable")[:, :k]):
            kept[row, order] = np.maximum(cosines[row, order], 0)
        return kept

    return matrix


@pytest.fixture
def symmetric() -> Callable[[np.ndarray], np.ndarray]:
    """``D^-1/2 S D^-1/2``."""

    def matrix(similarity: np.ndarray) -> np.ndarray:
        sums = similarity.sum(axis=1)
        roots = np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0)
        return similarity * roots[:, None] * roots

    return matrix
