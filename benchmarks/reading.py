"""Interactions a second from disk to batches, in memory and streaming, with and without negatives.

    python -m benchmarks.reading [--interactions 10000000] [--repeats 5]

Writes a synthetic record set into a temporary folder, reads all of it once for every measurement,
and prints interactions a second: reading from disk, parsing, shuffling and batching (and drawing
five uniform negatives for each interaction) are all in the time. The shards are in the cache of
the operating system. The sampler is made before the clock starts; how long that takes is
printed beside. Interactions a second of processor time, the last column, say what one core
does, whatever else the machine is busy with.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.report import print_table, spread, write_report
from tf_metammf import records

BATCH_SIZE = 4_096
NEGATIVES = 5
ITEMS = 200_000


def main() -> None:
    """Measures, prints the table and writes ``results/reading.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        record_set = synthetic_record_set(Path(scratch) / "records", arguments.interactions)
        started = time.perf_counter()
        train = records.read_interactions(record_set, "train")
        read = time.perf_counter()
        sampler = records.NegativeSampler(
            train, users=record_set.metadata.users, items=record_set.metadata.items, per_positive=NEGATIVES
        )
        seconds = {"read_interactions": read - started, "NegativeSampler": time.perf_counter() - read}
        rates = measure(record_set, sampler, arguments.repeats)
    rows = [
        [name, *(rate["wall"][key] / 1e6 for key in ("median", "minimum", "maximum")), rate["core"]["median"] / 1e6]
        for name, rate in rates.items()
    ]
    title = f"{arguments.interactions:,} interactions in batches of {BATCH_SIZE:,}, million a second"
    print_table(title, ["", "median", "minimum", "maximum", "one core"], rows)
    for name, value in seconds.items():
        print(f"{name}: {value:.2f} s")
    write_report(
        "reading",
        {
            "interactions": arguments.interactions,
            "batch_size": BATCH_SIZE,
            "repeats": arguments.repeats,
            "interactions_per_second": rates,
            "seconds": seconds,
        },
    )


def synthetic_record_set(folder: Path, interactions: int, *, items: int = ITEMS) -> records.RecordSet:
    """Users and items with long tails: the busiest user and the most popular item have thousands of interactions."""
    generator = np.random.default_rng(0)
    users = max(interactions // 50, 1)
    train = records.Interactions(
        user=(users * generator.random(interactions) ** 2).astype(np.int64),
        item=(items * generator.random(interactions) ** 2).astype(np.int64),
    )
    data = records.RawData(
        name="reading",
        user_ids=[str(user) for user in range(users)],
        item_ids=[str(item) for item in range(items)],
        interactions=train,
        modalities={},
    )
    return records.write_record_set(data, {"train": train}, folder)


def measure(
    record_set: records.RecordSet, sampler: records.NegativeSampler, repeats: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Interactions a second of every way to read; repeats in turn, so that a busy moment hits all of them alike."""
    ways = {
        f"{place}{suffix}": {"memory_budget": memory_budget, "negatives": negatives}
        for place, memory_budget in (("in memory", 2**32), ("streaming", 2**26))
        for suffix, negatives in (("", None), (f", {NEGATIVES} negatives", sampler))
    }
    rates: dict[str, dict[str, list[float]]] = {name: {"wall": [], "core": []} for name in ways}
    for seed in range(repeats):
        for name, way in ways.items():
            started, processor_started = time.perf_counter(), time.process_time()
            for _ in records.interactions(record_set, batch_size=BATCH_SIZE, shuffle_seed=seed, **way):
                pass
            rates[name]["wall"].append(record_set.metadata.interactions / (time.perf_counter() - started))
            rates[name]["core"].append(record_set.metadata.interactions / (time.process_time() - processor_started))
    return {name: {clock: spread(values) for clock, values in each.items()} for name, each in rates.items()}


if __name__ == "__main__":
    main()
