"""Who may ask: a token, the name that the page was asked by, and where a request comes from."""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 8 * 2**20
"""Of the body of a request."""

MOST_BYTES_OF = {"/api/clip": 256 * 2**20}
"""Of the body of requests that carry more, by path."""

YEAR = 365 * 24 * 3600

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>tf-metammf explore</title><link rel="stylesheet" href="/static/explorer.css"><body class="locked"><main>
<h1>This page needs its token</h1><p>Open the address that <code>tf-metammf explore</code> printed, or paste the token
at its end here.</p><form method="get"><label>Token <input name="token" autocomplete="off" required></label>
<button>Open</button></form></main></body></html>"""


class Access:
    """Lets through who has the token, from this page itself; everybody else is refused.

    The token is in the query once, ``?token=...``; from then on it is in a cookie that scripts cannot read. A program
    sends ``Authorization: Bearer TOKEN``.

    Args:
        app: What is protected.
        token: The token.
        hosts: Names that the page may be asked by, besides addresses of IP; a page of another site that points its
            own name here is refused by them.
        port: Of the server; it makes the name of the cookie, since cookies do not tell ports apart.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Iterable[str], port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = {host.casefold() for host in hosts}
        self._cookie = f"tf_metammf_explore_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or has the page answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What is answered in the place of the page; None where the request may go on."""
        host = headers.get("host", "")
        if not self._is_own_host(host):
            return _error(403, f"This page is not asked as {host!r}. Use the address that tf-metammf explore printed.")
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.casefold() != host.casefold()
        site = headers.get("sec-fetch-site", "none")
        navigates = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if foreign or (site not in ("same-origin", "none") and not navigates):
            return _error(403, "Requests from other pages are refused.")
        length = headers.get("content-length", "0")
        most = MOST_BYTES_OF.get(scope["path"], MOST_BYTES)
        if not length.isdecimal() or int(length) > most:
            return _error(413, f"The request is larger than {most // 2**20} MiB.")
        if scope["path"].startswith("/static/"):
            return None
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token")
        if given is not None and self._is_token(given) and scope["method"] == "GET":
            return self._without_token(scope)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if self._is_token(bearer) or self._is_token(cookie):
            return None
        if scope["path"].startswith("/api/"):
            return _error(401, "This needs the token. Open the address that tf-metammf explore printed.")
        return HTMLResponse(LOCKED, 401)

    def _without_token(self, scope: Scope) -> Response:
        """Puts the token into the cookie, and takes it out of the address, so that it is not sent on with it."""
        rest = [(name, value) for name, value in _query(scope) if name != "token"]
        # One slash alone: //elsewhere would be the address of another machine.
        path = "/" + scope["raw_path"].decode("latin-1").lstrip("/\\")
        response = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), 303)
        response.set_cookie(self._cookie, self._token, max_age=YEAR, httponly=True, samesite="lax", path="/")
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token.encode())

    def _is_own_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name.casefold() in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(18)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at a host."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names(host: str) -> set[str]:
    """Names that a server at a host may be asked by, besides addresses of IP."""
    return {"localhost"} if is_loopback(host) else {"localhost", host, socket.gethostname(), socket.getfqdn()}


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
