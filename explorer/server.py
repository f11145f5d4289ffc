"""Serves the page."""

import logging
import socket
from collections.abc import Callable

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.workspace import Workspace

MOST_HEADER_BYTES = 2**20
"""Of an address and headers: an id of 4,000 characters may be ten times as many bytes in an address."""


def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    token: str | None,
    announce: Callable[[str], None],
) -> None:
    """Serves the page until it is interrupted.

    Args:
        workspace: What it answers from.
        host: Where to listen.
        port: The port; 0 for any that is free.
        token: What a browser has to show; None for a new one, which is allowed on loopback alone.
        announce: Is given the address, once the page can be opened.

    Raises:
        InvalidInputError: The host needs a token, or cannot be listened on.
    """
    import uvicorn

    from tf_metammf.explorer.access import is_loopback, new_token
    from tf_metammf.explorer.application import make_application

    if token is None and not is_loopback(host):
        raise InvalidInputError(
            f"--host {host} lets other machines in: give --token as well, a word of at least 16 characters that only "
            "those know who may look."
        )
    if token is not None and len(token) < 16:
        raise InvalidInputError(f"--token has {len(token)} characters, expected at least 16.")
    token = new_token() if token is None else token
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    application = make_application(workspace, token=token, host=host, port=port)
    shown = f"[{host}]" if ":" in host else host
    configuration = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        timeout_graceful_shutdown=2,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    workspace.watch()
    announce(f"http://{shown}:{port}/?token={token}")
    try:
        uvicorn.Server(configuration).run(sockets=[listening])
    finally:
        workspace.close()
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except (OSError, OverflowError) as error:
        raise InvalidInputError(
            f"--host {host} --port {port} cannot be listened on ({error}). Choose others."
        ) from error
    return listening
