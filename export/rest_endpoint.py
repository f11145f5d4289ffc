"""TensorFlow Serving's REST interface."""

import http.client
import json
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from numpy.typing import NDArray

from tf_metammf.errors import MetaMMFError
from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.json_tensors import outputs_of_body, request_body
from tf_metammf.export.serving_error import DEADLINE_EXCEEDED, INVALID_ARGUMENT, UNAVAILABLE, serving_error
from tf_metammf.export.signatures import Signature, signatures_of_json

_CODES = {
    400: INVALID_ARGUMENT,
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: UNAVAILABLE,
    504: DEADLINE_EXCEEDED,
}


class RestEndpoint:
    """A model behind ``http://``, as :class:`tf_metammf.export.endpoint.Endpoint` says.

    Connections are kept open and used again, by one request at a time.

    Args:
        url: For messages.
        host: Name or address.
        port: Port.
        model: The model and its version.
        prefix: Path in front of ``/v1``.
    """

    def __init__(self, url: str, host: str, port: int, model: ModelSpec, *, prefix: str = "") -> None:
        self._url, self._host, self._port = url, host, port
        self._status_path = f"{prefix}/v1/models/{quote(model.name, safe='')}"
        if model.version is not None:
            self._path = f"{self._status_path}/versions/{model.version}"
        elif model.label is not None:
            self._path = f"{self._status_path}/labels/{quote(model.label, safe='')}"
        else:
            self._path = self._status_path
        self._idle: deque[http.client.HTTPConnection] = deque()

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
        while self._idle:
            self._idle.pop().close()

    def _ask(self, method: str, path: str, timeout: float, body: bytes | None = None) -> bytes:
        try:
            status, answer = self._exchange(method, path, timeout, body)
        except TimeoutError:
            raise self._error(DEADLINE_EXCEEDED, "no answer in time") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise self._error(UNAVAILABLE, reason) from None
        if status == 200:
            return answer
        raise self._error(_CODES.get(status, "INTERNAL"), _error_text(status, answer)) from None

    def _exchange(self, method: str, path: str, timeout: float, body: bytes | None) -> tuple[int, bytes]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        while True:
            try:
                connection, is_used = self._idle.pop(), True
            except IndexError:
                connection, is_used = http.client.HTTPConnection(self._host, self._port), False
            connection.timeout = max(timeout, 1e-3)
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                answer = response.read()
            except (ConnectionError, http.client.BadStatusLine):
                connection.close()
                # The server may close a connection while it is idle, which shows at the next request only.
                if is_used:
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            return response.status, answer

    def _json(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise self._error("INTERNAL", f"the answer is not JSON ({body[:60]!r})") from None

    def _error(self, code: str, reason: str) -> MetaMMFError:
        return serving_error(self._url, code, reason)


def _error_text(status: int, answer: bytes) -> str:
    text = answer.decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status} {' '.join(text.split())[:200]}"
