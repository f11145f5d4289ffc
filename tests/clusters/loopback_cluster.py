"""Processes of a distributed training on loopback."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def cluster(
    command: Sequence[str], roles: Mapping[str, int], *, folder: Path
) -> Iterator[dict[tuple[str, int], subprocess.Popen]]:
    """Starts the command once for every process; whoever is still there in the end is killed.

    What they print goes to ``ROLE-INDEX.out`` and ``.err`` in the folder.
    """
    ports = iter(free_ports(sum(roles.values())))
    addresses = {role: [f"localhost:{next(ports)}" for _ in range(count)] for role, count in roles.items()}
    with ExitStack() as stack:
        started = {}
        for role, listed in addresses.items():
            for index in range(len(listed)):
                task = {"type": role, "index": index}
                environment = {**os.environ, "TF_CONFIG": json.dumps({"cluster": addresses, "task": task})}
                out, err = (
                    stack.enter_context((folder / f"{role}-{index}.{name}").open("w")) for name in ("out", "err")
                )
                started[role, index] = subprocess.Popen(
                    command, env=environment, stdout=out, stderr=err, cwd=folder, start_new_session=True
                )
                stack.callback(started[role, index].kill)
        yield started


def wait_until(condition: Callable[[], bool], *, seconds: float = 90) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
