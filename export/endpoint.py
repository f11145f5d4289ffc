"""What all ways to a model have in common: a SavedModel in this process, REST and gRPC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.signatures import Signature


@dataclass(frozen=True)
class ModelSpec:
    """Which model, and which version of it; without number and label the newest.

    Attributes:
        name: The name of the model on the server.
        version: Number of the version.
        label: Label of the version in the server's configuration.

    Raises:
        InvalidInputError: Both version and label are given, or the name is not one.
    """

    name: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not self.name or any(mark in self.name for mark in "/:"):
            raise InvalidInputError(f'model is "{self.name}", expected a name without "/" and ":".')
        if self.version is not None and self.label is not None:
            raise InvalidInputError(f'version {self.version} and label "{self.label}" are given, expected one of them.')


@dataclass(frozen=True)
class VersionStatus:
    """The state of a version.

    Attributes:
        version: Its number.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        error: Why it could not be loaded; empty where nothing went wrong.
    """

    version: int
    state: str
    error: str = ""


class Endpoint(Protocol):
    """A way to a model. Every method may be called from several threads.

    A ``timeout`` is in seconds. All raise what :func:`tf_metammf.export.serving_error.serving_error` returns.

    Attributes:
        name: The model and where it is, for messages.
        rows_per_request: Users or items in one request at most, unless the caller says otherwise; None for all.
    """

    name: str
    rows_per_request: int | None

    def predict(
        self, name: str, signature: Signature, inputs: Mapping[str, NDArray[Any]], timeout: float
    ) -> dict[str, NDArray[Any]]:
        """Outputs by name of a signature of the model."""

    def signatures(self, timeout: float) -> dict[str, Signature]:
        """Signatures of the model by name."""

    def status(self, timeout: float) -> list[VersionStatus]:
        """The versions that there are or were, in ascending order."""

    def close(self) -> None:
        """Closes all connections."""
