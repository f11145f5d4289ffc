"""The way to a model, by its address."""

from pathlib import Path

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.connection import Connection
from tf_metammf.export.endpoint import Endpoint, ModelSpec
from tf_metammf.export.server_address import EXPECTED, server_address


def open_endpoint(address: str | Path, model: ModelSpec, connection: Connection | None = None) -> Endpoint:
    """The endpoint for an address.

    Args:
        address: ``http://`` and ``https://`` for a server's REST port, ``grpc://`` and ``grpcs://`` for its gRPC port;
            what has no ``://`` in it is a folder that ``tf-metammf export`` wrote. A ``Path`` is always a folder.
        model: The model and its version.
        connection: How a server is reached.

    Returns:
        An endpoint. A folder is loaded; to a server nothing is sent yet.

    Raises:
        InvalidInputError: The address is none of these, the folder cannot be loaded, or the connection lacks
            something.
    """
    if isinstance(address, Path) or "://" not in address:
        return _folder(address, model, connection)
    parts = server_address(address)
    if parts.scheme in ("http", "https"):
        from tf_metammf.export.rest_endpoint import RestEndpoint

        return RestEndpoint(parts, model, connection or Connection())
    from tf_metammf.export.grpc_endpoint import GrpcEndpoint

    return GrpcEndpoint(parts, model, connection or Connection())


def _folder(address: str | Path, model: ModelSpec, connection: Connection | None) -> Endpoint:
    folder = Path(address)
    if connection is not None:
        raise InvalidInputError(f"{address}: is a folder in this process, and connection is for servers.")
    if isinstance(address, str) and not folder.is_dir():
        raise InvalidInputError(
            f'{address}: is not a folder. Make an export with "tf-metammf export", or give the address of a server: '
            f"{EXPECTED}."
        )
    try:
        from tf_metammf.export.saved_model_endpoint import SavedModelEndpoint
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            f"{address}: a folder is loaded by TensorFlow, which is not installed here ({error.name}). Install "
            "tf-metammf with its dependencies, or query a server."
        ) from None
    return SavedModelEndpoint(folder, model)
