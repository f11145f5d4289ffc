"""Media, titles, replaced exports and servers that are gone."""

import shutil
import signal
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest
from preloaded_process import PreloadedProcess
from stand_in_server import StandInServer

from tf_metammf.baselines.popularity import Popularity
from tf_metammf.commands.main import main
from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.asked_model import ModelSource
from tf_metammf.explorer.item_table import read_item_table
from tf_metammf.explorer.media import Media
from tf_metammf.export.client import Client
from tf_metammf.export.retries import Retries
from tf_metammf.export.saved_model import export_model


def test_files_of_items_are_served_and_no_others(page, catalogue, media):
    status, headers, content = page.request("/media/picture?id=" + catalogue.item_ids[8].replace(" ", "%20"))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert content == (media / f"{catalogue.item_ids[8]}.png").read_bytes()
    assert page.request("/media/picture?id=quote%22")[2] == b"jpeg"
    for frame in range(3):
        found = page.request(f"/media/frame?id={catalogue.item_ids[9].replace(' ', '%20')}&frame={frame}")
        assert found[2][-1] == frame
    for raw in ("notes", "notes.txt", "..", "../titles", "/etc/passwd", catalogue.item_ids[10].replace(" ", "%20")):
        assert page.request(f"/media/picture?id={raw}")[0] == 404, raw
    assert page.request("/media/file?id=7")[0] == 404


def test_a_link_that_is_put_there_later_leads_nowhere(tmp_path):
    folder, outside = tmp_path / "media", tmp_path / "secret.png"
    folder.mkdir()
    outside.write_bytes(b"secret")
    (folder / "a.png").write_bytes(b"picture")
    media = Media(folder)
    assert media.file("a", "picture") == folder / "a.png"
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(outside)
    assert media.file("a", "picture") is None


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match="is not a folder"):
        Media(tmp_path / "nothing")


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_titles_and_kinds_are_read_as_text(tmp_path, suffix):
    mark = "," if suffix == ".csv" else "\t"
    path = tmp_path / f"titles{suffix}"
    rows = [["language", "video_id", "Title"], ["de", "007", "Käse"], ["", "7", ""]]
    path.write_text("".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    table = read_item_table(path)
    assert table.titles == {"007": "Käse"}
    assert table.columns == {"language": {"007": "de"}}
    with pytest.raises(InvalidInputError, match="is not a table"):
        read_item_table(tmp_path / "titles.txt")


def source(address) -> ModelSource:
    return ModelSource(address, name="model", records=None, surveyed_users=10)


def test_an_export_that_is_replaced_is_asked_anew(version, other_version, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(version, folder / "1")
    found = source(folder)
    before = found.current.client.recommend(["7"], 5)
    assert (found.current.version, found.reload_if_replaced()) == ("1", False)
    shutil.copytree(other_version, folder / "2")
    shutil.rmtree(folder / "1")
    assert found.reload_if_replaced() and found.current.version == "2"
    after = found.current.client.recommend(["7"], 5)[0]
    assert list(after.item_ids) != list(before[0].item_ids)
    (folder / "3").mkdir()
    (folder / "3" / "saved_model.pb").write_bytes(b"damaged")
    assert not found.reload_if_replaced() and found.current.version == "2"
    shutil.rmtree(folder)
    assert not found.reload_if_replaced() and found.current.client.recommend(["7"], 5)[0].item_ids == after.item_ids


def test_a_server_that_dies_is_told_and_is_asked_again_when_it_returns(open_page, version, record_set, catalogue):
    with StandInServer(version.parent) as server:
        port = server.rest_port
        page = open_page(
            Client(f"http://127.0.0.1:{port}", timeout=60, retries=Retries(1, first=0.01)), records=record_set
        )
        expected = page.get("/api/person", user="7", k=5)
        assert expected["watched"] > 0 and len(expected["recommended"]) == 5
        assert page.get("/api/about")["models"][0]["spaces"] == []
        assert page.get("/api/search", kind="user", q="7")["found"][0]["id"] == "7"
    status, _, content = page.request("/api/person?user=7")
    assert status == 503 and b"error" in content
    with StandInServer(version.parent, rest_port=port):
        assert page.get("/api/person", user="7", k=5) == expected


def test_the_command_prints_an_address_that_answers_and_ends_when_interrupted(version, tmp_path):
    out = tmp_path / "out"
    process = PreloadedProcess(["explore", "--model", version, "--port", "0"], out=out)
    try:
        while not (out.is_file() and "\n" in (printed := out.read_text())):
            assert process.poll() is None
            time.sleep(0.05)
        address = urlsplit(printed.removeprefix("Open ").strip())
        assert address.hostname == "127.0.0.1"
        connection = HTTPConnection(address.netloc)
        connection.request("GET", f"{address.path}?{address.query}")
        assert connection.getresponse().status == 303
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "missing: model, or endpoint"),
        (["--model", "nowhere"], "nowhere"),
        (["--model", "nowhere", "--host", "0.0.0.0"], "--token"),
        (["--model", "nowhere", "--token", "short"], "at least 16"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "a", "b"], "expected one with --endpoint"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    assert main(["explore", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


ROUTES = (
    "/api/about",
    "/api/search?kind=user",
    "/api/search?kind=item",
    "/api/person?user=7",
    "/api/persona?item=7",
    "/api/video?id=7",
    "/api/for-whom?id=7",
    "/api/features?id=7",
    "/api/health",
    "/api/map/find?q=7",
)


def without_failing(page) -> None:
    """Every answer is there, or says why it is not."""
    for route in ROUTES:
        assert page.request(route)[0] == 200, route
    page.when_there("/api/health")
    assert page.request("/api/health/lorenz.csv")[0] == 200
    for route in ("/api/slope?user=7", "/api/compare"):
        status, _, content = page.request(route)
        assert status == 400 and b"--model twice" in content
    assert page.get("/api/about")["models"][0]["spaces"] == []
    assert "has no map" in page.get("/api/map")["error"]


def test_a_server_alone_is_shown_as_far_as_it_tells(open_page, version):
    with StandInServer(version.parent) as server:
        page = open_page(Client(f"http://127.0.0.1:{server.rest_port}", timeout=60))
        without_failing(page)
        assert len(page.get("/api/person", user="7", k=4)["recommended"]) == 4


def test_a_baseline_is_shown_without_a_map(open_page, catalogue, tmp_path):
    counts = np.bincount(catalogue.seen[1], minlength=len(catalogue.item_ids))
    ids = {"user_ids": catalogue.user_ids, "item_ids": catalogue.item_ids, "seen": catalogue.seen}
    page = open_page(export_model(Popularity(counts), tmp_path / "popular", **ids))
    without_failing(page)
    best, *_ = page.get("/api/person", user="nobody", k=4)["recommended"]
    assert best["popularity_rank"] == 1
    assert page.get("/api/video", id="7")["no_similar"] == "This model compares no videos."
