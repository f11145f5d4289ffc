"""Training on a catalogue whose features do not fit into memory: interactions a second, and peak memory.

    python -m benchmarks.catalogue [--scratch DIR] [--items 5000000] [--steps 300] [--id-units 0]

Writes a synthetic record set of items x 512 floats below ``--scratch`` (10 GB for 5 million items; removed at
the end) and trains the default model on it with in-batch softmax, in a separate process whose peak resident
memory is that of everything: reading the interactions, making the model (one pass over all features for their
statistics), training, and at last the embeddings of all items. The default of 64 wide ID embeddings
would take 3.8 GB for 5 million items, moments of Adam included, so ``--id-units`` is 0 unless something else is
said. Steps are measured with the shards in the cache of the operating system and without; those without features to
fetch repeat one batch. Half a million items are measured first, also as a table on the device. Needs Linux.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.report import print_table, spread, write_report
from tf_metammf import records
from tf_metammf.trainer.configuration.configuration import Configuration
from tf_metammf.trainer.runs.environment import peak_memory_bytes

WIDTH = 512
SMALL = 500_000
INTERACTIONS = 10_000_000
USERS = 200_000
PARTS = 5
"""The steps of a measurement are timed in so many parts, for the spread."""


def main() -> None:
    """Measures every size, prints the table and writes ``results/catalogue.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scratch", type=Path, help="A folder with room for 2.2 KB an item; by default the system's.")
    parser.add_argument("--items", type=int, default=5_000_000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--id-units", type=int, default=0)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    configuration = Configuration()
    configuration.model.id_units = arguments.id_units
    if arguments.id_units not in (0, configuration.model.fusion.units[-1]):
        configuration.model.combination = "concatenate"
    if arguments.measure:
        configuration.training.feature_budget_gb = arguments.budget
        print(json.dumps(measure(records.open_record_set(arguments.measure), configuration, steps=arguments.steps)))
        return
    results = {}
    for items in sorted({min(SMALL, arguments.items), arguments.items}):
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            folder = Path(scratch) / "records"
            seconds = write(folder, items)
            ways = {"table": 1e6, "lookup": 0.0} if items <= SMALL else {"lookup": 0.0}
            results[f"{items:,}"] = {
                "write_seconds": seconds,
                "shard_bytes": sum(path.stat().st_size for path in (folder / "items").iterdir()),
                **{way: _measure_in_its_own_process(folder, budget, arguments) for way, budget in ways.items()},
            }
    _print(results)
    settings = {
        "width": WIDTH,
        "users": USERS,
        "interactions": INTERACTIONS,
        "steps": arguments.steps,
        "model": asdict(configuration.model),
        "objective": asdict(configuration.objective),
        "batch_size": configuration.training.batch_size,
    }
    write_report("catalogue", {"settings": settings, "items": results})


class RandomFeatures:
    """A matrix of normal numbers, made when rows of it are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, items: int) -> None:
        self.shape = (items, WIDTH)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        random = np.random.default_rng(int(rows[0]))
        return random.standard_normal((len(rows), WIDTH), dtype=np.float32)


def write(folder: Path, items: int) -> float:
    """Writes the record set; every tenth item lacks its features. Returns the seconds it took."""
    random = np.random.default_rng(0)
    train = records.Interactions(
        user=(USERS * random.random(INTERACTIONS) ** 2).astype(np.int64),
        item=(items * random.random(INTERACTIONS) ** 2).astype(np.int64),
    )
    row_of_item = np.arange(items)
    row_of_item[::10] = -1
    data = records.RawData(
        name="catalogue",
        user_ids=[str(user) for user in range(USERS)],
        item_ids=[str(item) for item in range(items)],
        interactions=train,
        modalities={"visual": records.ModalityFeatures(RandomFeatures(items), row_of_item)},
    )
    started = time.perf_counter()
    records.write_record_set(data, {"train": train}, folder, show_progress=sys.stderr.isatty())
    return time.perf_counter() - started


def measure(record_set: records.RecordSet, configuration: Configuration, *, steps: int) -> dict[str, Any]:
    """Seconds, interactions a second and peak memory, as plain JSON values."""
    import tf_keras as keras

    from tf_metammf.trainer.assembly import make_compiled_model
    from tf_metammf.trainer.planning.training_plan import TrainingPlan
    from tf_metammf.trainer.training_batches import TrainingBatches
    from tf_metammf.trainer.training_data import TrainingData

    keras.utils.set_random_seed(0)
    started = time.perf_counter()
    plan = TrainingPlan.of(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_compiled_model(plan, data)
    made = time.perf_counter()
    batches = TrainingBatches(plan, data).beginning_at()
    step = model.make_train_function()
    size = configuration.training.batch_size

    def rates(stream: Iterable[Any], *, train: bool = True) -> dict[str, float]:
        iterator = iter(stream)
        next(iterator)  # the order of the epoch is drawn before the clock runs
        part = steps // PARTS
        found = []
        for _ in range(PARTS):
            begun = time.perf_counter()
            for _ in range(part):
                step(iterator) if train else next(iterator)
            found.append(part * size / (time.perf_counter() - begun))
        return spread(found)

    step(iter(batches))  # traced and optimized before the clock runs
    one = batches.take(1).cache().repeat()
    result: dict[str, Any] = {
        "make_seconds": made - started,
        "interactions_per_second": {
            "training, one batch again and again": rates(one),
            "batches alone": rates(batches.skip(1), train=False),
            "training": rates(batches.skip(1)),
        },
    }
    if data.item_lookup is not None:
        _forget(record_set.item_shards())
        result["interactions_per_second"]["training, shards not in the cache"] = rates(batches.skip(steps))
    result["peak_memory_bytes"] = {"training": peak_memory_bytes()}
    begun = time.perf_counter()
    model.embeddings()
    result["embeddings_seconds"] = time.perf_counter() - begun
    result["peak_memory_bytes"]["embeddings of all items, too"] = peak_memory_bytes()
    fetching = result["interactions_per_second"]
    alone = fetching["training, one batch again and again"]["median"]
    result["pipeline_share"] = 1 - fetching["training"]["median"] / alone
    return result


def _forget(paths: Iterable[Path]) -> None:
    """Drops files from the cache of the operating system."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _measure_in_its_own_process(folder: Path, budget: float, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.catalogue"]
    command += ["--measure", str(folder), "--budget", str(budget)]
    command += ["--steps", str(arguments.steps), "--id-units", str(arguments.id_units)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def _print(results: dict[str, Any]) -> None:
    rows = []
    for items, of_size in results.items():
        for way in ("table", "lookup"):
            if way not in of_size:
                continue
            found = of_size[way]
            for name, rate in found["interactions_per_second"].items():
                rows.append([items, way, name, *(rate[key] / 1e3 for key in ("median", "minimum", "maximum"))])
            peaks = [peak / 1e9 for peak in found["peak_memory_bytes"].values()]
            print(
                f"{items} items, {way}: peak memory {peaks[0]:.2f} GB, with the embeddings of all items {peaks[1]:.2f} "
                f"GB; made in {found['make_seconds']:.0f} s; share of the pipeline {found['pipeline_share']:.0%}"
            )
    columns = ["items", "features", "", "median", "minimum", "maximum"]
    print_table(f"Items x {WIDTH} floats, thousand interactions a second", columns, rows)


if __name__ == "__main__":
    main()
