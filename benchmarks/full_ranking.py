"""Full ranking against the least it can cost: the score GEMM plus `tf.math.top_k` alone.

    python -m benchmarks.full_ranking [--large]

Random embeddings and pairs, 64 wide, K = 10, 20, 50 in one pass, warm and cold items reported apart. Both sides
run in turn in one process, over the same blocks of users. Every size is a separate process. The added peak is
what the first call needs on top of embeddings and pairs, compiling included. Needs Linux.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.measurement import added_peak_mib, in_turn, of_its_own_process, ratios, seconds
from benchmarks.report import print_table, spread, write_report
from tf_metammf.ranking.full_ranking import FullRanking

WIDTH = 64
CUTOFFS = (10, 20, 50)
COLD_SHARE = 0.05
SEED = 0


@dataclass(frozen=True)
class Size:
    """A split: users with positives, catalogue, pairs. All users are ranked."""

    users: int
    items: int
    positives: int
    masked: int
    repeats: int


SIZES = {
    "TikTok, test split": Size(users=6_130, items=6_710, positives=6_130, masked=62_592, repeats=15),
    "20,000 x 20,000": Size(users=20_000, items=20_000, positives=40_000, masked=400_000, repeats=7),
}
LARGE_SIZES = {
    "10,000 x 100,000": Size(users=10_000, items=100_000, positives=20_000, masked=200_000, repeats=3),
    "100,000 x 100,000": Size(users=100_000, items=100_000, positives=200_000, masked=2_000_000, repeats=3),
}


def main() -> None:
    """Measures every size, prints the table and writes ``results/full_ranking.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--large", action="store_true", help="Also 10,000 and 100,000 users x 100,000 items.")
    parser.add_argument("--size", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = SIZES | LARGE_SIZES
    if arguments.size:
        print(json.dumps(measure(sizes[arguments.size])))
        return
    chosen = sizes if arguments.large else SIZES
    results = {name: of_its_own_process("benchmarks.full_ranking", "--size", name) for name in chosen}
    rows = [[name, *_row(result)] for name, result in results.items()]
    columns = ["users x items", "full ranking s", "GEMM + top_k s", "ratio", "first call s", "added peak MiB"]
    print_table("Full ranking, K = 10, 20, 50 (median, minimum to maximum)", columns, rows)
    settings = {"width": WIDTH, "cutoffs": CUTOFFS, "cold_share": COLD_SHARE, "seed": SEED}
    write_report("full_ranking", {"settings": settings, "sizes": results})


def measure(size: Size) -> dict[str, Any]:
    """Times and peak memory of one size, as plain JSON values."""
    generator = np.random.default_rng(SEED)
    users = tf.constant(generator.normal(size=(size.users, WIDTH)), tf.float32)
    items = tf.constant(generator.normal(size=(size.items, WIDTH)), tf.float32)
    ranking = FullRanking(
        # Every user has a positive, and so is ranked.
        (np.arange(size.positives) % size.users, generator.integers(0, size.items, size.positives)),
        users=size.users,
        items=size.items,
        masked=[(generator.integers(0, size.users, size.masked), generator.integers(0, size.items, size.masked))],
        cutoffs=CUTOFFS,
        warm_items=generator.random(size.items) >= COLD_SHARE,
    )
    sides = {
        "full ranking": lambda: ranking.evaluate(users, items),
        "GEMM + top_k": lambda: _least(users, items, block_users=ranking.pairs.block_rows),
    }
    first_call: list[float] = []
    added_memory = added_peak_mib(lambda: first_call.append(seconds(sides["full ranking"])))
    full, least = in_turn(sides, repeats=size.repeats).values()
    return {
        "size": asdict(size),
        "block_users": ranking.pairs.block_rows,
        "first_call_seconds": first_call[0],
        "full_ranking_seconds": spread(full),
        "gemm_top_k_seconds": spread(least),
        "ratio": ratios(full, least),
        "added_peak_mib": added_memory,
    }


def _least(users: Any, items: Any, *, block_users: int) -> None:
    _gemm_top_k(users, items, block_users=block_users).numpy()


@tf.function(autograph=False)
def _gemm_top_k(users: Any, items: Any, *, block_users: int) -> Any:
    """Scores and the best items of every user, and nothing else; the sum keeps TensorFlow from leaving them out."""
    columns = tf.transpose(items)

    def rank_next(first: Any, total: Any) -> tuple[Any, Any]:
        scores = tf.matmul(users[first : first + block_users], columns)
        return first + block_users, total + tf.reduce_sum(tf.math.top_k(scores, max(CUTOFFS)).indices)

    return tf.while_loop(lambda first, _: first < users.shape[0], rank_next, (0, 0), parallel_iterations=1)[1]


def _row(result: dict[str, Any]) -> list[Any]:
    spreads = (result["full_ranking_seconds"], result["gemm_top_k_seconds"], result["ratio"])
    cells = [f"{each['median']:.3g} ({each['minimum']:.3g} to {each['maximum']:.3g})" for each in spreads]
    return [*cells, result["first_call_seconds"], result["added_peak_mib"]]


if __name__ == "__main__":
    main()
