"""What a request asks for: parameters of its address and of its JSON body, read and bounded."""

import io
import json
from typing import IO, Any

from starlette.requests import Request

from tf_metammf.errors import InvalidInputError

LONGEST_ID = 8192
MOST_IDS = 500
MOST_PLACES = 200


def text(request: Request, name: str, default: str = "") -> str:
    """A parameter as text.

    Raises:
        InvalidInputError: It is too long.
    """
    return _bounded(name, request.query_params.get(name, default))


def texts(request: Request, name: str) -> list[str]:
    """All values of a parameter that may be given several times.

    Raises:
        InvalidInputError: There are too many, or one is too long.
    """
    return _all_bounded(name, request.query_params.getlist(name))


def whole(request: Request, name: str, default: int, *, most: int = MOST_PLACES, least: int = 1) -> int:
    """A parameter as a whole number.

    Raises:
        InvalidInputError: It is not a number, or out of its range.
    """
    given = request.query_params.get(name)
    if given is None:
        return default
    try:
        value = int(given) if len(given) < 20 else None
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise InvalidInputError(f"{name} is {given[:20]!r}, expected a whole number from {least} to {most}.")
    return value


def is_set(request: Request, name: str) -> bool:
    """Whether a parameter is 1."""
    return request.query_params.get(name) == "1"


async def body(request: Request, *, most_bytes: int) -> dict[str, Any]:
    """The JSON object that a request carries.

    Raises:
        InvalidInputError: It carries something else, or too much.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidInputError("The request has to be JSON (Content-Type: application/json).")
    read = io.BytesIO()
    await save_body(request, read, most_bytes=most_bytes)
    try:
        found = json.loads(read.getvalue())
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("The request is not JSON.") from error
    if not isinstance(found, dict):
        raise InvalidInputError("The request has to be a JSON object.")
    return found


async def save_body(request: Request, file: IO[bytes], *, most_bytes: int) -> None:
    """Writes what a request carries into a file, as it comes.

    Raises:
        InvalidInputError: It carries too much.
    """
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise InvalidInputError(f"The request is larger than {most_bytes // 2**20} MiB.")
        file.write(part)


def ids(content: dict[str, Any], name: str) -> list[str]:
    """A list of ids in a JSON object; none where it is left out.

    Raises:
        InvalidInputError: It is something else, or too long.
    """
    found = content.get(name, [])
    if not isinstance(found, list) or not all(isinstance(raw, str) for raw in found):
        raise InvalidInputError(f"{name} has to be a list of ids.")
    return _all_bounded(name, found)


def _all_bounded(name: str, values: list[str]) -> list[str]:
    if len(values) > MOST_IDS:
        raise InvalidInputError(f"{name} has {len(values)} values, expected at most {MOST_IDS}.")
    return [_bounded(name, value) for value in values]


def _bounded(name: str, value: str) -> str:
    if len(value) > LONGEST_ID:
        raise InvalidInputError(f"{name} has {len(value)} characters, expected at most {LONGEST_ID}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{name} is not UTF-8 text.") from None
    return value
