"""A small catalogue with every oddity, a model of it, and its export."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from package_parts import WITHOUT_GRAPH
from server_process import ServerProcess, real_server
from stand_in_server import StandInServer

from tf_metammf.export.client import Client
from tf_metammf.export.indices import IndexOptions
from tf_metammf.export.reranking_options import RerankingOptions
from tf_metammf.export.saved_model import export_model
from tf_metammf.features.content_directions import content_directions
from tf_metammf.graphs.interaction_graph import InteractionGraph
from tf_metammf.model import MetaMMF
from tf_metammf.objectives.objectives import BPR

USERS, ITEMS, K = 21, 200, 3
WIDTHS = {"acoustic": 4, "visual": 6}
SAW_EVERYTHING, SAW_NOTHING = 1, 20
ODD_IDS = [" leading space", "tab\tinside", "käse", "line\u2028separator", "7", "07", 'quote"', "[markup]"]


@dataclass(frozen=True)
class Catalogue:
    """A model with its ids and data, and what NumPy makes of them."""

    model: MetaMMF
    features: dict[str, np.ndarray]
    user_ids: list[str]
    item_ids: list[str]
    seen: tuple[np.ndarray, np.ndarray]

    def new_items(self, count: int) -> dict[str, np.ndarray]:
        """Features of items that are not in the catalogue, float32 [count, width] by modality."""
        random = np.random.default_rng(6)
        return {name: random.normal(2, 3, (count, width)).astype(np.float32) for name, width in WIDTHS.items()}

    @cached_property
    def scores(self) -> np.ndarray:
        """float64 [users, items]; a user without training items has the popularity of the items instead."""
        users, items = self.model.user_embeddings().numpy(), self.model.item_embeddings().numpy()
        scores = users.astype(np.float64) @ items.astype(np.float64).T
        scores[self.untrained] = self.popularity
        return scores

    @cached_property
    def untrained(self) -> np.ndarray:
        """bool [users]: users without training items."""
        return np.bincount(self.seen[0], minlength=USERS) == 0

    @cached_property
    def unseen_scores(self) -> np.ndarray:
        """The same with -inf for training items."""
        scores = self.scores.copy()
        scores[self.seen] = -np.inf
        return scores

    @cached_property
    def popularity(self) -> np.ndarray:
        """Share of the training interactions, float64 [items]."""
        return np.bincount(self.seen[1], minlength=ITEMS) / len(self.seen[1])

    def best(self, scores: np.ndarray, k: int) -> tuple[list[str], np.ndarray]:
        """Ids and scores of the k best items, "" and -inf where no more are left."""
        order = np.argsort(-scores, kind="stable")[:k]
        return [self.item_ids[item] if scores[item] > -np.inf else "" for item in order], scores[order]

    def export(self, output: Path, **options: Any) -> Path:
        """Exports with ``K`` places unless told otherwise."""
        known = {"user_ids": self.user_ids, "item_ids": self.item_ids, "seen": self.seen, "k": K}
        return export_model(self.model, output, **(known | options))


def new_catalogue(**options: Any) -> Catalogue:
    random = np.random.default_rng(5)
    features = {name: random.normal(2, 3, (ITEMS, width)).astype(np.float32) for name, width in WIDTHS.items()}
    pairs = [(user, item) for user in range(USERS - 1) for item in random.choice(ITEMS - 20, 10, replace=False)]
    pairs += [(SAW_EVERYTHING, item) for item in range(ITEMS)]
    pairs = random.permutation(np.unique(pairs, axis=0))
    keras.utils.set_random_seed(3)
    if options.get("encoder", "mf") not in WITHOUT_GRAPH:
        graph = InteractionGraph(pairs[:, 0], pairs[:, 1], users=USERS, items=ITEMS)
        options["encoder_options"] = {"graph": graph}
    settings = {"fusion_options": {"units": (8, 5), "meta_units": 3, "rank": 2}, "id_units": 4}
    model = MetaMMF(
        USERS,
        features,
        BPR(),
        presence={name: random.random(ITEMS) > 0.1 for name in WIDTHS},
        item_frequency=np.bincount(pairs[pairs[:, 0] != SAW_EVERYTHING, 1], minlength=ITEMS),
        embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=4),
        **(settings | options),
    )
    if model.item_tower.fusion is not None:
        stand_ins = model.item_tower.missing_modalities.stand_ins
        stand_ins.assign(random.normal(size=stand_ins.shape))
    return Catalogue(model, features, raw_ids("user", USERS), raw_ids("item", ITEMS), (pairs[:, 0], pairs[:, 1]))


def raw_ids(kind: str, count: int) -> list[str]:
    return [*ODD_IDS, *(f"{kind} {number}" for number in range(len(ODD_IDS), count))]


@pytest.fixture(scope="session")
def make_catalogue() -> Callable[..., Catalogue]:
    """Makes the catalogue with another model; takes the arguments of MetaMMF."""
    return new_catalogue


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return new_catalogue()


@pytest.fixture(scope="session")
def version(catalogue, tmp_path_factory) -> Path:
    """A version directory."""
    return catalogue.export(tmp_path_factory.mktemp("export") / "models")


@pytest.fixture(scope="session")
def partitioned_version(catalogue, tmp_path_factory) -> Path:
    """A version directory with a partitioned index."""
    return catalogue.export(tmp_path_factory.mktemp("partitioned") / "models", index=IndexOptions("partitioned", 0.9))


@pytest.fixture(scope="session")
def reranked_version(catalogue, tmp_path_factory) -> Path:
    """A version directory with five places out of 30 candidates, diverse by content and less popular."""
    content = content_directions(catalogue.model.item_features)
    options = RerankingOptions(diversity=0.3, popularity_discount=0.5, candidates=30, content=content)
    return catalogue.export(tmp_path_factory.mktemp("reranked") / "models", k=5, reranking=options)


@pytest.fixture(scope="session")
def signatures(version) -> Any:
    """The signatures of the loaded export."""
    return tf.saved_model.load(str(version)).signatures


@pytest.fixture(scope="module")
def stand_in(version) -> Iterator[StandInServer]:
    """A server of the version, in this process, on sockets of loopback."""
    with StandInServer(version.parent) as server:
        yield server


SERVERS = ("stand-in", "tensorflow_model_server") if real_server() else ("stand-in",)
SERVED = [f"{scheme} {server}" for server in SERVERS for scheme in ("http", "grpc")]


@pytest.fixture(scope="module")
def real_process(version) -> Iterator[ServerProcess]:
    """The real server of the version, where there is one."""
    with ServerProcess(real_server(), version.parent) as process:
        yield process


def served(request: pytest.FixtureRequest) -> str:
    scheme, server = request.param.split()
    return request.getfixturevalue("stand_in" if server == "stand-in" else "real_process").endpoint(scheme)


@pytest.fixture(scope="module", params=SERVED)
def server_address(request) -> str:
    """The address of a server of the version."""
    return served(request)


@pytest.fixture(scope="module", params=["folder", *SERVED])
def address(request, version) -> str:
    """The folder of the version, or the address of a server of it."""
    return str(version.parent) if request.param == "folder" else served(request)


@pytest.fixture(scope="module")
def client(address) -> Iterator[Client]:
    """A client of the version, wherever it is."""
    with Client(address) as client:
        yield client
