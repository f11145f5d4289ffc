"""The REST interface of the stand-in."""

import json
import re
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from stand_in_json import arrays_of_json, json_of_outputs
from stand_in_version import RefusedError
from tensorflow_serving.apis import get_model_status_pb2

HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


class RestServer(ThreadingHTTPServer):
    """The REST interface."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, server: Any) -> None:
        super().__init__(("127.0.0.1", server.rest_port), RestHandler)
        self.stand_in = server
        if server.certificates is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.certificates / "authority.pem")
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(server.certificates / "server.pem")
            # The handshake is for the thread of the connection: one that fails would keep others waiting.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def get_request(self) -> Any:
        self.stand_in.connections += 1
        return super().get_request()

    def handle_error(self, *_: Any) -> None:
        """Says nothing of clients that have gone."""


class RestHandler(BaseHTTPRequestHandler):
    """One connection, kept open over requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"

    def do_GET(self) -> None:
        def answer() -> Any:
            found = re.fullmatch(self.MODEL + "(/metadata)?", self.path)
            if found is None:
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"Malformed request: GET {self.path}")
            spec, stand_in = self._spec(found), self.server.stand_in
            options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
            if not found[4]:
                return json_format.MessageToDict(stand_in.status(spec), **options)
            return {
                "model_spec": {"name": spec.name},
                "metadata": {"signature_def": json_format.MessageToDict(stand_in.metadata(spec), **options)},
            }

        self._respond(answer)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))

        def answer() -> Any:
            found = re.fullmatch(self.MODEL + ":predict", self.path)
            if found is None:
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"Malformed request: POST {self.path}")
            try:
                content = json.loads(body)
            except ValueError as error:
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"JSON Parse error: {error}") from None
            stand_in = self.server.stand_in
            version = stand_in.version(self._spec(found))
            definition = version.definition(content.get("signature_name", ""), grpc.StatusCode.INVALID_ARGUMENT)
            arrays = arrays_of_json(content, definition.inputs)
            return json_of_outputs(stand_in.predict(content, arrays, version, definition), "instances" in content)

        self._respond(answer)

    def log_message(self, *_: Any) -> None:
        """Says nothing of requests."""

    def _spec(self, found: Any) -> Any:
        spec = get_model_status_pb2.GetModelStatusRequest().model_spec
        spec.name = unquote(found[1])
        if found[2]:
            spec.version.value = int(found[2])
        if found[3]:
            spec.version_label = unquote(found[3])
        return spec

    def _respond(self, answer: Any) -> None:
        status = 200
        try:
            self.server.stand_in.admit(self.headers.items())
            content = answer()
        except RefusedError as refused:
            status, content = HTTP_STATUS.get(refused.code, 500), {"error": str(refused)}
        # Text goes out byte by byte as it is, as the real server writes it.
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
