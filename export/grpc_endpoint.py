"""TensorFlow Serving's gRPC interface."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.server_batching import MAX_BATCH_SIZE
from tf_metammf.export.serving_error import serving_error
from tf_metammf.export.signatures import Signature, signatures_of_definitions

_OPTIONS = (
    # The largest message is 4 MB otherwise, less than a server takes.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Retries shall find a server that came back, not the memory that it was away.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class GrpcEndpoint:
    """A model behind ``grpc://``, as :class:`tf_metammf.export.endpoint.Endpoint` describes it.

    Args:
        url: For messages.
        host: Name or address.
        port: Port.
        model: The model and its version.
    """

    rows_per_request: int | None = MAX_BATCH_SIZE

    def __init__(self, url: str, host: str, port: int, model: ModelSpec) -> None:
        self.name = f"{url}: {model.name}"
        self._url = url
        self._model = model_pb2.ModelSpec(name=model.name)
        if model.version is not None:
            self._model.version.value = model.version
        if model.label is not None:
            self._model.version_label = model.label
        address = f"[{host}]" if ":" in host else host
        self._channel = grpc.insecure_channel(f"{address}:{port}", options=_OPTIONS)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name of a signature of the model."""
        request = predict_pb2.PredictRequest(model_spec=self._model)
        request.model_spec.signature_name = name
        for key, values in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(values, shape=values.shape))
        answer = self._ask(self._predictions.Predict, request, timeout)
        return {key: tf.make_ndarray(tensor) for key, tensor in answer.outputs.items()}

    def signatures(self, timeout: float) -> dict[str, Signature]:
        """Signatures of the model by name."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._model, metadata_field=["signature_def"]
        )
        answer = self._ask(self._predictions.GetModelMetadata, request, timeout)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(definitions)
        return signatures_of_definitions(definitions.signature_def)

    def status(self, timeout: float) -> list[VersionStatus]:
        """The versions that the server has or had, in ascending order."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._model)
        states = get_model_status_pb2.ModelVersionStatus.State
        answer = self._ask(self._models.GetModelStatus, request, timeout)
        versions = [
            VersionStatus(status.version, states.Name(status.state), status.status.error_message)
            for status in answer.model_version_status
        ]
        return sorted(versions, key=lambda status: status.version)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _ask(self, method: Callable[..., Any], request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise serving_error(self._url, error.code().name, error.details() or "") from None
