"""The process that decodes: whatever a file does to it, it is only this process."""

import resource
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from tf_metammf.records.media.decoding.decoding import decode
from tf_metammf.records.media.decoding.limits import Limits


def work(connection: Connection, limits: Limits) -> None:
    """Answers requests until the other end is closed.

    Args:
        connection: Gives a :class:`tf_metammf.records.media.decoding.requests.DecodeRequest` each, and takes a
            :class:`tf_metammf.records.media.decoding.requests.Decoded`.
        limits: What a file may take.
    """
    import av.logging

    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file goes into the answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    limit_memory(limits.memory)
    while True:
        try:
            request = connection.recv()
        except (EOFError, OSError):  # the other end is closed, or killed
            return
        connection.send(decode(request, limits))


def limit_memory(megabytes: int) -> None:
    """Limits what this process may take from now on, and lets it leave no core file.

    Libraries reserve address space that they never use, so what is there at the start does not count.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
