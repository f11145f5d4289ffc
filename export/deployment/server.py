"""The model server of a deployment: its name, image, ports, flags and memory."""

import math
import re
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

from tf_metammf.errors import InvalidInputError

MODELS_FILE, BATCHING_FILE, MONITORING_FILE = "models.config", "batching_parameters.txt", "monitoring.config"
PORTS = {"grpc": 8500, "rest": 8501}
CONFIGURATION = "/configuration"
"""The folder of the configuration files in a container."""
METRICS_PATH = "/monitoring/prometheus/metrics"
"""Where the server reports its numbers, on its REST port."""

_MEBIBYTE = 2**20
_SERVER_MEBIBYTES = 512


@dataclass(frozen=True)
class ModelServer:
    """TensorFlow Serving with one model.

    Attributes:
        versions: The folder of all versions, on this machine.
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

    @property
    def base_path(self) -> str:
        """The folder of the versions in a container."""
        return f"/models/{self.model_name}"

    @property
    def status_path(self) -> str:
        """The REST path that is answered once a version is loaded and warm."""
        return f"/v1/models/{self.model_name}"

    @property
    def resource_name(self) -> str:
        """The name of the model as Kubernetes accepts it, a DNS label."""
        name = re.sub(r"[^a-z0-9]+", "-", self.model_name.lower())[:50].strip("-")
        return name if name[0].isalpha() else f"model-{name}"

    @property
    def image(self) -> str:
        """The image of the release of the installed messages: an older server may not know an operation."""
        return f"tensorflow/serving:{installed_version('tensorflow-serving-api')}"

    @property
    def configuration_files(self) -> list[str]:
        """Names of the configuration files that the flags refer to."""
        return [MODELS_FILE, MONITORING_FILE, *([BATCHING_FILE] if self.batching else [])]

    @property
    def flags(self) -> list[str]:
        """Arguments of the server in a container."""
        flags = [
            f"--model_config_file={CONFIGURATION}/{MODELS_FILE}",
            "--model_config_file_poll_wait_seconds=60",
            f"--monitoring_config_file={CONFIGURATION}/{MONITORING_FILE}",
        ]
        if self.batching:
            flags += ["--enable_batching=true", f"--batching_parameters_file={CONFIGURATION}/{BATCHING_FILE}"]
        return flags

    @property
    def version_bytes(self) -> int:
        """Mean size of a version on disk; 0 where none is there yet."""
        files = [file.stat().st_size for file in self.versions.rglob("*") if file.is_file()]
        folders = [folder for folder in self.versions.glob("[0-9]*") if folder.is_dir()]
        return math.ceil(sum(files) / max(1, len(folders)))

    @property
    def memory_mebibytes(self) -> int:
        """Memory to reserve: 512 MiB for the server, and two versions while it moves from one to the next, each 1.25
        times its size on disk."""
        return _SERVER_MEBIBYTES + math.ceil(2.5 * self.version_bytes / _MEBIBYTE)

    @property
    def disk_mebibytes(self) -> int:
        """Disk to claim: ten versions, at least 1 GiB."""
        return max(1024, math.ceil(10 * self.version_bytes / _MEBIBYTE))
