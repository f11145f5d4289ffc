"""Training over one, two and four worker processes on one record set whose features are streamed.

    python -m benchmarks.workers [--items 60000] [--epochs 3]

The features, items x 512 floats, are larger than ``training.feature_budget_gb`` allows a worker, so every worker reads
those of its part of each batch from the shards. All workers run on this machine and speak over loopback, each on a core
of its own as far as there are cores; with more workers than cores they share them, which shows what the exchange costs
and not how it scales. An epoch has the validation of 200 users at its end, over all items. Times are those between the
first and the last line of ``history.csv``, so that starting and tracing do not count; memory is the largest that any
worker had resident, TensorFlow's own included. Needs Linux. Writes ``results/workers.json``.
"""

import argparse
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.report import print_table, write_report
from tf_metammf import records

WIDTH = 512
USERS, INTERACTIONS, VALIDATION_USERS = 20_000, 150_000, 200
BATCH_SIZE = 4_096
BUDGET_GB = 0.05
WORKERS = (1, 2, 4)
_COMMAND = "from tf_metammf.commands.main import main; raise SystemExit(main())"


def main() -> None:
    """Trains with every number of workers, prints the table and writes ``results/workers.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_records(folder / "records", arguments.items)
        found = {str(workers): _train(folder, workers, epochs=arguments.epochs) for workers in WORKERS}
    one = found["1"]["interactions_per_second"]
    columns = ["workers", "cores", "interactions/s", "times one", "largest worker, MiB", "last loss"]
    rows = [
        [
            workers,
            each["cores"],
            each["interactions_per_second"],
            each["interactions_per_second"] / one,
            each["peak_memory_bytes"] / 2**20,
            each["loss"],
        ]
        for workers, each in found.items()
    ]
    megabytes = 4 * WIDTH * arguments.items / 1e6
    print_table(f"{arguments.items:,} items, {megabytes:.0f} MB of features, {BUDGET_GB} GB a worker", columns, rows)
    settings = {"items": arguments.items, "width": WIDTH, "users": USERS, "interactions": INTERACTIONS}
    settings |= {"batch_size": BATCH_SIZE, "epochs": arguments.epochs, "feature_budget_gb": BUDGET_GB}
    write_report("workers", {"settings": settings, "workers": found})


def _write_records(folder: Path, items: int) -> None:
    random = np.random.default_rng(0)
    splits = {
        "train": records.Interactions(
            (USERS * random.random(INTERACTIONS) ** 2).astype(np.int64),
            (items * random.random(INTERACTIONS) ** 2).astype(np.int64),
        ),
        "validation": records.Interactions(np.arange(VALIDATION_USERS), random.integers(0, items, VALIDATION_USERS)),
    }
    features = random.standard_normal((items, WIDTH), np.float32)
    data = records.RawData(
        name="workers",
        user_ids=[f"u{user}" for user in range(USERS)],
        item_ids=[f"v{item}" for item in range(items)],
        interactions=splits["train"],
        modalities={"visual": records.ModalityFeatures(features, np.arange(items))},
    )
    records.write_record_set(data, splits, folder)


def _train(folder: Path, workers: int, *, epochs: int) -> dict[str, Any]:
    """Starts the workers, watches them, and returns what came of them."""
    run = folder / f"run-{workers}"
    words = ["train", "--records", folder / "records", "--run", run, "--config", "default", "--quiet"]
    words += ["--training.epochs", epochs, "--training.patience", 0, "--training.batch_size", BATCH_SIZE]
    words += ["--training.feature_budget_gb", BUDGET_GB]
    words += ["--training.strategy", "none" if workers == 1 else "multi_worker"]
    addresses = [f"localhost:{port}" for port in _free_ports(workers)]
    cores = sorted(os.sched_getaffinity(0))
    processes = []
    for worker in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": worker}}
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"} | (
            {"TF_CONFIG": json.dumps(task)} if workers > 1 else {}
        )
        process = subprocess.Popen([sys.executable, "-c", _COMMAND, *map(str, words)], env=environment)
        os.sched_setaffinity(process.pid, {cores[worker % len(cores)]})
        processes.append(process)
    ends, memory = _watch(processes, run / "history.csv")
    with (run / "history.csv").open(encoding="utf-8", newline="") as lines:
        history = list(csv.DictReader(lines))
    return {
        "cores": min(workers, len(cores)),
        "interactions_per_second": INTERACTIONS * (len(ends) - 1) / (ends[-1] - ends[0]),
        "peak_memory_bytes": memory,
        "loss": float(history[-1]["loss"]),
    }


def _watch(processes: Sequence[subprocess.Popen[bytes]], history: Path) -> tuple[list[float], int]:
    """When each epoch ended, and the largest resident memory of a process."""
    ends: list[float] = []
    memory = 0
    while any(process.poll() is None for process in processes):
        rows = len(history.read_text(encoding="utf-8").splitlines()) - 1 if history.is_file() else 0
        ends += [time.perf_counter()] * (rows - len(ends))
        memory = max([memory, *map(_peak_bytes, processes)])
        time.sleep(0.05)
    if failed := [process.returncode for process in processes if process.returncode]:
        raise SystemExit(f"workers ended with {failed}.")
    return ends, memory


def _peak_bytes(process: subprocess.Popen[bytes]) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


if __name__ == "__main__":
    main()
