"""Errors of a server, and of the way to it."""

import re

from tf_metammf.errors import InvalidInputError, MetaMMFError

UNAVAILABLE = "UNAVAILABLE"
DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
INVALID_ARGUMENT = "INVALID_ARGUMENT"
UNAUTHENTICATED = "UNAUTHENTICATED"

_ADVICE = {
    UNAVAILABLE: "Check that the server runs and listens there.",
    DEADLINE_EXCEEDED: "Allow more time, or send smaller requests.",
    UNAUTHENTICATED: "Check the certificates of both sides, the name of the host, and the token.",
    "NOT_FOUND": "Check which models and versions the server has.",
}


class ServingError(MetaMMFError):
    """A server did not answer, or answered that it cannot.

    Attributes:
        code: As gRPC names it: ``"UNAVAILABLE"``, ``"NOT_FOUND"``, ``"DEADLINE_EXCEEDED"``, …
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def serving_error(endpoint: str, code: str, reason: str) -> MetaMMFError:
    """The error to raise for a failed request.

    Args:
        endpoint: Where it was sent.
        code: Code as gRPC names it.
        reason: What the server said, or the operating system.

    Returns:
        :class:`InvalidInputError` for ``INVALID_ARGUMENT``, as a model in this process raises it; else
        :class:`ServingError`.
    """
    # What an assertion of the graph says stands between where in the graph it is.
    assertion = re.search(r"assertion failed: \[(.*?)\](?: *\n|$| \[\[)", reason, re.DOTALL)
    text = " ".join((assertion[1] if assertion else reason).split()) or "no reason given"
    if code == INVALID_ARGUMENT:
        return InvalidInputError(f"{endpoint}: {text}")
    return ServingError(code, f"{endpoint}: {code}: {text.rstrip('.')}. {_ADVICE.get(code, '')}".rstrip())
