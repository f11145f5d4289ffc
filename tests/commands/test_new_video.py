"""From a new clip to its place in rankings, by the command line alone."""

import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from made_media import NEEDS_AV

from tf_metammf.commands.main import main
from tf_metammf.commands.quickstart_clips import EXTRACTION
from tf_metammf.explorer.server import ExplorerServer
from tf_metammf.explorer.workspace import Workspace, WorkspaceOptions
from tf_metammf.export.client import Client

pytest.importorskip("av", reason=NEEDS_AV)
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The quickstart with few clips and one epoch."""
    folder = tmp_path_factory.mktemp("new_video") / "quickstart"
    words = ["quickstart", "--videos", "--output", str(folder), "--users", "40", "--items", "120", "--epochs", "1"]
    assert main(words) == 0
    return folder


def asked(folder: Path, capsys, *words: str) -> dict:
    capsys.readouterr()
    video = str(folder / "new_clip.mp4")
    assert main(["recommend", "--model", str(folder / "model"), "--new_video", video, "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_clip_of_the_catalogue_is_most_like_itself_and_ranks_as_its_features_do(folder, capsys):
    clip = folder / "clips" / "clips" / "v7.mp4"
    title = next(line for line in (folder / "clips" / "items.csv").read_text().splitlines() if line.startswith("v7,"))
    capsys.readouterr()
    words = ["recommend", "--model", str(folder / "model"), "--new_video", str(clip), "--title", title.split(",")[3]]
    assert main([*words, "--user", "u1", "nobody", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["similar"][0] == "v7" and found["cosines"][0] == pytest.approx(1, abs=1e-4)
    assert found["known"] == [True, False] and 1 <= found["ranks"][0] <= 121
    client = Client(folder / "model")
    assert found["scores"][0] == pytest.approx(float(client.score(["u1"], ["v7"]).scores[0]), abs=1e-4)
    (shares,) = client.explain_items(["v7"])
    assert found["shares"] == pytest.approx(shares.shares, abs=1e-4)


def test_a_new_clip_has_its_place_with_and_without_a_title(folder, capsys):
    with_title = asked(folder, capsys, "--title", "fast fast new big ironically (amber)", "--user", "u0")
    without = asked(folder, capsys, "--user", "u0")
    assert set(with_title["shares"]) == {"visual", "acoustic", "textual"}
    assert without["shares"]["textual"] == 0 and sum(without["shares"].values()) == pytest.approx(1)
    assert with_title["scores"] != without["scores"]


@pytest.fixture
def explorer(folder) -> Iterator[ExplorerServer]:
    """The explorer over the model of the quickstart."""
    server = ExplorerServer(Workspace(WorkspaceOptions([folder / "model"])))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join()


def posted(server: ExplorerServer, path: str, body: bytes, *, kind: str) -> tuple[int, dict]:
    connection = HTTPConnection(urlsplit(server.address).netloc, timeout=120)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": kind}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_the_explorer_places_a_clip_as_the_command_does(folder, explorer, capsys):
    expected = asked(folder, capsys, "--title", "fast new (amber)", "--user", "u0", "u1")
    clip = (folder / "new_clip.mp4").read_bytes()
    path = "/api/clip?name=new_clip.MP4&title=fast+new+%28amber%29"
    status, found = posted(explorer, path, clip, kind="application/octet-stream")
    assert (status, found["problems"]) == (200, {})
    modalities = {name: {"values": values} for name, values in found["features"].items()}
    request = {"variants": [{"modalities": modalities}], "users": ["u0", "u1"]}
    status, placed = posted(explorer, "/api/place", json.dumps(request).encode(), kind="application/json")
    assert status == 200
    assert [user["ranks"] for user in placed["users"]] == [[rank] for rank in expected["ranks"]]
    assert [near["id"] for near in placed["variants"][0]["neighbours"]] == expected["similar"][:12]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("notes.pdf", b"%PDF", "unknown ending"),
        ("../../clip.mp4", b"junk", "no modality could be extracted"),
        ("empty.mp4", b"", "no modality could be extracted"),
    ],
)
def test_the_explorer_refuses_what_is_not_a_clip(explorer, name, body, message):
    status, found = posted(explorer, f"/api/clip?{urlencode({'name': name})}", body, kind="application/octet-stream")
    assert status == 400 and message in found["error"]


def test_answers_are_printed_as_tables_and_a_contact_sheet_is_drawn(folder, capsys):
    words = ["recommend", "--model", str(folder / "model"), "--new_video", str(folder / "new_clip.mp4")]
    assert main([*words, "--user", "u0"]) == 0
    output = capsys.readouterr().out
    assert "modalities: " in output and "most similar: v" in output
    assert (folder / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--new_video", "missing.mp4"], "missing.mp4: does not exist"),
        (["--new_video", __file__], "has an unknown ending"),
        (["--new_video", "x.mp4", "--history", "v1"], "history and new_video are both given"),
        (["--new_video", "x.mp4", "--endpoint", "http://127.0.0.1:1"], "needs the exported folder"),
    ],
)
def test_mistakes_are_named(folder, capsys, words, message):
    assert main(["recommend", "--model", str(folder / "model"), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_model_of_other_features_is_refused(folder, capsys, tmp_path):
    plain = tmp_path / "model"
    shutil.copytree(folder / "model", plain)
    (plain / "1" / "assets.extra" / "extraction.json").unlink()
    (plain / "1" / "assets.extra" / "manifest.json").unlink(missing_ok=True)
    assert main(["recommend", "--model", str(plain), "--new_video", str(folder / "new_clip.mp4")]) == 2
    assert "were not made by records extract" in capsys.readouterr().err


def test_another_encoder_than_that_of_the_data_is_refused(folder, capsys):
    words = ["recommend", "--model", str(folder / "model"), "--new_video", str(folder / "new_clip.mp4")]
    assert main([*words, "--encoder_settings", "{visual: {size: 96}}"]) == 2
    assert "modality visual: its encoder is not that of the model's features" in capsys.readouterr().err


def test_runs_say_what_made_their_features(folder):
    records = json.loads((folder / "metammf" / "records.json").read_text())
    assert records["extraction"]["visual"]["encoder"] == "image_statistics"
    assert "state" not in records["extraction"]["textual"]
    assert records["extraction"]["visual"]["sampling"]["most"] == EXTRACTION["frames"]
    assert np.isfinite(json.loads((folder / "metammf" / "metrics.json").read_text())["test"]["recall@20"])
