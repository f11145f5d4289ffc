"""The way to a model, by its address."""

from pathlib import Path
from urllib.parse import urlsplit

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.endpoint import Endpoint, ModelSpec

SERVERS = "http://HOST:PORT or grpc://HOST:PORT"
"""Addresses of servers, for messages."""


def open_endpoint(address: str | Path, model: ModelSpec) -> Endpoint:
    """The endpoint for an address.

    Args:
        address: ``http://HOST:PORT`` is a server's REST port, ``grpc://HOST:PORT`` its gRPC port, and what has no
            ``://`` in it a folder that ``tf-metammf export`` wrote. A ``Path`` is always a folder.
        model: The model and its version.

    Returns:
        An endpoint. A folder is loaded; to a server nothing is sent yet.

    Raises:
        InvalidInputError: The address is none of these, or the folder cannot be loaded.
    """
    if isinstance(address, Path) or "://" not in address:
        return _folder(address, model)
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("http", "grpc") or parts.query or parts.fragment:
        raise InvalidInputError(f'endpoint is "{address}", expected {SERVERS}, or a folder.')
    if parts.scheme == "http":
        from tf_metammf.export.rest_endpoint import RestEndpoint

        return RestEndpoint(address, host, port, model, prefix=parts.path.rstrip("/"))
    if parts.path.strip("/"):
        raise InvalidInputError(f'endpoint is "{address}", expected grpc://HOST:PORT without a path.')
    from tf_metammf.export.grpc_endpoint import GrpcEndpoint

    return GrpcEndpoint(address, host, port, model)


def _folder(address: str | Path, model: ModelSpec) -> Endpoint:
    folder = Path(address)
    if isinstance(address, str) and not folder.is_dir():
        raise InvalidInputError(
            f'{address}: is not a folder. Make an export with "tf-metammf export", or give the address of a server: '
            f"{SERVERS}."
        )
    from tf_metammf.export.saved_model_endpoint import SavedModelEndpoint

    return SavedModelEndpoint(folder, model)
