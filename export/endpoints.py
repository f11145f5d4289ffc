"""The way to a model on a server, by its URL."""

from urllib.parse import urlsplit

from tf_metammf.errors import InvalidInputError
from tf_metammf.export.endpoint import Endpoint, ModelSpec


def open_endpoint(url: str, model: ModelSpec) -> Endpoint:
    """The endpoint for a URL: ``http://HOST:PORT`` is REST, ``grpc://HOST:PORT`` gRPC. Nothing is sent yet.

    Raises:
        InvalidInputError: The URL is neither.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("http", "grpc") or parts.query or parts.fragment:
        raise InvalidInputError(f'endpoint is "{url}", expected http://HOST:PORT or grpc://HOST:PORT.')
    if parts.scheme == "http":
        from tf_metammf.export.rest_endpoint import RestEndpoint

        return RestEndpoint(url, host, port, model, prefix=parts.path.rstrip("/"))
    if parts.path.strip("/"):
        raise InvalidInputError(f'endpoint is "{url}", expected grpc://HOST:PORT without a path.')
    from tf_metammf.export.grpc_endpoint import GrpcEndpoint

    return GrpcEndpoint(url, host, port, model)
