"""The name that a client of a folder had in version 0.1."""

from pathlib import Path

from tf_metammf.export.client import Client
from tf_metammf.export.saved_model_endpoint import SavedModelEndpoint


class Recommender(Client):
    """A :class:`Client` of a SavedModel in this process, under the name it had in version 0.1.

    Args:
        folder: A folder of versions, of which the newest is taken, or one version.

    Attributes:
        folder: The version that is loaded.

    Raises:
        InvalidInputError: There is no export, or it cannot be loaded.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(Path(folder))
        assert isinstance(self._endpoint, SavedModelEndpoint)
        self.folder = self._endpoint.folder
