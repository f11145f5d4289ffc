"""A load test of an exported model: several clients at a time, for a bounded time and number of requests."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_metammf.errors import InvalidInputError, MetaMMFError, one_line
from tf_metammf.export.client import Client
from tf_metammf.export.request_mix import RequestMix
from tf_metammf.export.serving_error import INVALID_ARGUMENT, ServingError

PERCENTILES = (50, 95, 99)

LARGEST_CLIENTS, LARGEST_SECONDS = 256, 3600.0


@dataclass(frozen=True)
class Load:
    """How much is asked. Whichever bound is reached first ends the test.

    Attributes:
        clients: Requests at a time: each client sends one after the other, without a pause. Defaults to 4.
        seconds: Time at most. Defaults to 30.
        requests: Requests at most, of all clients together. Defaults to 10,000.
        seed: Seed of what is asked. Defaults to 0.

    Raises:
        InvalidInputError: A number is out of its bounds.
    """

    clients: int = 4
    seconds: float = 30.0
    requests: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.clients <= LARGEST_CLIENTS:
            raise InvalidInputError(f"clients is {self.clients}, expected 1 to {LARGEST_CLIENTS}.")
        if not 0 < self.seconds <= LARGEST_SECONDS:
            raise InvalidInputError(f"seconds is {self.seconds}, expected above 0 and at most {LARGEST_SECONDS:.0f}.")
        if self.requests < 1:
            raise InvalidInputError(f"requests is {self.requests}, expected at least 1.")
        if self.seed < 0:
            raise InvalidInputError(f"seed is {self.seed}, expected at least 0.")


@dataclass(frozen=True)
class Latencies:
    """What became of the requests of a kind.

    Attributes:
        answered: Requests that were answered.
        errors: Requests that were not.
        percentiles_ms: Milliseconds by percentile, of those that were answered; None where fewer were answered than
            the percentile needs: 100 for p99, 20 for p95, 2 for p50.
        largest_ms: The longest answer; None without an answer.
    """

    answered: int
    errors: int
    percentiles_ms: dict[int, float | None]
    largest_ms: float | None

    @classmethod
    def of(cls, seconds: Sequence[float], *, errors: int) -> "Latencies":
        """Of the seconds that answers took."""
        milliseconds = 1e3 * np.asarray(seconds, np.float64)
        found = {
            percentile: float(np.percentile(milliseconds, percentile))
            if len(milliseconds) * (100 - percentile) >= 100
            else None
            for percentile in PERCENTILES
        }
        return cls(len(milliseconds), errors, found, float(milliseconds.max()) if len(milliseconds) else None)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "answered": self.answered,
            "errors": self.errors,
            **{f"p{percentile}_ms": value for percentile, value in self.percentiles_ms.items()},
            "largest_ms": self.largest_ms,
        }


@dataclass(frozen=True)
class LoadReport:
    """What a load test measured. Times are those of the client: the network and its own work included.

    Attributes:
        model: The model and where it is.
        versions: Versions that were available before and after the test.
        seconds: From the first to the last request.
        requests_per_second: Answered requests.
        all: All requests together.
        kinds: By kind of request.
        failures: Number of errors by code and kind, such as ``"UNAVAILABLE, recommend"``, each with the first message.
    """

    model: str
    versions: list[int]
    seconds: float
    requests_per_second: float
    all: Latencies
    kinds: dict[str, Latencies]
    failures: dict[str, tuple[int, str]]

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "model": self.model,
            "versions": self.versions,
            "seconds": self.seconds,
            "requests_per_second": self.requests_per_second,
            "all": self.all.as_json(),
            "kinds": {kind: latencies.as_json() for kind, latencies in self.kinds.items()},
            "failures": {name: {"count": count, "first": message} for name, (count, message) in self.failures.items()},
        }


def load_test(connect: Callable[[], Client], mix: RequestMix, load: Load) -> LoadReport:
    """Sends mixed requests from several threads, and measures each.

    Before the measurement every client sends one request of each kind, which is not counted. Requests are not repeated
    if the clients' :class:`tf_metammf.export.Retries` have a count of 0.

    Args:
        connect: Called once a client; may return the same client each time, which is then closed once.
        mix: What is asked.
        load: How much is asked.

    Raises:
        InvalidInputError: The model does not answer a kind of request.
        ServingError: The server did not answer before the measurement began.
    """
    clients = [connect() for _ in range(load.clients)]
    try:
        shares = mix.shares_for(clients[0])
        before = _versions(clients[0])
        threads = [
            _Thread(client, mix, shares, np.random.default_rng([load.seed, number]))
            for number, client in enumerate(clients)
        ]
        threads[0].warm_up()
        seconds = _run(threads, load)
        versions = sorted({*before, *_versions(clients[0])})
    finally:
        for client in {id(client): client for client in clients}.values():
            client.close()
    answers = {kind: [time for each in threads for time in each.answers[kind]] for kind in shares}
    failures = [failure for each in threads for failure in each.failures]
    errors = Counter(kind for kind, _, _ in failures)
    together = [time for times in answers.values() for time in times]
    return LoadReport(
        model=clients[0].name,
        versions=versions,
        seconds=seconds,
        requests_per_second=len(together) / seconds,
        all=Latencies.of(together, errors=len(failures)),
        kinds={kind: Latencies.of(answers[kind], errors=errors[kind]) for kind in shares},
        failures=_by_code(failures),
    )


def _run(threads: "Sequence[_Thread]", load: Load) -> float:
    """Lets all threads ask at a time; returns the seconds that took."""
    numbers, stop = itertools.count(), threading.Event()
    with ThreadPoolExecutor(len(threads)) as pool:
        try:
            for warm in [pool.submit(each.warm_up) for each in threads[1:]]:
                warm.result()
            started = time.monotonic()
            asking = [
                pool.submit(
                    each.ask,
                    lambda: (
                        not stop.is_set()
                        and time.monotonic() - started < load.seconds
                        and next(numbers) < load.requests
                    ),
                )
                for each in threads
            ]
            for each in asking:
                each.result()
            return time.monotonic() - started
        except BaseException:
            stop.set()
            raise


class _Thread:
    """One client: sends one request after the other."""

    def __init__(self, client: Client, mix: RequestMix, shares: dict[str, float], random: np.random.Generator) -> None:
        self._random = random
        self._senders = mix.senders(client, random)
        self._kinds, self._shares = list(shares), list(shares.values())
        self.answers: dict[str, list[float]] = {kind: [] for kind in shares}
        self.failures: list[tuple[str, str, str]] = []

    def warm_up(self) -> None:
        """Sends one request of each kind."""
        for kind in self._kinds:
            try:
                self._senders[kind]()
            except InvalidInputError as error:
                others = ", ".join(each for each in self._kinds if each != kind)
                raise InvalidInputError(
                    f'the kind of request "{kind}" is refused: {one_line(error)} Leave it out: ask for {others}.'
                ) from error

    def ask(self, goes_on: Callable[[], bool]) -> None:
        """Sends requests for as long as it may."""
        while goes_on():
            kind = str(self._random.choice(self._kinds, p=self._shares))
            started = time.perf_counter()
            try:
                self._senders[kind]()
            except MetaMMFError as error:
                code = error.code if isinstance(error, ServingError) else INVALID_ARGUMENT
                self.failures.append((kind, code, one_line(error)))
            else:
                self.answers[kind].append(time.perf_counter() - started)


def _versions(client: Client) -> list[int]:
    return [status.version for status in client.status() if status.state == "AVAILABLE"]


def _by_code(failures: Sequence[tuple[str, str, str]]) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for kind, code, message in failures:
        count, first = found.get(f"{code}, {kind}", (0, message))
        found[f"{code}, {kind}"] = (count + 1, first)
    return found
