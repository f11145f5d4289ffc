"""Routes that answer from one workspace."""

from abc import ABC, abstractmethod

from starlette.requests import Request
from starlette.routing import Route

from tf_metammf.explorer import parameters
from tf_metammf.explorer.asked_model import AskedModel
from tf_metammf.explorer.workspace import Workspace


class RouteGroup(ABC):
    """Routes of one subject.

    Args:
        workspace: What they answer from.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @abstractmethod
    def routes(self) -> list[Route]:
        """The routes."""

    def _number(self, request: Request, name: str = "model", *, default: int = 0) -> int:
        """The number of the model that a request names.

        Raises:
            InvalidInputError: There is no such model.
        """
        return parameters.whole(request, name, default, most=len(self._workspace.sources) - 1, least=0)

    def _model(self, request: Request, name: str = "model", *, default: int = 0) -> AskedModel:
        """The model that a request names, in the version that is asked now."""
        return self._workspace.model(self._number(request, name, default=default))
