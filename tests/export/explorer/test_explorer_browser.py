"""The page in a real browser: what is on the screen is what the client says, and the console stays empty."""

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from stand_in_server import StandInServer

from tf_metammf.export.client import Client
from tf_metammf.export.retries import Retries

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium; apt-get install chromium")

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium) -> Iterator[Any]:
    """Opens a page in a new tab; at the end its console has to be empty."""
    opened, said = [], []

    def tab(page: Any, *, expects_failures: bool = False, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": 1200, "height": 900}, **options)
        view = context.new_page()
        if not expects_failures:
            view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.goto(page.address)
        opened.append(context)
        return view

    yield tab
    for context in opened:
        context.close()
    assert [text for text in said if "GL Driver" not in text] == []


@pytest.fixture
def tab(open_tab, page) -> Any:
    return open_tab(page)


@pytest.fixture(scope="module")
def recommender(version) -> Client:
    return Client(version)


def base(page) -> str:
    return page.address.partition("/?")[0]


def names(view, region: str) -> list[str]:
    """Names of the cards of a list, as they stand on the screen."""
    cards = view.get_by_role("list", name=region, exact=True)
    cards.locator(".card").first.wait_for()
    return cards.locator(".card-name").all_inner_texts()


def shown(ids: list[str], titles: dict[str, str]) -> list[str]:
    """What stands on the screen for ids: white space is collapsed there."""
    return [re.sub("[ \t\n]+", " ", titles.get(raw, raw)).strip() for raw in ids]


@pytest.fixture(scope="module")
def titled(catalogue) -> dict[str, str]:
    return {"7": "Seven", catalogue.item_ids[8]: "<img src=x onerror=alert(1)>"}


def test_a_person_is_found_by_typing_and_by_keyboard_alone(tab, page, recommender, titled):
    tab.get_by_role("combobox", name="Find a user").wait_for()
    tab.keyboard.press("/")
    tab.keyboard.type("user 12")
    tab.get_by_role("option").first.wait_for()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    expected = recommender.recommend(["user 12"], 20)[0]
    assert names(tab, "Recommendations for user 12") == shown(expected.item_ids, titled)
    scores = tab.locator(".grid .score").all_inner_texts()
    assert scores == [f"{score:.3f}" for score in expected.scores]
    assert tab.url == f"{base(page)}/people?user=user+12"
    tab.get_by_label(f"Leave {shown(expected.item_ids, titled)[0]} out", exact=True).click()
    tab.get_by_text("Left out:").wait_for()
    again = recommender.recommend(["user 12"], 20, exclude=[expected.item_ids[:1]])[0]
    assert names(tab, "Recommendations for user 12") == shown(again.item_ids, titled)
    tab.go_back()
    tab.get_by_text("Left out:").wait_for(state="detached")
    tab.get_by_label("Places").fill("5")
    tab.get_by_label("Places").press("Enter")
    tab.wait_for_url("**k=5**")
    tab.locator(".grid .card").nth(5).wait_for(state="detached")
    assert names(tab, "Recommendations for user 12") == shown(expected.item_ids[:5], titled)


def test_a_title_with_markup_is_text(tab, page, catalogue, titled):
    tab.goto(f"{base(page)}/video?id={catalogue.item_ids[8]}")
    tab.get_by_role("heading", name=titled[catalogue.item_ids[8]]).wait_for()
    assert tab.locator("main img[src='x']").count() == 0


@pytest.mark.parametrize("user", ['"><b>', "👩‍👩‍👧‍👦", "x" * 4000])
def test_any_id_can_be_asked_for(tab, page, user):
    field = tab.get_by_role("combobox", name="Find a user")
    field.fill(user)
    field.press("Enter")
    tab.get_by_text("The model does not know this user").wait_for()
    assert tab.get_by_role("combobox", name="Find a user").input_value() == user
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_two_models_are_drawn_as_a_slope(tab, page, recommender, titled):
    tab.goto(f"{base(page)}/compare?user=7&k=10")
    left = tab.locator(".slope-side.first .slope-name")
    left.first.wait_for()
    assert left.all_inner_texts() == shown(recommender.recommend(["7"], 10)[0].item_ids, titled)
    rows = page.get("/api/slope", user="7", k=10)["rows"]
    assert tab.locator(".slope-lines path").count() == len(rows)
    numbers = tab.locator(".result .tiles b").all_inner_texts()
    shared = [row for row in rows if row["first"] and row["second"]]
    assert int(numbers[0]) == len(shared)
    tab.get_by_role("heading", name="Over all users").wait_for()
    overlap = page.when_there("/api/compare")["agreement"]["overlap"]["20"]
    tab.get_by_text(f"{100 * overlap:.1f} %").first.wait_for()


def test_a_persona_grows_by_clicks(tab, page, recommender, titled):
    tab.get_by_role("link", name="Persona").click()
    tab.get_by_role("heading", name="Popular").wait_for()
    tab.locator(".grid .card-actions button").first.click()
    tab.get_by_role("heading", name="Would be shown").wait_for()
    chosen = tab.evaluate("() => new URLSearchParams(location.search).getAll('item')")
    expected = recommender.recommend_for_history([chosen], 20)[0]
    assert names(tab, "Recommendations for the persona") == shown(expected.item_ids, titled)


def test_a_video_tells_for_whom_and_what_if(tab, page, catalogue, recommender):
    raw = catalogue.item_ids[20]
    tab.goto(f"{base(page)}/video?id={raw}")
    table = tab.get_by_role("region", name="Places for users")
    table.wait_for()
    features, presence = next(iter(catalogue.model.item_features.blocks(len(catalogue.item_ids))))
    present = {name: values.numpy()[20:21] for name, values in features.items() if presence[name].numpy()[20]}
    found = page.when_there("/api/for-whom", id=raw)
    suggested = page.get("/api/features", id=raw)["users"]
    users = list(dict.fromkeys([*(user["id"] for user in found["users"][:6]), *suggested]))[:8]
    ranks = recommender.place_of_new_items(users, present).ranks[:, 0]
    assert table.locator("tbody tr td:nth-child(2) b").all_inner_texts() == [f"{rank:,}" for rank in ranks]
    assert tab.locator("section", has_text="Who would be shown it").locator("li").count() == len(found["users"])


def test_a_new_video_out_of_a_file_has_its_place(tab, page, catalogue, recommender, tmp_path):
    new = catalogue.new_items(1)
    np.save(tmp_path / "visual.npy", new["visual"])
    (tmp_path / "acoustic.csv").write_text(",".join(map(str, new["acoustic"][0])), encoding="utf-8")
    tab.goto(f"{base(page)}/new")
    tab.locator("#feature-files").set_input_files([tmp_path / "visual.npy", tmp_path / "acoustic.csv"])
    table = tab.get_by_role("region", name="Places for users")
    table.wait_for()
    users = page.get("/api/features", id="")["users"]
    expected = recommender.place_of_new_items(users, new).ranks[:, 0]
    assert table.locator("tbody tr td b").all_inner_texts() == [f"{rank:,}" for rank in expected]
    tab.locator("#feature-files").set_input_files({"name": "visual.npy", "mimeType": "", "buffer": b"nothing"})
    tab.get_by_text("visual.npy is not a .npy file").wait_for()
    tab.locator("#feature-files").set_input_files({"name": "clip.mp4", "mimeType": "", "buffer": b"nothing"})
    tab.get_by_text("This model takes no clips here").wait_for()


def test_the_map_is_searched_and_selected(tab, page, catalogue):
    tab.goto(f"{base(page)}/map?space=kernels&by=cold&q=seven")
    tab.get_by_role("heading", name="With “seven”").wait_for()
    assert names(tab, "Selected videos") == ["Seven"]
    tab.get_by_role("button", name="Clear").click()
    tab.get_by_role("list", name="Selected videos").wait_for(state="detached")
    tab.locator("canvas").focus()
    tab.keyboard.press("s")
    tab.get_by_role("heading", name=f"Selected {len(catalogue.item_ids)}").wait_for()
    box = tab.locator("canvas").bounding_box()
    tab.get_by_role("button", name="Lasso").click()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    for number, (across, down) in enumerate(corners):
        tab.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if number == 0:
            tab.mouse.down()
    tab.mouse.up()
    tab.get_by_role("heading", name="Selected").wait_for()


def test_health_shows_the_numbers_and_their_files(tab, page):
    tab.get_by_role("link", name="Health").click()
    found = page.when_there("/api/health")
    tab.locator(".plot").first.wait_for()
    assert tab.locator(".plot").count() == len(found["plots"])
    tiles = tab.locator(".tiles").first.locator("b").all_inner_texts()
    assert tiles[1] == f"{found['models'][0]['gini']:.2f}"
    with tab.expect_download() as download:
        tab.get_by_label("Coverage as CSV").click()
    assert download.value.suggested_filename == "tf-metammf-coverage.csv"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_view_in_its_width(open_tab, page, scheme):
    tab = open_tab(page, color_scheme=scheme, is_mobile=True)
    tab.set_viewport_size({"width": 390, "height": 844})
    for path in ("people?user=7", "compare?user=7", "persona?item=7", "video?id=7", "new", "map", "health"):
        tab.goto(f"{base(page)}/{path}")
        tab.get_by_role("heading", level=1).wait_for()
        tab.locator(".waiting, progress, .placeholder").first.wait_for(state="detached")
        assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path


def test_every_control_has_a_name(tab, page):
    for path in ("people?user=7", "compare?user=7", "persona?item=7", "video?id=7", "new", "map", "health"):
        tab.goto(f"{base(page)}/{path}")
        tab.locator(".waiting, progress, .placeholder").first.wait_for(state="detached")
        nameless = tab.evaluate(
            """() => [...document.querySelectorAll("a, button, input, select, canvas")].filter((element) =>
            element.checkVisibility() && !(element.getAttribute("aria-label") || element.innerText?.trim()
            || element.labels?.length || element.title)).map((element) => element.outerHTML)"""
        )
        assert nameless == [], path


def test_a_model_server_that_dies_is_told_until_it_returns(open_tab, open_page, version, record_set):
    with StandInServer(version.parent) as server:
        port = server.rest_port
        page = open_page(
            Client(f"http://127.0.0.1:{port}", timeout=60, retries=Retries(1, first=0.01)), records=record_set
        )
        tab = open_tab(page, expects_failures=True)
        tab.goto(f"{base(page)}/people?user=7")
        tab.locator(".grid .score").first.wait_for()
    tab.get_by_label("Places").fill("4")
    tab.get_by_label("Places").press("Enter")
    tab.get_by_role("button", name="Try again").wait_for()
    with StandInServer(version.parent, rest_port=port):
        tab.get_by_role("button", name="Try again").click()
        tab.locator(".banner").wait_for(state="hidden")
        tab.locator(".grid .score").nth(3).wait_for()
        assert tab.locator(".grid .score").count() == 4


def test_an_export_that_is_replaced_is_shown_with_a_word(open_tab, open_page, version, other_version, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(version, folder / "1")
    page = open_page(folder)
    tab = open_tab(page)
    tab.goto(f"{base(page)}/people?user=7&k=3")
    tab.locator(".grid .score").nth(2).wait_for()
    shutil.copytree(other_version, tmp_path / "aside")
    (tmp_path / "aside").rename(folder / "2")
    tab.get_by_text("A newer version is shown now: models 2.").wait_for()
    expected = Client(other_version).recommend(["7"], 3)[0]
    assert names(tab, "Recommendations for 7") == shown(expected.item_ids, {})


def test_the_map_in_view_becomes_a_picture(tab, page):
    tab.goto(f"{base(page)}/map")
    tab.locator(".map-legend .strip").wait_for()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="What is in view as PNG").click()
    assert download.value.path().read_bytes()[:4] == b"\x89PNG"
