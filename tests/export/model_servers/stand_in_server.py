"""Stands in for ``tensorflow_model_server`` where there is none: the published protocol, answered from the SavedModel.

As a program it takes those flags of the real server that are used here, and listens on loopback only. Like the real
server it runs a session by the names of the tensors, replays the warm-up requests before a version is available, keeps
the old version until then, and polls the folder. What it has besides: it fails and dawdles on demand.
"""

import argparse
import re
import signal
import sys
import threading
import time
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from stand_in_rest import RestServer
from stand_in_version import RefusedError, Version
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


@dataclass
class StandInServer:
    """The server inside this process; a context manager that listens between entry and exit.

    Attributes:
        folder: The folder of all versions.
        name: Name of the model.
        labels: Versions by label.
        unavailable: So many of the next requests fail with ``UNAVAILABLE``.
        delay: Seconds that every request takes longer.
        requests: Rows of the first input of every predict request that was answered.
        connections: HTTP connections so far.
        certificates: Folder with ``server.pem`` and ``authority.pem``: TLS, which clients need a certificate for.
        token: What every request has to carry as ``Authorization: Bearer TOKEN``.
        headers: Headers of the last request by name in small letters, over gRPC its metadata.
    """

    folder: Path
    name: str = "model"
    grpc_port: int = 0
    rest_port: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    unavailable: int = 0
    delay: float = 0.0
    requests: list[int] = field(default_factory=list)
    connections: int = 0
    certificates: Path | None = None
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "StandInServer":
        self._versions: dict[int, Version] = {}
        self._ended: set[int] = set()
        self._lock = threading.Lock()
        self.poll()
        self._grpc = grpc.server(
            futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(GrpcService(self), self._grpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(GrpcService(self), self._grpc)
        address = f"127.0.0.1:{self.grpc_port}"
        if self.certificates is None:
            self.grpc_port = self._grpc.add_insecure_port(address)
        else:
            pair, authority = (self.certificates / name for name in ("server.pem", "authority.pem"))
            credentials = grpc.ssl_server_credentials(
                [(pair.read_bytes(), pair.read_bytes())], authority.read_bytes(), require_client_auth=True
            )
            self.grpc_port = self._grpc.add_secure_port(address, credentials)
        self._grpc.start()
        self._rest = RestServer(self)
        self.rest_port = self._rest.server_port
        threading.Thread(target=self._rest.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._rest.shutdown()
        self._rest.server_close()
        self._grpc.stop(grace=0).wait()
        self._versions.clear()

    def endpoint(self, scheme: str) -> str:
        port = self.rest_port if scheme.startswith("http") else self.grpc_port
        return f"{scheme}://127.0.0.1:{port}"

    def poll(self) -> None:
        """Loads the largest version, and then lets the others go."""
        numbers = [int(path.name) for path in self.folder.iterdir() if re.fullmatch(r"\d+", path.name)]
        newest = max(numbers)
        if newest not in self._versions:
            loaded = Version(self.folder / str(newest))
            with self._lock:
                old, self._versions = self._versions, {newest: loaded, **self._pinned()}
                self._ended |= set(old) - set(self._versions)

    def _pinned(self) -> dict[int, Version]:
        return {number: self._versions[number] for number in self.labels.values() if number in self._versions}

    def admit(self, headers: Any) -> None:
        """Refuses a request without the token."""
        self.headers = {str(name).lower(): str(value) for name, value in headers}
        if self.token is not None and self.headers.get("authorization") != f"Bearer {self.token}":
            raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "The token is not the right one.")

    def version(self, spec: Any) -> Version:
        """The version that a ``ModelSpec`` asks for."""
        self._misbehave()
        number = self.labels.get(spec.version_label) if spec.version_label else None
        if spec.HasField("version"):
            number = spec.version.value
        with self._lock:
            if spec.name != self.name or (spec.version_label and number is None):
                raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
            number = max(self._versions) if number is None else number
            if number not in self._versions:
                raise RefusedError(
                    grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({spec.name}, {number})"
                )
            return self._versions[number]

    def predict(self, request: Any, arrays: dict[str, np.ndarray], version: Version, definition: Any) -> Any:
        """Outputs by name."""
        outputs = version.run(definition, arrays)
        self.requests.append(max((len(array) for array in arrays.values() if array.ndim), default=0))
        return outputs

    def status(self, spec: Any) -> Any:
        """A ``GetModelStatusResponse``."""
        self._misbehave()
        states = get_model_status_pb2.ModelVersionStatus.State
        response = get_model_status_pb2.GetModelStatusResponse()
        with self._lock:
            known = dict.fromkeys(self._versions, states.AVAILABLE) | dict.fromkeys(self._ended, states.END)
        for number, state in sorted(known.items(), reverse=True):
            if spec.name == self.name and (not spec.HasField("version") or spec.version.value == number):
                response.model_version_status.add(version=number, state=state)
        if not response.model_version_status:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        return response

    def metadata(self, spec: Any) -> Any:
        """A ``SignatureDefMap``."""
        return get_model_metadata_pb2.SignatureDefMap(signature_def=self.version(spec).definitions)

    def _misbehave(self) -> None:
        time.sleep(self.delay)
        with self._lock:
            if self.unavailable > 0:
                self.unavailable -= 1
                raise RefusedError(grpc.StatusCode.UNAVAILABLE, "The server has too much to do.")


class GrpcService(prediction_service_pb2_grpc.PredictionServiceServicer, model_service_pb2_grpc.ModelServiceServicer):
    """Both services of the real server, as far as they are used."""

    def __init__(self, server: StandInServer) -> None:
        self._server = server

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802
        def answer() -> Any:
            version = self._server.version(request.model_spec)
            definition = version.definition(request.model_spec.signature_name, grpc.StatusCode.FAILED_PRECONDITION)
            arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            outputs = self._server.predict(request, arrays, version, definition)
            response = predict_pb2.PredictResponse()
            for name, array in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(array, shape=array.shape))
            return response

        return self._or_abort(context, answer)

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        def answer() -> Any:
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(self._server.metadata(request.model_spec))
            return response

        return self._or_abort(context, answer)

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._or_abort(context, lambda: self._server.status(request.model_spec))

    def _or_abort(self, context: Any, answer: Any) -> Any:
        try:
            self._server.admit(context.invocation_metadata())
            return answer()
        except RefusedError as refused:
            return context.abort(refused.code, str(refused))


def main() -> None:
    """Serves until it is terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_name", default="default")
    parser.add_argument("--model_base_path", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with StandInServer(
        arguments.model_base_path, arguments.model_name, arguments.port, arguments.rest_api_port
    ) as server:
        while not ended.wait(arguments.file_system_poll_wait_seconds):
            server.poll()
            server.requests.clear()


if __name__ == "__main__":
    sys.exit(main())
