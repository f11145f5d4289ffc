"""Options of commands that query a server: which one, which version, and how it is reached."""

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_metammf.errors import InvalidInputError

if TYPE_CHECKING:
    from tf_metammf.export.client import Client
    from tf_metammf.export.retries import Retries

_OF_CONNECTIONS = ("ca_file", "certificate_file", "key_file", "token_file", "token_variable", "headers_file", "proxy")
_OF_SERVERS = ("label", *_OF_CONNECTIONS)


def add_client_arguments(parser: ArgumentParser) -> None:
    """Adds the options that say where the model is."""
    parser.add_argument(
        "--model",
        type=str,
        help="The export: the folder of all versions or one version; with --endpoint the name of the model "
        'on the server, by default "model".',
    )
    parser.add_argument(
        "--endpoint",
        type=str,
        help="Query a server: http://HOST:PORT or https://HOST (REST), grpc://HOST:PORT or grpcs://HOST (gRPC).",
    )
    parser.add_argument("--version", type=int, help="Number of the version to query; by default the newest.")
    add_connection_arguments(parser)


def add_connection_arguments(parser: ArgumentParser) -> None:
    """Adds the options that say which version of a served model is queried, and how the server is reached."""
    parser.add_argument("--label", type=str, help="Label of the version to query, such as canary; of a server.")
    parser.add_argument("--timeout", type=float, default=10.0, help="Seconds to wait for the server.")
    parser.add_argument("--ca_file", type=Path, help="PEM file of the authorities that sign the server's certificate.")
    parser.add_argument("--certificate_file", type=Path, help="PEM file of the client's certificate.")
    parser.add_argument("--key_file", type=Path, help="PEM file of its key, if --certificate_file has none.")
    parser.add_argument("--token_file", type=Path, help="File of a bearer token.")
    parser.add_argument("--token_variable", type=str, help="Environment variable of a bearer token.")
    parser.add_argument("--headers_file", type=Path, help='File of headers to send, "NAME: VALUE" in every line.')
    parser.add_argument(
        "--proxy", type=str, help="http://HOST:PORT of a proxy; by default that of the environment, if there is one."
    )


def client_of(arguments: Namespace, *, retries: "Retries | None" = None) -> "Client":
    """A client of the server, or of the folder in this process, which imports TensorFlow.

    Args:
        arguments: The options of :func:`add_client_arguments`.
        retries: How requests to a server are repeated; None for the default.

    Raises:
        InvalidInputError: Neither a folder nor a server is given, or an option that does not go with it.
    """
    if arguments.model is None and arguments.endpoint is None:
        raise InvalidInputError("missing: model, or endpoint. See --help.")
    if arguments.endpoint is None:
        for name in _OF_SERVERS:
            if arguments[name] is not None:
                raise InvalidInputError(f"--{name} is for a server: give --endpoint, or leave it out.")
        from tf_metammf.commands.tensorflow import import_tensorflow

        import_tensorflow(keras=False)
        from tf_metammf.export.client import Client

        return Client(Path(arguments.model), version=arguments.version)
    return client_of_server(arguments, arguments.model, version=arguments.version, retries=retries)


def client_of_server(
    arguments: Namespace, model: str | None, *, version: int | None = None, retries: "Retries | None" = None
) -> "Client":
    """A client of the server that ``--endpoint`` names.

    Args:
        arguments: The options of :func:`add_connection_arguments`, and ``--endpoint``.
        model: The name of the model on the server; None for the default.
        version: Number of the version.
        retries: How requests are repeated; None for the default.

    Raises:
        InvalidInputError: The endpoint is no address of a server, or an option does not go with it.
    """
    from tf_metammf.export.client import Client
    from tf_metammf.export.connection import Connection
    from tf_metammf.export.served_model import DEFAULT_MODEL
    from tf_metammf.export.server_address import EXPECTED

    if "://" not in arguments.endpoint:
        raise InvalidInputError(f'--endpoint is "{arguments.endpoint}", expected {EXPECTED}. A folder is for --model.')
    return Client(
        arguments.endpoint,
        model or DEFAULT_MODEL,
        version=version,
        label=arguments.label,
        timeout=arguments.timeout,
        retries=retries,
        connection=Connection(**{name: arguments[name] for name in _OF_CONNECTIONS}),
    )
