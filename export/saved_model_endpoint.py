"""An exported model in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import error_codes_pb2

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.endpoint import ModelSpec, VersionStatus
from tf_metammf.export.manifest import require_whole
from tf_metammf.export.serving_error import INVALID_ARGUMENT, serving_error
from tf_metammf.export.signatures import Signature, read_signatures
from tf_metammf.export.versions import exported_version
from tf_metammf.records.tensorflow_paths import taken_literally


class SavedModelEndpoint:
    """A SavedModel that is loaded here, as :class:`tf_metammf.export.endpoint.Endpoint` describes it.

    Timeouts have no effect: a graph that runs in this process is not interrupted.

    Args:
        folder: A folder of versions, or one version.
        model: The version; the name of the model is a server's and plays no part.

    Attributes:
        folder: The version that is loaded.

    Raises:
        InvalidInputError: There is no such export, a file of it is missing or cut, or it cannot be loaded.
    """

    rows_per_request: int | None = None

    def __init__(self, folder: Path, model: ModelSpec) -> None:
        if model.label is not None:
            raise InvalidInputError(f'label is "{model.label}", and {folder} has none. Give the number of the version.')
        self.folder = exported_version(folder, model.version)
        self.name = str(self.folder)
        require_whole(self.folder)
        try:
            with taken_literally(self.folder) as literal:
                self._loaded = tf.saved_model.load(str(literal))
        except (OSError, ValueError, IndexError, KeyError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInputError(f"{self.folder}: cannot be loaded ({reason}). Export the model again.") from error

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name of a signature of the model."""
        tensors = {
            key: tf.constant(values, tf.string if values.dtype == object else values.dtype)
            for key, values in inputs.items()
        }
        place = f"{self.folder}: {name}"
        try:
            outputs = self._loaded.signatures[name](**tensors)
        except tf.errors.OpError as error:
            raise serving_error(place, error_codes_pb2.Code.Name(error.error_code), error.message) from None
        except (KeyError, TypeError, ValueError) as error:  # inputs that are not those of the signature
            raise serving_error(place, INVALID_ARGUMENT, str(error)) from None
        return {key: tensor.numpy() for key, tensor in outputs.items()}

    def signatures(self, timeout: float) -> dict[str, Signature]:
        """Signatures of the model by name."""
        return read_signatures(self.folder)

    def status(self, timeout: float) -> list[VersionStatus]:
        """The version that is loaded; its number is 0 where the folder's name is not one."""
        number = self.folder.name
        return [VersionStatus(int(number) if number.isascii() and number.isdecimal() else 0, "AVAILABLE")]

    def close(self) -> None:
        """Does nothing: there is no connection."""
