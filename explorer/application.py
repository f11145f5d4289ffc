"""The application: the page, its answers, and what is said when one fails."""

import logging
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from tf_metammf.errors import MetaMMFError, one_line
from tf_metammf.explorer.access import Access, own_names
from tf_metammf.explorer.insight import Insight
from tf_metammf.explorer.item_map import ItemMap
from tf_metammf.explorer.new_videos import NewVideos
from tf_metammf.explorer.people_and_videos import PeopleAndVideos
from tf_metammf.explorer.workspace import Workspace

logger = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("page")
VIEWS = ("people", "compare", "persona", "video", "new", "map", "health")


def make_application(workspace: Workspace, *, token: str, host: str, port: int) -> ASGIApp:
    """The ASGI application of the explorer.

    Args:
        workspace: What it answers from.
        token: What a browser has to show.
        host: Where the server listens.
        port: Its port.
    """
    answers = [route for part in (PeopleAndVideos, Insight, NewVideos, ItemMap) for route in part(workspace).routes()]
    application = Starlette(
        routes=[
            Route("/", _page),
            *(Route(f"/{view}", _page) for view in VIEWS),
            Mount("/static", StaticFiles(directory=PAGE)),
            *answers,
        ],
        exception_handlers={
            MetaMMFError: _mistake,
            HTTPException: _not_found,
            Exception: _failure,
        },
    )
    return Access(application, token=token, hosts=own_names(host), port=port)


def _page(request: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


def _mistake(request: Request, error: Exception) -> Response:
    """An error that says what to do; one of a server that is gone may be over soon."""
    from tf_metammf.export.serving_error import ServingError

    status = 503 if isinstance(error, ServingError) else 400
    return JSONResponse({"error": one_line(error)}, status)


def _not_found(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": "There is nothing at this address."}, status)


def _failure(request: Request, error: Exception) -> Response:
    logger.error("%s failed", request.url.path, exc_info=error)
    return JSONResponse({"error": "This failed; the log of tf-metammf explore says why."}, 500)
