"""Look at what models recommend, in the browser."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.commands.connection_options import add_connection_arguments, client_of_server
from tf_metammf.commands.tensorflow import import_tensorflow
from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.export.client import Client

logger = logging.getLogger(__name__)


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the arguments of ``tf-metammf explore``."""
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="DIR",
        default=[],
        help="What export wrote, the folder of all versions or one version; two of them to compare. With --endpoint, "
        'the name of the model on the server, by default "model".',
    )
    parser.add_argument(
        "--endpoint", type=str, help="Query a server: http://HOST:PORT, https://HOST, grpc:// or grpcs://."
    )
    add_connection_arguments(parser)
    parser.add_argument(
        "--records", type=Path, help="Record set: features for what-if, and ids and interactions for --endpoint."
    )
    parser.add_argument(
        "--titles", type=Path, help="Table of items, .csv, .tsv or .parquet: item_id, title, and kinds to colour by."
    )
    parser.add_argument("--media", type=Path, help="Folder with ID.jpg, ID.mp4 or frames in ID/.")
    parser.add_argument(
        "--survey", type=int, default=2000, help="Users whose recommendations stand for those of all, at most."
    )
    parser.add_argument("--host", type=str, default="127.0.0.1", help="Where to listen; beyond loopback with --token.")
    parser.add_argument("--port", type=int, default=0, help="Port; 0 for any that is free.")
    parser.add_argument("--token", type=str, help="What a browser has to show, at least 16 characters; new by default.")


def run(arguments: Namespace) -> int:
    """Serves the page until it is interrupted."""
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InvalidInputError("explore needs starlette and uvicorn: python -m pip install 'tf-metammf[explore]'")
    if not arguments.model and arguments.endpoint is None:
        raise InvalidInputError("missing: model, or endpoint. See --help.")
    if arguments.endpoint is not None and len(arguments.model) > 1:
        raise InvalidInputError(f"--model has {len(arguments.model)} names, expected one with --endpoint.")
    import_tensorflow()
    from tf_metammf.explorer.server import ExplorerServer, check_access
    from tf_metammf.explorer.workspace import Workspace, WorkspaceOptions

    check_access(arguments.host, arguments.token)
    options = WorkspaceOptions(
        models=_models(arguments),
        records=arguments.records,
        titles=arguments.titles,
        media=arguments.media,
        surveyed_users=arguments.survey,
    )
    server = ExplorerServer(Workspace(options), host=arguments.host, port=arguments.port, token=arguments.token)
    print(f"Open {server.address}", flush=True)
    logger.info("End with Ctrl-C.")
    server.run()
    return 0


def _models(arguments: Namespace) -> "list[Path | Client]":
    if arguments.endpoint is None:
        return [Path(folder) for folder in arguments.model]
    return [client_of_server(arguments, arguments.model[0] if arguments.model else None)]
