"""Which requests are let in, and what they may ask for."""

import pytest

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.server import check_access

VIEWS = ("/", "/people", "/compare", "/persona", "/video", "/new", "/map", "/health")


@pytest.mark.parametrize("path", [*VIEWS, "/api/about", "/media/picture?id=7"])
def test_nothing_is_answered_without_the_token(page, path):
    status, headers, content = page.request(path, token=False)
    assert status == 401
    assert page.token.encode() not in content
    assert "set-cookie" not in headers


@pytest.mark.parametrize("given", ["", "wrong", "%C3%A9", "%00"])
def test_a_wrong_token_is_no_token(page, given):
    assert page.request(f"/api/about?token={given}", token=False)[0] == 401
    assert page.request("/api/about", token=False, Authorization="Bearer wrong")[0] == 401


def test_the_printed_address_puts_the_token_into_a_cookie_and_out_of_the_address(page):
    status, headers, _ = page.request(f"/people?user=a%26b&token={page.token}", token=False)
    assert (status, headers["location"]) == (303, "/people?user=a%26b")
    cookie = headers["set-cookie"]
    assert "httponly" in cookie.lower() and "samesite=lax" in cookie.lower()
    assert page.request("/people", token=False, Cookie=cookie.partition(";")[0])[0] == 200


def test_the_redirect_stays_on_this_machine(page):
    _, headers, _ = page.request(f"//elsewhere.example/?token={page.token}", token=False)
    assert headers["location"].startswith("/") and not headers["location"].startswith("//")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "elsewhere.example"},
        {"Host": "localhost.elsewhere.example:80"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_requests_of_other_pages_are_refused(page, headers):
    assert page.request("/api/about", **headers)[0] == 403


def test_a_link_from_another_page_opens_this_one(page):
    status, _, _ = page.request("/people", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert status == 200


@pytest.mark.parametrize("path", ["/people", "/api/about", "/static/app.js", "/api/nothing", "/media/picture?id=none"])
def test_every_answer_forbids_what_is_not_of_the_page(page, path):
    _, headers, _ = page.request(path)
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_a_request_that_is_too_large_is_refused(page):
    assert page.request("/api/place", method="POST", body=b"", Content_Length=str(2**40))[0] == 413
    assert page.request("/api/place", method="POST", body=b"{}", Content_Type="text/plain")[0] == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_are_let_in_with_a_token_alone(host):
    with pytest.raises(InvalidInputError, match="--token"):
        check_access(host, None)
    check_access(host, "a token of some length")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_token_but_refuses_a_short_one(host):
    check_access(host, None)
    with pytest.raises(InvalidInputError, match="at least 16"):
        check_access(host, "short")


def test_no_other_file_of_the_package_is_served(page):
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "//etc/passwd"):
        assert page.request(path)[0] == 404, path
