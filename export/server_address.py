"""Addresses of model servers."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from tf_metammf.errors import InvalidInputError

SCHEMES = {"http": None, "https": 443, "grpc": None, "grpcs": 443}
"""Default port by scheme: REST and gRPC, each without and with TLS."""

EXPECTED = "http://HOST:PORT, https://HOST, grpc://HOST:PORT or grpcs://HOST"
"""The forms of an address, for messages."""


@dataclass(frozen=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        url: The address as it was given, for messages.
        scheme: ``http``, ``https``, ``grpc`` or ``grpcs``.
        host: Name or IP address.
        port: Port.
        path: What comes before ``/v1`` in the paths of REST.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def has_tls(self) -> bool:
        """Whether the connection is encrypted and the server shows a certificate."""
        return self.scheme in ("https", "grpcs")

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def authority(self) -> str:
        """``HOST:PORT``, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def server_address(url: str) -> ServerAddress:
    """The parts of an address.

    Raises:
        InvalidInputError: It is not one of the forms in :data:`EXPECTED`, or has a name or password in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unexpected(url) from None
    if parts.username is not None or parts.password is not None:
        # Not quoted here: messages are logged.
        raise InvalidInputError(
            f"endpoint {parts.scheme}://...@{host} has a name or password in it. Give them in a header: "
            "Connection(headers_file=...)."
        )
    port = port or SCHEMES.get(parts.scheme)
    if not host or port is None or parts.scheme not in SCHEMES or parts.query or parts.fragment:
        raise _unexpected(url)
    path = parts.path.rstrip("/")
    if path and parts.scheme.startswith("grpc"):
        raise InvalidInputError(f'endpoint is "{url}", expected {parts.scheme}://HOST:PORT without a path.')
    return ServerAddress(url, parts.scheme, host, port, path)


def _unexpected(url: str) -> InvalidInputError:
    return InvalidInputError(f'endpoint is "{url}", expected {EXPECTED}, or a folder.')
