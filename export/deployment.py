"""Files that run a server for exported versions: TensorFlow Serving by itself, under Compose and on Kubernetes."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import yaml

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.server_batching import ALLOWED_BATCH_SIZES, MAX_BATCH_SIZE

MODELS_FILE, BATCHING_FILE = "models.config", "batching_parameters.txt"
COMPOSE_FILE, KUBERNETES_FILE = "compose.yaml", "kubernetes.yaml"
GRPC_PORT, REST_PORT = 8500, 8501

_CONFIGURATION = "/configuration"
_BATCH_TIMEOUT_MICROSECONDS = 1000
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Deployment:
    """How a folder of versions is served.

    Attributes:
        versions: The folder of all versions.
        model_name: What clients call the model.
        batching: Whether the server batches requests; see :mod:`tf_metammf.export.server_batching`
            for the requests it refuses then. Defaults to False.

    Raises:
        InvalidInputError: The name cannot be part of a URL path.
    """

    versions: Path
    model_name: str
    batching: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.model_name):
            raise InvalidInputError(
                f'--model_name is "{self.model_name}", expected letters, digits, "_", "." and "-", the first of them '
                "a letter or digit."
            )

    def write(self, folder: Path) -> list[Path]:
        """Writes those of the files that are not there; others are the user's by now and stay as they are.

        Args:
            folder: Where to; created where it does not exist.

        Returns:
            The files that were written.

        Raises:
            InvalidInputError: A file cannot be written.
        """
        contents = {
            MODELS_FILE: self.models_config(),
            BATCHING_FILE: self.batching_parameters(),
            COMPOSE_FILE: self.compose(folder),
            KUBERNETES_FILE: self.kubernetes(),
        }
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in contents.items():
                if not (folder / name).exists():
                    (folder / name).write_text(text, encoding="utf-8")
                    written.append(folder / name)
        except OSError as error:
            raise InvalidInputError(f"{folder}: cannot be written ({error.strerror or error}).") from error
        return written

    def models_config(self) -> str:
        """Which models a server serves, ``ModelServerConfig`` as text."""
        return f"""\
# Serves the largest version number and moves on to a larger one when it appears.
# To hold several, or to name them, replace "latest" with "specific" and add version_labels; see docs/deployment.md.
model_config_list {{
  config {{
    name: "{self.model_name}"
    base_path: "{self._base_path}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""

    def batching_parameters(self) -> str:
        """Sizes and waiting time of merged requests, ``BatchingParameters`` as text."""
        sizes = "\n".join(f"allowed_batch_sizes: {size}" for size in ALLOWED_BATCH_SIZES)
        return f"""\
# Only in force with --enable_batching. A server with it refuses requests to signatures that cannot be batched,
# "recommend" among them; see docs/deployment.md.
max_batch_size {{ value: {MAX_BATCH_SIZE} }}
batch_timeout_micros {{ value: {_BATCH_TIMEOUT_MICROSECONDS} }}
max_enqueued_batches {{ value: 100 }}
{sizes}
"""

    def compose(self, folder: Path) -> str:
        """A service that listens on loopback only.

        Args:
            folder: Where the file will be; the versions are found from there.
        """
        path = os.path.relpath(self.versions, folder)
        # Compose takes what does not begin with a dot for the name of a volume, and a dollar for a variable.
        source = (path if path.startswith(".") else f"./{path}").replace("$", "$$")
        service = {
            "image": _image(),
            "command": self._flags(),
            "ports": [f"127.0.0.1:{port}:{port}" for port in (GRPC_PORT, REST_PORT)],
            "volumes": [
                {"type": "bind", "source": source, "target": self._base_path, "read_only": True},
                *(
                    {"type": "bind", "source": f"./{name}", "target": f"{_CONFIGURATION}/{name}", "read_only": True}
                    for name in (MODELS_FILE, BATCHING_FILE)
                ),
            ],
            "healthcheck": {"test": ["CMD", "bash", "-c", self._probe()], "interval": "10s", "timeout": "5s"},
            "restart": "unless-stopped",
        }
        return _yaml("docker compose up", {"services": {self._resource_name: service}})

    def kubernetes(self) -> str:
        """A ConfigMap, a Deployment and a Service; the versions come from a volume claim."""
        name = self._resource_name
        labels = {"app": name}
        status = {"httpGet": {"path": f"/v1/models/{self.model_name}", "port": "rest"}}
        container = {
            "name": "server",
            "image": _image(),
            "args": self._flags(),
            "ports": [{"name": "grpc", "containerPort": GRPC_PORT}, {"name": "rest", "containerPort": REST_PORT}],
            # The ports open when the first version is loaded and warm; a large one takes its time.
            "startupProbe": {**status, "periodSeconds": 5, "failureThreshold": 120},
            "readinessProbe": {**status, "periodSeconds": 5},
            "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 10},
            "resources": {"requests": {"cpu": "1", "memory": f"{self._memory_mebibytes()}Mi"}},
            "volumeMounts": [
                {"name": "versions", "mountPath": self._base_path, "readOnly": True},
                {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
            ],
        }
        pod = {
            "containers": [container],
            "volumes": [
                {"name": "versions", "persistentVolumeClaim": {"claimName": f"{name}-versions", "readOnly": True}},
                {"name": "configuration", "configMap": {"name": name}},
            ],
        }
        files = {MODELS_FILE: self.models_config(), BATCHING_FILE: self.batching_parameters()}
        ports = [{"name": port, "port": number, "targetPort": port} for port, number in _PORTS.items()]
        return _yaml(
            f"kubectl apply -f {KUBERNETES_FILE}; the volume of the claim {name}-versions holds 1/, 2/ and so on.",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files},
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "labels": labels},
                "spec": {"selector": labels, "ports": ports},
            },
        )

    @property
    def _base_path(self) -> str:
        return f"/models/{self.model_name}"

    @property
    def _resource_name(self) -> str:
        """The name of the model as Kubernetes takes it, a DNS label."""
        name = re.sub(r"[^a-z0-9]+", "-", self.model_name.lower())[:50].strip("-")
        return name if name[0].isalpha() else f"model-{name}"

    def _flags(self) -> list[str]:
        flags = [f"--model_config_file={_CONFIGURATION}/{MODELS_FILE}", "--model_config_file_poll_wait_seconds=60"]
        if self.batching:
            flags += ["--enable_batching=true", f"--batching_parameters_file={_CONFIGURATION}/{BATCHING_FILE}"]
        return flags

    def _probe(self) -> str:
        # The image has no curl.
        request = rf"GET /v1/models/{self.model_name} HTTP/1.0\r\n\r\n"
        return f"exec 3<>/dev/tcp/127.0.0.1/{REST_PORT} && printf '{request}' >&3 && grep -q AVAILABLE <&3"

    def _memory_mebibytes(self) -> int:
        """The server itself, and two versions while it moves from one to the next."""
        files = [file.stat().st_size for file in self.versions.rglob("*") if file.is_file()]
        folders = [folder for folder in self.versions.glob("[0-9]*") if folder.is_dir()]
        return 512 + math.ceil(2.5 * sum(files) / max(1, len(folders)) / _MEBIBYTE)


_PORTS = {"grpc": GRPC_PORT, "rest": REST_PORT}


def _image() -> str:
    """Of the release that TensorFlow and the messages are of: an older server may not know an operation."""
    return f"tensorflow/serving:{installed_version('tensorflow-serving-api')}"


def _yaml(comment: str, *documents: Mapping[str, Any]) -> str:
    texts = [yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120) for document in documents]
    return f"# {comment}\n" + "---\n".join(texts)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, and everything twice instead of as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
