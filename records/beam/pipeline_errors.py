"""Errors of pipelines as users see them: one line, whatever the runner wraps them in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tf_metammf.errors import InvalidInputError

_USER_ERROR = re.compile(r"InvalidInputError: (.*?)(?: \[while running|\n\s*\n|\nTraceback|\Z)", re.DOTALL)


def require_beam() -> None:
    """Refuses to begin without Apache Beam.

    Raises:
        InvalidInputError: It is not installed.
    """
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "a pipeline needs Apache Beam, which is not installed. Install the extra in a separate environment, "
            "because Beam needs protobuf 6: pip install 'tf-metammf[beam]'."
        ) from error


@contextmanager
def user_errors() -> Iterator[None]:
    """Errors of ours that a runner wrapped in its own, unwrapped."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(str(error).partition(" [while running")[0]) from error
    except Exception as error:
        found = _USER_ERROR.search(str(error))
        if found is None:
            raise
        raise InvalidInputError(" ".join(found[1].split()).strip("'\"")) from error
