"""TensorFlow Serving's gRPC interface."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from numpy.typing import NDArray

from tf_metammf.export.batch_sizes import MAX_BATCH_SIZE
from tf_metammf.export.connection import Connection
from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.server_address import ServerAddress
from tf_metammf.export.serving_error import UNAUTHENTICATED, UNAVAILABLE, serving_error
from tf_metammf.export.serving_messages import (
    STATES,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelSpecMessage,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)
from tf_metammf.export.signatures import Signature, signatures_of_definitions
from tf_metammf.export.tensor_messages import array_of, message_of

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    # The largest message is 4 MB otherwise, less than a server takes.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Retries shall find a server that came back, not the memory that it was away.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)
_METHODS = {
    "Predict": ("PredictionService", PredictResponse),
    "GetModelMetadata": ("PredictionService", GetModelMetadataResponse),
    "GetModelStatus": ("ModelService", GetModelStatusResponse),
}
"""Service and answer of a method by its name."""


class GrpcEndpoint:
    """A model behind ``grpc://`` or ``grpcs://``, as :class:`tf_metammf.export.endpoint.Endpoint` describes it.

    Args:
        address: Where the server listens.
        model: The model and its version.
        connection: How the server is reached.
    """

    rows_per_request: int | None = MAX_BATCH_SIZE

    def __init__(self, address: ServerAddress, model: ModelSpec, connection: Connection) -> None:
        self.name = f"{address.url}: {model.name}"
        self._address, self._connection = address, connection
        self._model = ModelSpecMessage(name=model.name)
        if model.version is not None:
            self._model.version.value = model.version
        if model.label is not None:
            self._model.version_label = model.label
        self._metadata()  # what is wrong with it is found out now
        self._channel = _channel(address, connection)
        self._calls = {
            name: self._channel.unary_unary(
                f"/tensorflow.serving.{service}/{name}",
                request_serializer=lambda request: request.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            for name, (service, answer) in _METHODS.items()
        }

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name of a signature of the model."""
        request = PredictRequest(model_spec=self._model)
        request.model_spec.signature_name = name
        for key, values in inputs.items():
            request.inputs[key].CopyFrom(message_of(values))
        answer = self._ask("Predict", request, timeout)
        try:
            return {key: array_of(tensor) for key, tensor in answer.outputs.items()}
        except ValueError as error:
            raise serving_error(self._address.url, "INTERNAL", f"the answer is not that of {name} ({error})") from None

    def signatures(self, timeout: float) -> dict[str, Signature]:
        """Signatures of the model by name."""
        request = GetModelMetadataRequest(model_spec=self._model, metadata_field=["signature_def"])
        answer = self._ask("GetModelMetadata", request, timeout)
        definitions = SignatureDefMap.FromString(answer.metadata["signature_def"].value)
        return signatures_of_definitions(definitions.signature_def)

    def status(self, timeout: float) -> list[VersionStatus]:
        """The versions that the server has or had, in ascending order."""
        answer = self._ask("GetModelStatus", GetModelStatusRequest(model_spec=self._model), timeout)
        versions = [
            VersionStatus(status.version, STATES.get(status.state, "UNKNOWN"), status.status.error_message)
            for status in answer.model_version_status
        ]
        return sorted(versions, key=lambda status: status.version)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _ask(self, method: str, request: Any, timeout: float) -> Any:
        try:
            return self._calls[method](request, timeout=timeout, metadata=self._metadata())
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            if code == UNAVAILABLE and "handshake" in details.lower():
                code = UNAUTHENTICATED  # it would fail again
            raise serving_error(self._address.url, code, details) from None

    def _metadata(self) -> list[tuple[str, str]]:
        headers = self._connection.request_headers(self._address)
        return [(name.lower(), value) for name, value in headers.items()]


def _channel(address: ServerAddress, connection: Connection) -> grpc.Channel:
    proxy = connection.proxy_of(address)
    options = (*_OPTIONS, ("grpc.enable_http_proxy", 0) if proxy is None else ("grpc.http_proxy", proxy))
    if not address.has_tls:
        return grpc.insecure_channel(address.authority, options=options)
    connection.tls_context()  # gRPC says of a bad file no more than that a handshake failed
    certificate = _content(connection.certificate_file)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_content(connection.ca_file),
        private_key=_content(connection.key_file) or certificate,
        certificate_chain=certificate,
    )
    return grpc.secure_channel(address.authority, credentials, options=options)


def _content(file: str | Path | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()
