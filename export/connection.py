"""How a server is reached: certificates, token, headers and proxy."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.server_address import ServerAddress

_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Connection:
    """How a server is reached. Secrets are in no message, log or ``repr``.

    Attributes:
        ca_file: PEM file of the authorities that sign the server's certificate. Defaults to those of the system over
            ``https://``, and to those that gRPC brings along over ``grpcs://``.
        certificate_file: PEM file of the client's certificate, for servers that ask for one.
        key_file: PEM file of its private key; by default the key is in ``certificate_file``.
        token_file: File of a token, sent as ``Authorization: Bearer TOKEN``. It is read for every request, so that it
            may be replaced. A token is sent over TLS or to this machine only.
        token_variable: Environment variable that has the token, instead of a file.
        headers: Headers of every request by name; over gRPC they are its metadata.
        headers_file: File of headers, ``NAME: VALUE`` in every line. It is read for every request.
        proxy: ``http://HOST:PORT`` of a proxy, ``""`` for none. Defaults to the environment: ``https_proxy``,
            ``http_proxy`` and ``no_proxy``, which do not hold for this machine.

    Raises:
        InvalidInputError: A key is without its certificate, both a file and a variable have the token, or the proxy
            is not an address.
    """

    ca_file: str | Path | None = None
    certificate_file: str | Path | None = None
    key_file: str | Path | None = None
    token_file: str | Path | None = None
    token_variable: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers_file: str | Path | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.key_file is not None and self.certificate_file is None:
            raise InvalidInputError(f"key_file is {self.key_file}, and its certificate is missing: certificate_file.")
        if self.token_file is not None and self.token_variable is not None:
            raise InvalidInputError("token_file and token_variable are given, expected one of them.")
        if self.proxy:
            proxy = urlsplit(self.proxy)
            if proxy.scheme not in ("http", "https") or not proxy.hostname or proxy.path.strip("/"):
                raise InvalidInputError("proxy is not an address of the form http://HOST:PORT.")

    def request_headers(self, address: ServerAddress) -> dict[str, str]:
        """Headers of a request by name, the token included.

        Raises:
            InvalidInputError: A file cannot be read, the variable is not set, a header is not one, or the token would
                be sent without encryption.
        """
        headers = {**self.headers, **self._headers_of_file()}
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _is_printable(value):
                raise InvalidInputError(f"header {name!r}: expected letters, digits and - as name, and an ASCII value.")
        if self.token_file is None and self.token_variable is None:
            return headers
        if not address.has_tls and not address.is_loopback:
            secure = "https" if address.scheme == "http" else "grpcs"
            raise InvalidInputError(f"{address.url}: a token would be sent without encryption. Use {secure}://.")
        return headers | {"Authorization": f"Bearer {self._token()}"}

    def tls_context(self) -> ssl.SSLContext:
        """Checks servers by the authorities, and has the client's certificate.

        Raises:
            InvalidInputError: A file cannot be read, or is not PEM, or the key is not that of the certificate.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except (OSError, ValueError) as error:  # of ssl too
            raise _unreadable("ca_file", self.ca_file, error) from None
        if self.certificate_file is not None:
            key = None if self.key_file is None else str(self.key_file)
            try:
                # Without a function for the password, OpenSSL would ask the terminal for it.
                context.load_cert_chain(str(self.certificate_file), key, password=self._refuse_password)
            except InvalidInputError:
                raise
            except (OSError, ValueError) as error:
                raise _unreadable("certificate_file", self.certificate_file, error) from None
        return context

    def proxy_of(self, address: ServerAddress) -> str | None:
        """The proxy on the way to a server."""
        if self.proxy is not None:
            return self.proxy or None
        if address.is_loopback or proxy_bypass(address.host):
            return None
        proxy = getproxies().get("https" if address.has_tls else "http")
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy

    def _headers_of_file(self) -> dict[str, str]:
        if self.headers_file is None:
            return {}
        headers = {}
        for number, line in enumerate(_read("headers_file", self.headers_file).splitlines(), start=1):
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
            elif line.strip():
                raise InvalidInputError(f"{self.headers_file}: line {number} is not of the form NAME: VALUE.")
        return headers

    def _token(self) -> str:
        if self.token_file is not None:
            place, token = str(self.token_file), _read("token_file", self.token_file).strip()
        else:
            place, token = f"the variable {self.token_variable}", os.environ.get(str(self.token_variable), "").strip()
        if not token or not _is_printable(token) or " " in token:
            raise InvalidInputError(f"{place} has no token; expected one word of ASCII.")
        return token

    def _refuse_password(self) -> NoReturn:
        raise InvalidInputError(
            f"{self.key_file or self.certificate_file}: the key is encrypted. Decrypt it into a file that only this "
            "user can read."
        )


def _read(name: str, file: str | Path) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(name, file, error) from None


def _unreadable(name: str, file: str | Path | None, error: Exception) -> InvalidInputError:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return InvalidInputError(f"{file}: cannot be read as {name} ({reason}).")


def _is_printable(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)
