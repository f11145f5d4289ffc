"""A minute's guard against a path that has become slower: ratios of times measured in turn, never times.

    python -m benchmarks.guard

Small sizes, through the functions of the benchmarks. A ratio is that of the fastest calls; the bounds are about twice
what is measured on a quiet machine. What is beyond its bound is measured once more, and is a finding if it
is so again. Findings are printed one a line, and the exit code is then 1.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from benchmarks import full_ranking, fusion, propagation, reading
from benchmarks.measurement import in_turn
from benchmarks.report import print_table
from tf_metammf import records
from tf_metammf.optimizers.fused_adam import FusedAdam

INTERACTIONS = 1_000_000
WEIGHT = (4_096, 1_024)
REPEATS = 7


@dataclass(frozen=True)
class Check:
    """A ratio, and what it may be at most."""

    name: str
    at_most: float
    benchmark: str


CHECKS = {
    "fusion": [
        Check("fusion step / its matrix products and update", 2.0, "fusion"),
        Check("fusion step / materialised kernels", 0.2, "fusion"),
    ],
    "propagation": [
        Check("propagation / compressed rows that are kept", 3.0, "propagation"),
        Check("propagation / sparse_dense_matmul", 0.7, "propagation"),
    ],
    "full ranking": [Check("full ranking / matrix product and top_k", 2.5, "full_ranking")],
    "reading": [Check("shuffled batches from disk / NumPy's from memory", 8.0, "reading")],
    "update": [Check("Adam update / copying what it reads and writes", 2.0, "fusion")],
}


def main() -> None:
    """Measures, prints the table, and exits with 1 if a bound is violated."""
    measures = {
        "fusion": fusion_ratios,
        "propagation": propagation_ratios,
        "full ranking": full_ranking_ratios,
        "reading": reading_ratios,
        "update": update_ratios,
    }
    tf.get_logger().setLevel("ERROR")
    rows, findings = [], []
    for part, checks in CHECKS.items():
        found = _least(measures[part], checks)
        for check, ratio in zip(checks, found, strict=True):
            rows.append([check.name, ratio, check.at_most])
            if ratio > check.at_most:
                findings.append(
                    f"{check.name}: {ratio:.2f}, expected at most {check.at_most:g}. "
                    f"See python -m benchmarks.{check.benchmark}."
                )
    print_table("Guard", ["ratio of times", "found", "at most"], rows)
    for finding in findings:
        print(finding, file=sys.stderr)
    sys.exit(1 if findings else 0)


def fusion_ratios() -> list[float]:
    """Of a step of few items."""
    case = fusion.Case(items=32, rank=fusion.RANK, repeats=REPEATS)
    times = in_turn(fusion.steps(case), repeats=REPEATS)
    ours = min(times["fusion step"])
    return [ours / min(times["products and update"]), ours / min(times["materialised, batched"])]


def propagation_ratios() -> list[float]:
    """Of a propagation over a graph of TikTok's size."""
    ways = propagation.compare(propagation.random_graph(**propagation.GRAPHS["TikTok"]), repeats=REPEATS)
    ours = ways["ours"]["seconds"]["minimum"]
    return [ours / ways[way]["seconds"]["minimum"] for way in ("compressed rows, kept", "sparse_dense_matmul")]


def full_ranking_ratios() -> list[float]:
    """Of a ranking of 2,000 users over 5,000 items."""
    size = full_ranking.Size(users=2_000, items=5_000, positives=2_000, masked=20_000, repeats=REPEATS)
    result = full_ranking.measure(size)
    return [result["full_ranking_seconds"]["minimum"] / result["gemm_top_k_seconds"]["minimum"]]


def reading_ratios() -> list[float]:
    """Of an epoch of a million interactions."""
    with tempfile.TemporaryDirectory() as scratch:
        record_set = reading.synthetic_record_set(Path(scratch) / "records", INTERACTIONS, items=2_000)
        train = records.read_interactions(record_set, "train")
        table = np.stack([train.user, train.item], axis=1)

        def read() -> None:
            for _ in records.interactions(record_set, batch_size=reading.BATCH_SIZE, shuffle_seed=0):
                pass

        def pick() -> None:
            order = np.random.default_rng(0).permutation(len(table))
            for start in range(0, len(table), reading.BATCH_SIZE):
                table[order[start : start + reading.BATCH_SIZE]].T.copy()

        times = in_turn({"read": read, "pick": pick}, repeats=REPEATS)
    return [min(times["read"]) / min(times["pick"])]


def update_ratios() -> list[float]:
    """Of the update of one weight: three tensors are read and written, the gradient is read."""
    weight, gradient = tf.Variable(tf.ones(WEIGHT)), tf.ones(WEIGHT)
    optimizer = FusedAdam(1e-3)
    optimizer.build([weight])
    update = tf.function(lambda: optimizer.apply_gradients([(gradient, weight)]), autograph=False)
    source = np.ones((7, *WEIGHT), np.float32)
    target = np.empty_like(source)
    # A copy reads and writes: half of seven.
    times = in_turn({"update": update, "copy": lambda: np.copyto(target[:4], source[:4])}, repeats=2 * REPEATS)
    return [min(times["update"]) / min(times["copy"])]


def _least(measure: Callable[[], list[float]], checks: list[Check]) -> list[float]:
    """The ratios, or the lesser ones of two measurements where the first is beyond a bound."""
    found: list[Any] = measure()
    if any(ratio > check.at_most for ratio, check in zip(found, checks, strict=True)):
        found = [min(both) for both in zip(found, measure(), strict=True)]
    return found


if __name__ == "__main__":
    main()
