"""All files of a deployment in one folder."""

from dataclasses import dataclass
from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.deployment.compose import compose
from tf_metammf.export.deployment.kubernetes import kubernetes_files
from tf_metammf.export.deployment.monitoring import monitoring_files
from tf_metammf.export.deployment.retraining import retraining_files
from tf_metammf.export.deployment.server import BATCHING_FILE, MODELS_FILE, MONITORING_FILE, ModelServer
from tf_metammf.export.deployment.server_configuration import batching_parameters, models_config, monitoring_config

COMPOSE_FILE = "compose.yaml"


@dataclass(frozen=True)
class Deployment(ModelServer):
    """A server for a folder of versions, as files for itself, Compose, Kubernetes and Prometheus."""

    def files(self, folder: Path) -> dict[str, str]:
        """Contents by path inside the folder.

        Args:
            folder: Where the files will be.
        """
        return {
            MODELS_FILE: models_config(self),
            BATCHING_FILE: batching_parameters(),
            MONITORING_FILE: monitoring_config(),
            COMPOSE_FILE: compose(self, folder),
            **kubernetes_files(self),
            **monitoring_files(self),
            **retraining_files(self),
        }

    def write(self, folder: Path) -> list[Path]:
        """Writes the files that are missing. Existing ones are the user's by now and stay as they are.

        Args:
            folder: Where to; created where it does not exist.

        Returns:
            The files that were written.

        Raises:
            InvalidInputError: A file cannot be written.
        """
        written = []
        try:
            for name, text in self.files(folder).items():
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    file.write_text(text, encoding="utf-8")
                    written.append(file)
        except OSError as error:
            raise InvalidInputError(f"{folder}: cannot be written ({error.strerror or error}).") from error
        return written
