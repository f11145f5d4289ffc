"""Routes are given malformed requests: they answer, and never fail."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

ODD = [
    "",
    '"',
    "'; DROP TABLE videos; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "..\\..\\secret",
    "%2e%2e%2f",
    "\0",
    "\r\nSet-Cookie: a=b",
    "👩‍👩‍👧‍👦" * 500,
    "x" * 9000,
    "‮abc",
    "-1",
    "1e9",
    "9" * 400,
    "NaN",
]
ROUTES = {
    "/api/search": ("kind", "q", "model"),
    "/api/person": ("user", "k", "exclude", "seen", "model"),
    "/api/persona": ("item", "k", "model"),
    "/api/video": ("id", "model"),
    "/api/for-whom": ("id", "k"),
    "/api/slope": ("user", "k", "first", "second"),
    "/api/features": ("id", "model"),
    "/api/map": ("space", "model"),
    "/api/map/points": ("space",),
    "/api/map/colours": ("by", "space"),
    "/api/map/find": ("q", "model"),
    "/media/picture": ("id", "frame"),
    "/media/frame": ("id", "frame"),
}
BODIES = [
    b"",
    b"[",
    b"[]",
    b"null",
    b"{}",
    b'{"variants": 7}',
    b'{"variants": [7]}',
    b'{"variants": [{"modalities": {"visual": {"values": ["a"]}}}]}',
    b'{"variants": [{"modalities": {"visual": {"values": [1e999]}}}], "users": ["7"]}',
    b'{"variants": [{"modalities": {"<b>": {"values": [1]}}}]}',
    b'{"variants": [{"modalities": {"visual": {"values": [1, 2]}}}], "users": ["7"]}',
    b'{"variants": [{"modalities": {"visual": {"item": "nobody"}}}]}',
    b'{"variants": [{"modalities": {}}], "users": [1]}',
    b'{"numbers": [-1]}',
    b'{"numbers": [true]}',
    b'{"numbers": [1.5]}',
    b'{"numbers": "1"}',
    b'{"a": ' + b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("route", ROUTES)
def test_odd_parameters_are_answered(page, route):
    for name in ROUTES[route]:
        for value in ODD:
            status, headers, content = page.request(f"{route}?{name}={quote(value, safe='')}")
            assert status in (200, 400, 404, 409), (name, value[:40], content)
            assert "set-cookie" not in headers
            if headers["content-type"] == "application/json":
                json.loads(content)


def test_bytes_that_are_no_text_are_answered(page):
    for value in ("%ff%fe", "%ed%a0%80", "%c0%af", "%"):
        assert page.request(f"/api/person?user={value}")[0] in (200, 400)


@pytest.mark.parametrize("route", ["/api/place", "/api/map/items"])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_odd_bodies_are_mistakes_not_failures(page, route, body):
    status, _, content = page.request(route, method="POST", body=body, Content_Type="application/json")
    assert status in (200, 400), content
    assert "error" in json.loads(content) or status == 200


def test_an_id_of_4000_characters_comes_back_as_it_is(page):
    for raw in ("é" * 4000, "👍" * 4000):
        found = page.get("/api/person", user=raw)
        assert (found["user"], found["known"]) == (raw, False)


def test_other_methods_are_refused(page):
    for path in ("/api/about", "/api/person", "/people", "/static/app.js"):
        assert page.request(path, method="DELETE")[0] == 405


def test_twenty_people_at_once_get_what_one_gets(page, catalogue):
    users = catalogue.user_ids[:20]
    alone = [page.get("/api/person", user=user, k=5) for user in users]
    with ThreadPoolExecutor(20) as crowd:
        together = list(crowd.map(lambda user: page.get("/api/person", user=user, k=5), users))
    assert together == alone
