"""A model server as a process: the real one where there is one, or the stand-in with the same flags."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_server.py")))
IMAGE = f"tensorflow/serving:{version('tensorflow-serving-api')}"
SECONDS_TO_START = 120


def real_server() -> tuple[str, ...] | None:
    """Command of a real server: ``TF_SERVING_BINARY``, ``tensorflow_model_server`` on the path, or Docker's image."""
    binary = os.environ.get("TF_SERVING_BINARY") or shutil.which("tensorflow_model_server")
    if binary:
        return (binary,)
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0:
        return (docker,)
    return None


@dataclass
class ServerProcess:
    """A server for a folder of versions; a context manager.

    Attributes:
        command: As :func:`real_server` returns it, or :data:`STAND_IN`.
        folder: The folder of all versions.
        name: Name of the model.
    """

    command: tuple[str, ...]
    folder: Path
    name: str = "model"

    def __enter__(self) -> "ServerProcess":
        self.grpc_port, self.rest_port = free_port(), free_port()
        # Not a pipe: a server says a lot, and would wait for a reader.
        self._log = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process = subprocess.Popen(self._words(), stdout=subprocess.DEVNULL, stderr=self._log)
        started = time.monotonic()
        while not self.is_available():
            if self.process.poll() is not None or time.monotonic() - started > SECONDS_TO_START:
                self.process.kill()
                self.process.wait()
                self._log.seek(0)
                raise RuntimeError(f"the server did not start: {self._log.read()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def endpoint(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.rest_port if scheme == 'http' else self.grpc_port}"

    def is_available(self, number: int | None = None) -> bool:
        """Whether it serves the model, or this version of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=2)
        try:
            connection.request("GET", f"/v1/models/{self.name}" + (f"/versions/{number}" if number else ""))
            return b'"AVAILABLE"' in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _words(self) -> list[str]:
        flags = [
            f"--port={self.grpc_port}",
            f"--rest_api_port={self.rest_port}",
            f"--model_name={self.name}",
            "--file_system_poll_wait_seconds=1",
        ]
        if Path(self.command[0]).name != "docker":
            return [*self.command, *flags, f"--model_base_path={self.folder}"]
        ports = [word for port in (self.grpc_port, self.rest_port) for word in ("-p", f"127.0.0.1:{port}:{port}")]
        volume = ["-v", f"{self.folder.resolve()}:/models/{self.name}:ro"]
        entry = ["--entrypoint", "tensorflow_model_server", IMAGE]
        return [*self.command, "run", "--rm", *ports, *volume, *entry, *flags, f"--model_base_path=/models/{self.name}"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
