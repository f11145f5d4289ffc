"""The exact index as it is served against the least it can cost: the score GEMM plus `tf.math.top_k`.

    python -m benchmarks.serving_latency [--quick]

Random embeddings, 64 wide, K = 20, 200 seen items a user left out. "served" is the search with exclusions in blocks,
"least" the bare product with all items and `tf.math.top_k`, without exclusions; both are traced functions and run in
turn in one process. Every catalogue is a separate process. Added memory is what one call needs at its peak on top of
what is resident; for 256 queries, where the bare product holds all scores. Needs Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from benchmarks.embeddings import WIDTH, isotropic
from benchmarks.measurement import memory_mib, reset_peak_memory
from benchmarks.report import print_table, spread, write_report
from tf_metammf.export.index import ExactIndex

CATALOGUES = (6_710, 100_000, 1_000_000)
BATCHES = (1, 32)
MEMORY_BATCH = 256
K = 20
SEEN = 200


def main() -> None:
    """Measures every catalogue, prints the table and writes ``results/serving_latency.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="The smallest catalogue; writes nothing.")
    parser.add_argument("--repeats", type=int, default=41)
    parser.add_argument("--items", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.items:
        print(json.dumps(measure(arguments.items, repeats=arguments.repeats)))
        return
    catalogues = CATALOGUES[:1] if arguments.quick else CATALOGUES
    results = {items: _measure_in_its_own_process(items, arguments.repeats) for items in catalogues}
    rows = [
        [
            f"{items:,}",
            batch,
            *(1e3 * found[side]["median"] for side in ("served_seconds", "least_seconds")),
            found["ratio"]["median"],
            found["dynamic_k_ratio"]["median"],
        ]
        for items, result in results.items()
        for batch, found in result["batches"].items()
    ]
    columns = ["items", "queries", "served ms", "least ms", "ratio", "ratio, K a tensor"]
    print_table("Exact search, K = 20, medians", columns, rows)
    rows = [[f"{items:,}", *result["added_peak_mib"].values()] for items, result in results.items()]
    print_table(f"Added memory of {MEMORY_BATCH} queries, MiB", ["items", "served", "least"], rows)
    if not arguments.quick:
        settings = {"width": WIDTH, "k": K, "seen": SEEN, "repeats": arguments.repeats, "memory_batch": MEMORY_BATCH}
        write_report("serving_latency", {"settings": settings, "catalogues": results})


def measure(items: int, *, repeats: int) -> dict[str, Any]:
    """Times and added memory of one catalogue, as plain JSON values."""
    vectors, queries = isotropic(items, MEMORY_BATCH)
    table = tf.Variable(vectors)
    index = ExactIndex(table)
    random = np.random.default_rng(1)

    @tf.function
    def served(queries: Any, excluded: Any) -> Any:
        return index.search(queries, K, excluded=excluded)

    @tf.function
    def served_with_any_k(queries: Any, excluded: Any, k: Any) -> Any:
        return index.search(queries, k, excluded=excluded)

    @tf.function
    def least(queries: Any) -> Any:
        return tf.math.top_k(tf.matmul(queries, table, transpose_b=True), K)

    batches = {}
    for batch in BATCHES:
        asked = tf.constant(queries[:batch])
        seen = _seen(random, batch, items)
        sides: dict[str, Callable[[], Any]] = {
            "served": lambda asked=asked, seen=seen: served(asked, seen),
            "dynamic_k": lambda asked=asked, seen=seen: served_with_any_k(asked, seen, tf.constant(K)),
            "least": lambda asked=asked: least(asked),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for repeat in range(repeats + 3):
            for side, run in sides.items():
                taken = _seconds(run)
                # The first calls trace and warm up.
                if repeat >= 3:
                    seconds[side].append(taken)
        batches[batch] = {f"{side}_seconds": spread(values) for side, values in seconds.items()} | {
            name: spread([ours / bare for ours, bare in zip(seconds[side], seconds["least"], strict=True)])
            for name, side in (("ratio", "served"), ("dynamic_k_ratio", "dynamic_k"))
        }
    asked, seen = tf.constant(queries), _seen(random, MEMORY_BATCH, items)
    memory = {}
    for side, run in (("served", lambda: served(asked, seen)), ("least", lambda: least(asked))):
        reset_peak_memory()
        before = memory_mib("VmRSS")
        run()
        memory[side] = memory_mib("VmHWM") - before
    return {"items": items, "batches": batches, "added_peak_mib": memory}


def _seen(random: np.random.Generator, batch: int, items: int) -> Any:
    pairs = [np.repeat(np.arange(batch), SEEN), random.integers(0, items, batch * SEEN)]
    return tf.constant(np.stack(pairs, axis=1))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()[0].numpy()
    return time.perf_counter() - start


def _measure_in_its_own_process(items: int, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving_latency", "--items", str(items), "--repeats", str(repeats)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
