"""Worker processes that decode files side by side; one that dies costs the file it was decoding."""

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from tf_metammf.records.media.decoding.limits import Limits
from tf_metammf.records.media.decoding.requests import Decoded, DecodeRequest, failed
from tf_metammf.records.media.decoding.worker import WORK, start_worker

_GRACE_SECONDS = 5.0
"""A worker looks at the clock itself; this is for one that is stuck inside the decoder."""
_POLL_SECONDS = 0.05

Answer = tuple[Hashable, Decoded]


class DecodingPool:
    """Decodes files in separate processes while the caller does something else.

    Processes begin empty, without the threads and the memory of this one. A process that dies is replaced.

    Args:
        workers: Number of processes.
        limits: What a file may take.
        work: ``module:function`` that a process runs; another one in tests.
    """

    def __init__(self, workers: int, limits: Limits, *, work: str = WORK) -> None:
        self._limits = limits
        self._work = work
        self._waiting: queue.SimpleQueue[tuple[Hashable, DecodeRequest]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()
        self._unanswered = 0
        self._ends = threading.Event()
        self._workers = [_Worker() for _ in range(workers)]
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)

    def __enter__(self) -> "DecodingPool":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    @property
    def unanswered(self) -> int:
        """Requests whose answers were not fetched yet; whoever submits keeps it small."""
        return self._unanswered

    def submit(self, key: Hashable, request: DecodeRequest) -> None:
        """Asks for a file to be decoded.

        Args:
            key: What the answer comes back with.
            request: What is wanted.
        """
        self._unanswered += 1
        self._waiting.put((key, request))

    def answers(self, *, until: int = 0) -> Iterator[Answer]:
        """Gives answers, in the order in which they come, until at most ``until`` are left."""
        while self._unanswered > until:
            answer = self._answers.get()
            if isinstance(answer, BaseException):
                raise answer
            self._unanswered -= 1
            yield answer

    def _run(self) -> None:
        try:
            while not self._ends.is_set():
                self._hand_out()
                self._collect()
        except BaseException as error:  # the caller waits for an answer, and this is one
            self._answers.put(error)
        finally:
            for worker in self._workers:
                worker.end(kill=worker.key is not None)

    def _hand_out(self) -> None:
        """Gives every idle worker a file; waits for one shortly if nothing is going on."""
        for worker in self._workers:
            if worker.key is not None:
                continue
            nothing_runs = all(other.key is None for other in self._workers)
            try:
                worker.key, worker.request = self._waiting.get(timeout=_POLL_SECONDS if nothing_runs else 0)
            except queue.Empty:
                return
            if not worker.is_alive:
                worker.start(self._limits, self._work)
            worker.deadline = time.monotonic() + self._limits.seconds + _GRACE_SECONDS
            with suppress(OSError):  # it died while it was idle; that is seen when its answer is awaited
                worker.connection.send(worker.request)

    def _collect(self) -> None:
        """Takes the answers that are there, and does away with workers that are dead or late."""
        busy = {worker.connection: worker for worker in self._workers if worker.key is not None}
        ready = wait(list(busy), timeout=_POLL_SECONDS) if busy else []
        now = time.monotonic()
        for connection, worker in busy.items():
            if connection in ready:
                try:
                    self._answer(worker, connection.recv())
                except (EOFError, OSError):
                    request, died = worker.request, worker.end()
                    self._answer(worker, failed(request, f"made the decoder crash ({died})"))
            elif now > worker.deadline:
                request = worker.request
                worker.end(kill=True)
                self._answer(worker, failed(request, f"takes more than {self._limits.seconds:g} s to decode"))

    def _answer(self, worker: "_Worker", decoded: Decoded) -> None:
        self._answers.put((worker.key, decoded))
        worker.key = None


@dataclass
class _Worker:
    """A process and the file that it decodes."""

    process: Any = None
    connection: Any = None
    key: Hashable | None = None
    request: DecodeRequest = field(default_factory=lambda: DecodeRequest(""))
    deadline: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, limits: Limits, work: str) -> None:
        self.end()
        self.process, self.connection = start_worker(limits, work)

    def end(self, *, kill: bool = False) -> str:
        """Ends the process, if it runs, and says how it ended."""
        if self.process is None:
            return "it did not start"
        self.connection.close()  # an idle process ends by itself then
        if not kill:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=1)
        self.process.kill()
        code, self.process = self.process.wait(), None
        with suppress(ValueError):
            return signal.Signals(-code).name
        return f"exit code {code}"
