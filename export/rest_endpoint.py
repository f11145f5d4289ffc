"""TensorFlow Serving's REST interface."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import urllib3
from numpy.typing import NDArray

from tf_metammf.errors import MetaMMFError
from tf_metammf.export.batch_sizes import MAX_BATCH_SIZE
from tf_metammf.export.connection import Connection
from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.json_tensors import outputs_of_body, request_body
from tf_metammf.export.server_address import ServerAddress
from tf_metammf.export.serving_error import (
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    UNAUTHENTICATED,
    UNAVAILABLE,
    serving_error,
)
from tf_metammf.export.signatures import Signature, signatures_of_json

_CODES = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}
_CONNECTIONS = 64
"""Connections to keep open at most; threads beyond that open their own."""


class RestEndpoint:
    """A model behind ``http://`` or ``https://``, as :class:`tf_metammf.export.endpoint.Endpoint` describes it.

    Connections are kept open and used again, by one request at a time. Redirections are not followed.

    Args:
        address: Where the server listens.
        model: The model and its version.
        connection: How the server is reached.
    """

    rows_per_request: int | None = MAX_BATCH_SIZE

    def __init__(self, address: ServerAddress, model: ModelSpec, connection: Connection) -> None:
        self.name = f"{address.url}: {model.name}"
        self._address, self._connection = address, connection
        self._base = f"{address.scheme}://{address.authority}"
        self._status_path = f"{address.path}/v1/models/{quote(model.name, safe='')}"
        if model.version is not None:
            self._path = f"{self._status_path}/versions/{model.version}"
        elif model.label is not None:
            self._path = f"{self._status_path}/labels/{quote(model.label, safe='')}"
        else:
            self._path = self._status_path
        connection.request_headers(address)  # what is wrong with them is found out now
        self._pool = _pool(address, connection)

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name of a signature of the model."""
        body = self._ask("POST", f"{self._path}:predict", timeout, request_body(name, inputs))
        try:
            return outputs_of_body(body, signature)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._error("INTERNAL", f"the answer does not fit signature {name} ({error})") from None

    def signatures(self, timeout: float) -> dict[str, Signature]:
        """Signatures of the model by name."""
        content = self._json(self._ask("GET", f"{self._path}/metadata", timeout))
        try:
            return signatures_of_json(content["metadata"]["signature_def"]["signature_def"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._error("INTERNAL", f"the answer is not model metadata ({error})") from None

    def status(self, timeout: float) -> list[VersionStatus]:
        """The versions that the server has or had, in ascending order."""
        content = self._json(self._ask("GET", self._path, timeout))
        try:
            versions = [
                VersionStatus(
                    int(status["version"]), str(status["state"]), status.get("status", {}).get("error_message", "")
                )
                for status in content["model_version_status"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._error("INTERNAL", f"the answer is not a model status ({error})") from None
        return sorted(versions, key=lambda status: status.version)

    def close(self) -> None:
        """Closes all connections."""
        self._pool.clear()

    def _ask(self, method: str, path: str, timeout: float, body: bytes | None = None) -> bytes:
        headers = self._connection.request_headers(self._address)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                method,
                self._base + path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=max(timeout, 1e-3)),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.NewConnectionError as error:  # a kind of TimeoutError to urllib3
            raise self._error(UNAVAILABLE, _reason(error)) from None
        except urllib3.exceptions.TimeoutError:
            raise self._error(DEADLINE_EXCEEDED, "no answer in time") from None
        except urllib3.exceptions.SSLError as error:
            raise self._error(UNAUTHENTICATED, _reason(error)) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._error(UNAVAILABLE, _reason(error)) from None
        if response.status == 200:
            return response.data
        raise self._error(_CODES.get(response.status, "INTERNAL"), _error_text(response.status, response.data))

    def _json(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise self._error("INTERNAL", f"the answer is not JSON ({body[:60]!r})") from None

    def _error(self, code: str, reason: str) -> MetaMMFError:
        return serving_error(self._address.url, code, reason)


def _pool(address: ServerAddress, connection: Connection) -> urllib3.PoolManager:
    options: dict[str, Any] = {"maxsize": _CONNECTIONS}
    if address.has_tls:
        options["ssl_context"] = connection.tls_context()
    proxy = connection.proxy_of(address)
    if proxy is None:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=credentials)
    return urllib3.ProxyManager(proxy, **options)


def _reason(error: Exception) -> str:
    """What the operating system or TLS says, which urllib3 wraps."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and (reason := getattr(inner, "verify_message", None) or inner.strerror):
            return str(reason)
        wrapped = next((part for part in inner.args if isinstance(part, BaseException)), None)
        inner = inner.__cause__ or wrapped
    return str(error) or type(error).__name__


def _error_text(status: int, answer: bytes) -> str:
    text = answer.decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status} {' '.join(text.split())[:200]}"
