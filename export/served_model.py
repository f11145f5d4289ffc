"""An exported model, on a TensorFlow Serving server or in this process, by its signatures."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.connection import Connection
from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.endpoints import open_endpoint
from tf_metammf.export.request_inputs import arrays_of
from tf_metammf.export.retries import Retries
from tf_metammf.export.signatures import Signature

DEFAULT_MODEL = "model"
DEFAULT_TIMEOUT = 10.0


class ServedModel:
    """Queries the signatures of a model, whatever they are.

    It may be used by several threads at once. A folder is loaded by the constructor; to a server nothing is sent
    before the first request.

    Args:
        endpoint: ``http://HOST:PORT`` or ``https://HOST`` for a server's REST port, ``grpc://HOST:PORT`` or
            ``grpcs://HOST`` for its gRPC port, or a folder that ``tf-metammf export`` wrote: all versions, of which the
            newest is loaded, or one version.
        model: The name of the model on the server; a folder has only one. Defaults to ``"model"``.
        version: Number of the version to ask; None for the newest.
        label: Label of the version to ask, as the server's configuration has it; instead of ``version``.
        timeout: Seconds that a request to a server may take, retries included. Defaults to 10.
        retries: How requests to a server that is not there (``UNAVAILABLE``) are repeated. Defaults to 5 times with
            exponential back-off and jitter.
        connection: How a server is reached: certificates, token, headers and proxy.

    Raises:
        InvalidInputError: An argument is not acceptable, or the folder cannot be loaded.
    """

    def __init__(
        self,
        endpoint: str | Path,
        model: str = DEFAULT_MODEL,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: Retries | None = None,
        connection: Connection | None = None,
    ) -> None:
        if timeout <= 0:
            raise InvalidInputError(f"timeout is {timeout}, expected a number of seconds above 0.")
        self._endpoint = open_endpoint(endpoint, ModelSpec(model, version, label), connection)
        self._timeout = timeout
        self._retries = Retries() if retries is None else retries
        self._signatures: dict[str, Signature] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Where the model is, for messages: an address with the name of the model, or the folder of a version."""
        return self._endpoint.name

    def close(self) -> None:
        """Closes all connections."""
        self._endpoint.close()

    def predict(self, signature: str, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        """Queries any signature, in one request.

        Args:
            signature: Its name.
            inputs: Values by name of the input. Text may be ``str`` or ``bytes``.

        Returns:
            Arrays by name of the output; text as ``bytes``.

        Raises:
            InvalidInputError: The signature or an input is unknown, an input is missing or of another type or
                rank, or the model refuses the values.
            ServingError: The server did not answer, or has no such model or version.
        """
        spec = self.signature(signature)
        arrays = arrays_of(signature, spec, inputs)
        return self._retries.call(
            lambda timeout: self._endpoint.predict(signature, spec, arrays, timeout), self._timeout
        )

    def signature(self, name: str) -> Signature:
        """What a signature takes and returns.

        Raises:
            InvalidInputError: The model has no such signature.
            ServingError: The server did not answer, or has no such model or version.
        """
        if name not in self._signatures:
            # The server may have moved to a version that has it.
            self._signatures = self.signatures()
        if name not in self._signatures:
            raise InvalidInputError(
                f'{self._endpoint.name}: has no signature "{name}", it has {", ".join(self._signatures)}. Those for '
                "new items need a model with a fusion; similar_items needs one that compares items."
            )
        return self._signatures[name]

    def signatures(self) -> dict[str, Signature]:
        """Signatures of the model by name.

        Raises:
            ServingError: The server did not answer, or has no such model or version.
        """
        return self._retries.call(self._endpoint.signatures, self._timeout)

    def status(self) -> list[VersionStatus]:
        """The versions that there are or were, in ascending order.

        Raises:
            ServingError: The server did not answer, or has no such model or version.
        """
        return self._retries.call(self._endpoint.status, self._timeout)
