"""Makes stdin, stdout and stderr usable, whatever the process was started with."""

import io
import os
import sys


def prepare_standard_streams() -> None:
    """Opens the streams that are closed, and lets stdout and stderr escape what their encoding lacks.

    A stream that was closed (``>&-``) is that of ``/dev/null``. Were its descriptor left free, the next file opened
    would get it, and with it what libraries write to stdout and stderr.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_stdout() -> None:
    """Sends what stdout still holds nowhere, so that Python does not complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def flush_stdout() -> None:
    """Writes what stdout still holds.

    Raises:
        OSError: The stream cannot be written: the disk is full or the reader has closed it.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from error
