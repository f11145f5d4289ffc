"""What a command tells besides its results: log lines on stderr, with time and level."""

import logging
import os
import sys
import warnings
from typing import Any

from jsonargparse import ArgumentParser

FORMAT = "%(asctime)s %(levelname)-7s %(message)s"


def add_verbosity(parser: ArgumentParser) -> None:
    """Adds ``--quiet`` and ``--verbose`` to a command."""
    parser.add_argument("--quiet", action="store_true", help="Only results and warnings.")
    parser.add_argument("--verbose", action="store_true", help="Also details, and what TensorFlow says.")


def begin_log(*, quiet: bool, verbose: bool, propagate: bool = True) -> None:
    """Sends the log lines of the package to stderr.

    Results go to stdout, so that they can be piped. Warnings that the package gives by Python's ``warnings``
    become log lines, too.

    Args:
        quiet: Only warnings and what is worse.
        verbose: Details, too, and TensorFlow's own log, of which nothing is shown otherwise.
        propagate: Whether handlers of the root logger get the lines, too. A program of its own has none but those that
            TensorFlow may put there, which would print every line twice.
    """
    logger = logging.getLogger("tf_metammf")
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    for handler in [handler for handler in logger.handlers if isinstance(handler, _StandardError)]:
        logger.removeHandler(handler)
    handler = _StandardError()
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    logger.propagate = propagate
    if verbose:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")
    warnings.showwarning = _log_warning


class _StandardError(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what stderr is at the moment."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _log_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    logging.getLogger("tf_metammf").warning("%s", " ".join(str(message).split()))
