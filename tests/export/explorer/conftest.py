"""The explorer over the small catalogue: its export, another model of it, its record set, titles and media."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import pytest

from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
from tf_metammf.records.writer import write_record_set

HOSTILE = "<img src=x onerror=alert(1)>"
TITLED = "7"


@dataclass
class Page:
    """The explorer at an address, asked as a browser asks it, or otherwise."""

    address: str
    token: str

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def request(
        self, path: str, *, method: str = "GET", body: bytes | None = None, token: bool = True, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body."""
        connection = HTTPConnection(self.host, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        connection.close()
        return found

    def get(self, path: str, **parameters: Any) -> Any:
        """What a route answers, as JSON."""
        status, _, content = self.request(f"{path}?{urlencode(parameters, doseq=True, quote_via=quote)}")
        assert status == 200, content
        return json.loads(content)

    def post(self, path: str, content: Any, **parameters: Any) -> tuple[int, Any]:
        """Status and JSON that a route answers."""
        status, _, answer = self.request(
            f"{path}?{urlencode(parameters)}",
            method="POST",
            body=json.dumps(content).encode(),
            Content_Type="application/json",
        )
        return status, json.loads(answer)

    def when_there(self, path: str, **parameters: Any) -> Any:
        """What a route answers once it is computed."""
        while "progress" in (found := self.get(path, **parameters)):
            assert not found["error"], found
            time.sleep(0.05)
        return found


@pytest.fixture(scope="session")
def record_set(catalogue, tmp_path_factory) -> Path:
    """The record set of the catalogue."""
    features = {}
    for name, values in catalogue.features.items():
        present = np.concatenate([block[1][name].numpy() for block in catalogue.model.item_features.blocks(64)])
        rows = np.where(present, np.arange(len(values)), -1)
        features[name] = ModalityFeatures(values, rows)
    seen = Interactions(catalogue.seen[0].astype(np.int64), catalogue.seen[1].astype(np.int64))
    none = seen.take(np.zeros(0, np.int64))
    data = RawData("catalogue", catalogue.user_ids, catalogue.item_ids, seen, features)
    target = tmp_path_factory.mktemp("records") / "catalogue"
    write_record_set(data, {"train": seen, "validation": none, "test": none}, target)
    return target


@pytest.fixture(scope="session")
def other_version(make_catalogue, tmp_path_factory) -> Path:
    """An export of another model of the same catalogue, without a fusion."""
    return make_catalogue(fusion=None).export(tmp_path_factory.mktemp("other") / "models")


@pytest.fixture(scope="session")
def titles(catalogue, tmp_path_factory) -> Path:
    """Titles of two items, one of them hostile, and a kind of each item."""
    path = tmp_path_factory.mktemp("titles") / "titles.csv"
    lines = ["item,Title,theme"]
    for number, raw in enumerate(catalogue.item_ids[8:], 8):
        lines.append(f"{raw},{HOSTILE if number == 8 else ''},{'even' if number % 2 == 0 else 'odd'}")
    lines.append(f"{TITLED},Seven,odd")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def media(catalogue, tmp_path_factory) -> Path:
    """A picture of one item, frames of another, and a link that leads out."""
    folder = tmp_path_factory.mktemp("media")
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    secret.write_bytes(b"secret")
    (folder / f"{catalogue.item_ids[8]}.png").write_bytes(PNG)
    (folder / quote('quote"', safe="")).with_suffix(".jpg").write_bytes(b"jpeg")
    (folder / catalogue.item_ids[9]).mkdir()
    for frame in range(3):
        (folder / catalogue.item_ids[9] / f"{frame}.png").write_bytes(PNG + bytes([frame]))
    (folder / f"{catalogue.item_ids[10]}.png").symlink_to(secret)
    (folder / "notes.txt").write_text("private", encoding="utf-8")
    return folder


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)


@pytest.fixture(scope="session")
def open_page() -> Iterator[Callable[..., Page]]:
    """Serves the page over a workspace with the given options, until the end."""
    from tf_metammf.explorer import projection
    from tf_metammf.explorer.server import ExplorerServer
    from tf_metammf.explorer.workspace import Workspace, WorkspaceOptions

    running = []
    patch = pytest.MonkeyPatch()
    patch.setattr(projection, "find_spec", lambda name: None)  # principal components: t-SNE takes seconds

    def serve(*models: Any, **options: Any) -> Page:
        server = ExplorerServer(Workspace(WorkspaceOptions(list(models), **options)))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        return Page(server.address, server.token)

    yield serve
    for server, _ in running:
        server.stop()
    for _, thread in running:
        thread.join(timeout=30)  # a thread that TensorFlow holds back must not hold back the whole run
    patch.undo()


@pytest.fixture(scope="session")
def page(open_page, version, other_version, record_set, titles, media) -> Page:
    """The page over two models, with everything there is."""
    return open_page(version, other_version, records=record_set, titles=titles, media=media)
