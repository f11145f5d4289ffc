"""Processes of a distributed training on loopback."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from preloaded_process import PreloadedProcess


@contextmanager
def cluster(
    words: Sequence[str | Path], addresses: Mapping[str, list[str]], *, folder: Path
) -> Iterator[dict[tuple[str, int], PreloadedProcess]]:
    """Starts a process with these words for every address; those still running at the end are killed."""
    with ExitStack() as stack:
        started = {}
        for role, listed in addresses.items():
            for index in range(len(listed)):
                started[role, index] = start(words, addresses, role, index, folder=folder)
                stack.callback(started[role, index].kill)
        yield started


def start(
    words: Sequence[str | Path], addresses: Mapping[str, list[str]], role: str, index: int, *, folder: Path
) -> PreloadedProcess:
    """Starts one process of a cluster; what it prints goes to ``ROLE-INDEX.out`` and ``.err`` in the folder."""
    task = {"type": role, "index": index}
    environment = {**os.environ, "TF_CONFIG": json.dumps({"cluster": dict(addresses), "task": task})}
    out, err = (folder / f"{role}-{index}.{stream}" for stream in ("out", "err"))
    return PreloadedProcess(words, environment=environment, folder=folder, out=out, err=err)


def addresses_of(roles: Mapping[str, int]) -> dict[str, list[str]]:
    """An address on loopback for every process."""
    ports = iter(free_ports(sum(roles.values())))
    return {role: [f"localhost:{next(ports)}" for _ in range(count)] for role, count in roles.items()}


def wait_until(condition: Callable[[], bool], *, seconds: float = 600) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports at which nothing listens."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
