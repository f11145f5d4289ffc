"""Mixed requests from several processes to a model server, while it moves to new versions twice.

    python -m benchmarks.serving_load [--seconds 120] [--clients 4] [--quick]

Exports an untrained model of 20,000 users and 20,000 items and serves it on loopback: by a real server where there is
one (TF_SERVING_BINARY, tensorflow_model_server on the path, or Docker with the image), else by the stand-in of the test
suite, which is a Python program around a TensorFlow session; the output says which, and the numbers are that server's.
Half of the clients ask over REST, half over gRPC, each one request after the other without a pause and without
retries, so that every failure counts. After a third and two thirds of the time a new version appears and the old one
is deleted. The memory of the server is read every second.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.report import print_table, write_report
from tf_metammf.export import Client, Retries, delete_old_versions
from tf_metammf.records.staging import staged_directory

sys.path.append(str(Path(__file__).parents[1] / "tests" / "export" / "model_servers"))

USERS, ITEMS = 20_000, 20_000
WIDTHS = {"acoustic": 64, "visual": 128}
SHARES = {
    "recommend, 1 user": 0.5,
    "serving_default, 1 user": 0.2,
    "recommend, 16 users": 0.1,
    "similar_items, 4 items": 0.1,
    "encode_items, 4 items": 0.05,
    "recommend_new_items, 2 users, 4 items": 0.05,
}
TIMEOUT = 30.0
SETTLING = 3.0
"""Seconds after a new version in which the memory of the old one may still be there."""


def main() -> None:
    """Measures, prints the tables and writes ``results/serving_load.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="30 seconds; writes nothing.")
    arguments = parser.parse_args()
    seconds = 30.0 if arguments.quick else arguments.seconds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "models"
        export(folder)
        result = measure(folder, seconds=seconds, clients=arguments.clients)
    print(f"server: {result['server']}")
    rows = [[name, *row.values()] for name, row in result["requests"].items()]
    print_table(f"{result['requests_per_second']:.1f} requests/s", ["request", "answered", "p50, ms", "p99, ms"], rows)
    memory = result["memory"]
    if memory is not None:
        print(
            f"memory of the server, MB: {memory['first']:.0f} to {memory['last']:.0f}, largest {memory['largest']:.0f}"
        )
        print(f"after the last new version: {memory['slope_per_minute']:+.2f} MB a minute")
    print(f"new versions served after {', '.join(f'{value:.1f}' for value in result['seconds_to_new_version'])} s")
    print(f"failed: {len(result['failures'])}", *result["failures"][:5], sep="\n")
    if not arguments.quick:
        settings = {"seconds": seconds, "clients": arguments.clients, "users": USERS, "items": ITEMS, "widths": WIDTHS}
        write_report("serving_load", {"settings": {**settings, "shares": SHARES}, **result})
    if result["failures"]:
        sys.exit(1)


def export(folder: Path) -> None:
    """Version 1: an untrained model with warm-up requests."""
    from tf_metammf.export.sample_requests import SampleRequests
    from tf_metammf.export.saved_model import export_model
    from tf_metammf.export.serving_assets import write_serving_assets
    from tf_metammf.model import MetaMMF
    from tf_metammf.objectives.objectives import BPR

    random = np.random.default_rng(0)
    features = {name: random.normal(size=(ITEMS, width)).astype(np.float32) for name, width in WIDTHS.items()}
    seen = (np.repeat(np.arange(USERS), 10), random.integers(0, ITEMS, 10 * USERS))
    ids = {"user_ids": [f"u{user}" for user in range(USERS)], "item_ids": [f"v{item}" for item in range(ITEMS)]}
    model = MetaMMF(USERS, features, BPR(), fusion_options={"units": (64, 32)}, id_units=32)
    samples = SampleRequests(**ids, features=features, presence={})
    export_model(
        model,
        folder,
        **ids,
        seen=seen,
        write_assets=lambda version: write_serving_assets(version, samples, batching=False, provenance={}),
    )


def measure(folder: Path, *, seconds: float, clients: int) -> dict[str, Any]:
    """Serves the folder, asks for so long, and brings new versions meanwhile."""
    from server_process import STAND_IN, ServerProcess, real_server

    command = real_server() or STAND_IN
    name = "stand-in of the test suite, in Python" if command == STAND_IN else "tensorflow_model_server"
    context = multiprocessing.get_context("spawn")
    with ServerProcess(command, folder) as server, context.Pool(clients) as pool:
        together = context.Manager().Barrier(clients + 1)
        schemes = ["http" if client % 2 else "grpc" for client in range(clients)]
        asking = [
            pool.apply_async(ask, (server.endpoint(scheme), together, seconds, seed))
            for seed, scheme in enumerate(schemes)
        ]
        together.wait(timeout=300)
        # The client of Docker is not the server.
        process = None if command[0].endswith("docker") else server.process.pid
        memory, swaps = watch(server, folder, process, seconds=seconds)
        answers = [answer.get(timeout=seconds + 2 * TIMEOUT) for answer in asking]
    return {
        "server": name,
        **summary([request for requests, _ in answers for request in requests], seconds),
        "failures": [failure for _, failures in answers for failure in failures],
        "seconds_to_new_version": [available for _, available in swaps],
        "memory": memory_summary(memory, after=sum(swaps[-1]) + SETTLING) if memory else None,
    }


def ask(endpoint: str, together: Any, seconds: float, seed: int) -> tuple[list[tuple[str, float]], list[str]]:
    """One client: kinds and seconds of the requests that were answered, and what was said of the others."""
    random = np.random.default_rng(seed)
    requests, failures = [], []
    with Client(endpoint, timeout=TIMEOUT, retries=Retries(count=0)) as client:
        kinds = questions(client, random)
        for question in kinds.values():
            question()
        together.wait(timeout=300)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            kind = str(random.choice(list(SHARES), p=list(SHARES.values())))
            started = time.perf_counter()
            try:
                kinds[kind]()
            except ValueError as error:
                failures.append(f"{kind}: {error}")
            else:
                requests.append((kind, time.perf_counter() - started))
    return requests, failures


def questions(client: Client, random: np.random.Generator) -> dict[str, Callable[[], Any]]:
    """Asks for other users and items each time, one in a hundred of them unknown."""

    def users(count: int) -> list[str]:
        return [f"u{user}" for user in random.integers(0, int(1.01 * USERS), count)]

    def items(count: int) -> list[str]:
        return [f"v{item}" for item in random.integers(0, int(1.01 * ITEMS), count)]

    def features() -> dict[str, Any]:
        return {name: random.normal(size=(4, width)) for name, width in WIDTHS.items()}

    return dict(
        zip(
            SHARES,
            (
                lambda: client.recommend(users(1)),
                lambda: client.predict("serving_default", {"user_id": users(1)}),
                lambda: client.recommend(users(16)),
                lambda: client.similar_items(items(4)),
                lambda: client.encode_items(features()),
                lambda: client.place_of_new_items(users(2), features()),
            ),
            strict=True,
        )
    )


def watch(
    server: Any, folder: Path, process: int | None, *, seconds: float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Memory in MB over time, and when each new version appeared and how long it took to be served."""
    started = time.monotonic()
    memory, swaps = [], []
    while (now := time.monotonic() - started) < seconds:
        if process is not None:
            memory.append((now, resident_megabytes(process)))
        if len(swaps) < 2 and now > seconds * (len(swaps) + 1) / 3:
            number = len(swaps) + 2
            with staged_directory(folder / str(number)) as version:
                shutil.copytree(folder / str(number - 1), version, dirs_exist_ok=True)
            appeared = time.monotonic() - started
            delete_old_versions(folder, keep=1)
            while not server.is_available(number):
                time.sleep(0.1)
            swaps.append((appeared, time.monotonic() - started - appeared))
        time.sleep(1.0)
    return memory, swaps


def resident_megabytes(process: int) -> float:
    """Resident memory of a process, without what is swapped out."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def memory_summary(memory: list[tuple[float, float]], *, after: float) -> dict[str, Any]:
    """First, last and largest, and the slope of a straight line through what follows the last new version."""
    times, values = np.transpose([point for point in memory if point[0] > after])
    slope = float(np.polyfit(times, values, 1)[0])
    all_values = [value for _, value in memory]
    return {
        "first": all_values[0],
        "last": all_values[-1],
        "largest": max(all_values),
        "slope_per_minute": 60 * slope,
        "slope_after_seconds": after,
        "every_second": [round(value, 1) for value in all_values],
    }


def summary(requests: list[tuple[str, float]], seconds: float) -> dict[str, Any]:
    """Numbers and percentiles of all requests and of every kind."""
    kinds = {"all": list(SHARES), **{kind: [kind] for kind in SHARES}}
    rows = {}
    for name, members in kinds.items():
        milliseconds = 1e3 * np.array([latency for kind, latency in requests if kind in members])
        p50, p99 = (float(np.percentile(milliseconds, share)) for share in (50, 99))
        rows[name] = {"answered": len(milliseconds), "p50_ms": p50, "p99_ms": p99}
    return {"requests": rows, "requests_per_second": len(requests) / seconds}


if __name__ == "__main__":
    main()
