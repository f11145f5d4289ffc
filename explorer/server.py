"""Serves the page."""

import logging
import socket

from tf_metammf.errors import InvalidInputError
from tf_metammf.explorer.access import is_loopback, new_token
from tf_metammf.explorer.application import make_application
from tf_metammf.explorer.workspace import Workspace

MOST_HEADER_BYTES = 2**20
"""Of an address and headers: an id of 4,000 characters may be ten times as many bytes in an address."""

SHORTEST_TOKEN = 16


class ExplorerServer:
    """The page at an address.

    The port is taken by the constructor, so that the address is known before anything is answered.

    Args:
        workspace: What it answers from.
        host: Where to listen. Defaults to loopback.
        port: The port; 0, the default, for any that is free.
        token: What a browser has to show; None for a new one, which is allowed on loopback alone.

    Attributes:
        address: Where to open it, with the token.
        token: The token.

    Raises:
        InvalidInputError: The host needs a token, the token is too short, or the port cannot be listened on.
    """

    def __init__(
        self, workspace: Workspace, *, host: str = "127.0.0.1", port: int = 0, token: str | None = None
    ) -> None:
        import uvicorn

        check_access(host, token)
        self.token = new_token() if token is None else token
        self._workspace, self._stopped = workspace, False
        self._socket = _listen(host, port)
        port = self._socket.getsockname()[1]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/?token={self.token}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_application(workspace, token=self.token, host=host, port=port),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                h11_max_incomplete_event_size=MOST_HEADER_BYTES,
                timeout_graceful_shutdown=2,
            )
        )

    def run(self) -> None:
        """Serves until :meth:`stop`.

        Raises:
            KeyboardInterrupt: The process was interrupted.
        """
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._workspace.watch()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._workspace.close()
            self._socket.close()
        if not self._stopped:  # uvicorn may end quietly when it is interrupted
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Ends :meth:`run` in another thread."""
        self._stopped = True
        self._server.should_exit = True


def check_access(host: str, token: str | None) -> None:
    """Refuses to serve other machines without a token.

    Raises:
        InvalidInputError: The host is beyond loopback and there is no token, or the token can be guessed.
    """
    if token is None and not is_loopback(host):
        raise InvalidInputError(
            f"--host {host} lets other machines in: give --token as well, at least {SHORTEST_TOKEN} characters that "
            "only those know who may look."
        )
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise InvalidInputError(
            f"--token has {len(token)} characters, expected at least {SHORTEST_TOKEN}, all of them printable ASCII."
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except (OSError, OverflowError) as error:
        raise InvalidInputError(
            f"--host {host} --port {port}: cannot be listened on ({error}). Choose others."
        ) from error
    return listening
