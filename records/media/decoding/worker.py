"""The process that decodes: whatever a file does to it, it is only this process."""

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from tf_metammf.records.media.decoding.decoding import decode
from tf_metammf.records.media.decoding.limits import Limits

WORK = f"{__name__}:work"
"""What a process runs."""

# The main module of this process is not run again in the other, as multiprocessing does: it may import TensorFlow, and
# an unguarded one would start processes without end.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tf_metammf.records.media.decoding.worker import run
run(int(sys.argv[2]), sys.argv[3])
"""


def start_worker(limits: Limits, work: str = WORK) -> tuple["subprocess.Popen[bytes]", Connection]:
    """Starts a process that decodes.

    Args:
        limits: What a file may take.
        work: ``module:function`` that it runs; another one in tests.

    Returns:
        The process, and what takes its requests and gives its answers.
    """
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path), str(theirs.fileno()), work],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # One file after another; threads of libraries would only take memory.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    ours.send(limits)
    return process, ours


def run(descriptor: int, target: str) -> None:
    """What the process does: waits for the limits, and works."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    module, _, function = target.partition(":")
    connection = Connection(descriptor)
    getattr(importlib.import_module(module), function)(connection, connection.recv())


def work(connection: Connection, limits: Limits) -> None:
    """Answers requests until the other end is closed.

    Args:
        connection: Gives a :class:`tf_metammf.records.media.decoding.requests.DecodeRequest` each, and takes a
            :class:`tf_metammf.records.media.decoding.requests.Decoded`.
        limits: What a file may take.
    """
    import av.logging

    av.logging.set_level(av.logging.PANIC)  # what is wrong with a file goes into the answer
    limit_memory(limits.memory)
    while True:
        try:
            request = connection.recv()
            connection.send(decode(request, limits))
        except (EOFError, OSError):  # the other end is closed, or killed
            return


def limit_memory(megabytes: int) -> None:
    """Limits what this process may take from now on, and lets it leave no core file.

    Libraries reserve address space that they never use, so what is there at the start does not count.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
