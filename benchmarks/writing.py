"""Raw files to record sets: interactions and items a second, and peak memory by the size of the catalogue.

    python -m benchmarks.writing [--interactions 10000000] [--items 1000000] [--repeats 3] [--scratch DIR]

Interactions go the whole way of ``records convert``, reading, numbering, removing duplicates, splitting, writing
and checksums, from a CSV file with text for ids and timestamps (``tabular``) and from the layout of MMRec;
``write_record_set`` is the last part of it alone. Items x 512 floats come from a ``.npy`` file by ``records
convert`` and are read by ``records.items``; each size and repeat is a separate process, whose peak resident memory
is that of everything, importing TensorFlow included. Raw files and shards are in the cache of the operating
system. Items or interactions a second of processor time, the last column, say what one core does, whatever else the
machine is busy with.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks.report import print_table, spread, write_report
from tf_metammf import records
from tf_metammf.records.sources import load_source
from tf_metammf.trainer.runs.environment import peak_memory_bytes

WIDTH = 512
ITEMS_OF_INTERACTIONS = 200_000
ROWS_AT_ONCE = 10_000


def main() -> None:
    """Measures, prints the tables and writes ``results/writing.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="A folder with room for 4.5 KB an item; by default the system's.")
    parser.add_argument("--convert-items", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.convert_items:
        print(json.dumps(convert_items(*arguments.convert_items)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        interactions = measure_interactions(Path(scratch), arguments.interactions, arguments.repeats)
        items = {
            f"{count:,}": measure_items(Path(scratch), count, arguments.repeats)
            for count in (arguments.items // 4, arguments.items)
        }
    _print_interactions(arguments.interactions, interactions)
    _print_items(items)
    write_report(
        "writing",
        {
            "interactions": arguments.interactions,
            "width": WIDTH,
            "repeats": arguments.repeats,
            "interactions_per_second": interactions,
            "items": items,
        },
    )


def measure_interactions(scratch: Path, count: int, repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Interactions a second of every way; repeats in turn, so that a busy moment hits all of them alike."""
    generator = np.random.default_rng(0)
    users = max(count // 50, 1)
    train = records.Interactions(
        user=(users * generator.random(count) ** 2).astype(np.int64),
        item=(ITEMS_OF_INTERACTIONS * generator.random(count) ** 2).astype(np.int64),
        timestamp=generator.integers(1_500_000_000, 1_700_000_000, count),
    )
    data = records.RawData(
        name="writing",
        user_ids=[str(user) for user in range(users)],
        item_ids=[str(item) for item in range(ITEMS_OF_INTERACTIONS)],
        interactions=train,
        modalities={},
    )
    _write_csv(scratch / "tabular", train)
    _write_mmrec(scratch / "mmrec", train, items=ITEMS_OF_INTERACTIONS, width=1)
    without_features = load_source("tabular").Options(features={})
    ways: dict[str, Callable[[Path], object]] = {
        "convert tabular": lambda to: records.convert("tabular", scratch / "tabular", to, options=without_features),
        "convert mmrec": lambda to: records.convert("mmrec", scratch / "mmrec", to),
        "write_record_set": lambda to: records.write_record_set(data, {"train": train}, to),
    }
    rates: dict[str, dict[str, list[float]]] = {name: {"wall": [], "core": []} for name in ways}
    _warm_up(data, scratch / "target")
    for _ in range(repeats):
        for name, way in ways.items():
            started, processor_started = time.perf_counter(), time.process_time()
            way(scratch / "target")
            rates[name]["wall"].append(count / (time.perf_counter() - started))
            rates[name]["core"].append(count / (time.process_time() - processor_started))
            shutil.rmtree(scratch / "target")
    shutil.rmtree(scratch / "tabular")
    shutil.rmtree(scratch / "mmrec")
    return {name: {clock: spread(values) for clock, values in each.items()} for name, each in rates.items()}


def measure_items(scratch: Path, count: int, repeats: int) -> dict[str, dict[str, float]]:
    """Items a second and peak memory of converting and reading a catalogue."""
    generator = np.random.default_rng(0)
    some = records.Interactions(generator.integers(1_000, size=100_000), generator.integers(count, size=100_000))
    _write_mmrec(scratch / "raw", some, items=count, width=WIDTH)
    found = []
    for _ in range(repeats):
        command = [sys.executable, "-m", "benchmarks.writing", "--convert-items", scratch / "raw", scratch / "target"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found.append(json.loads(output.splitlines()[-1]))
        shutil.rmtree(scratch / "target")
    shutil.rmtree(scratch / "raw")
    return {name: spread([each[name] for each in found]) for name in found[0]}


def convert_items(raw: Path, target: Path) -> dict[str, float]:
    """Converts and reads one catalogue."""
    import tensorflow_datasets  # noqa: F401 - imported here, so that the clock does not count it

    result = {"peak_memory_bytes_imported": float(peak_memory_bytes())}
    started, processor_started = time.perf_counter(), time.process_time()
    record_set = records.convert("mmrec", raw, target)
    items = record_set.metadata.items
    result["written_per_second"] = items / (time.perf_counter() - started)
    result["written_per_core_second"] = items / (time.process_time() - processor_started)
    result["peak_memory_bytes_written"] = float(peak_memory_bytes())
    started, processor_started = time.perf_counter(), time.process_time()
    for _ in records.items(record_set, batch_size=1024):
        pass
    result["read_per_second"] = items / (time.perf_counter() - started)
    result["read_per_core_second"] = items / (time.process_time() - processor_started)
    result["peak_memory_bytes_read"] = float(peak_memory_bytes())
    return result


def _write_csv(folder: Path, train: records.Interactions) -> None:
    import pyarrow
    import pyarrow.compute
    import pyarrow.csv

    def text(prefix: str, ids: Any) -> Any:
        return pyarrow.compute.binary_join_element_wise(prefix, pyarrow.array(ids).cast(pyarrow.string()), "")

    columns = {"user_id": text("u", train.user), "item_id": text("v", train.item), "timestamp": train.timestamp}
    folder.mkdir()
    pyarrow.csv.write_csv(pyarrow.table(columns), folder / "interactions.csv")


def _write_mmrec(folder: Path, train: records.Interactions, *, items: int, width: int) -> None:
    import pyarrow
    import pyarrow.csv

    generator = np.random.default_rng(1)
    folder.mkdir()
    columns = {"userID": train.user, "itemID": train.item, "x_label": generator.integers(3, size=len(train))}
    options = pyarrow.csv.WriteOptions(delimiter="\t", quoting_header="none")
    pyarrow.csv.write_csv(pyarrow.table(columns), folder / "set.inter", options)
    matrix = np.lib.format.open_memmap(folder / "image_feat.npy", mode="w+", dtype=np.float32, shape=(items, width))
    for first in range(0, items, ROWS_AT_ONCE):
        rows = matrix[first : first + ROWS_AT_ONCE]
        rows[:] = generator.standard_normal(rows.shape, dtype=np.float32)
    matrix.flush()


def _warm_up(data: records.RawData, target: Path) -> None:
    """Imports what writing imports, before the clock runs."""
    records.write_record_set(data, {"train": data.interactions.take(np.arange(1))}, target)
    shutil.rmtree(target)


def _print_interactions(count: int, rates: dict[str, dict[str, dict[str, float]]]) -> None:
    rows = [
        [name, *(rate["wall"][key] / 1e6 for key in ("median", "minimum", "maximum")), rate["core"]["median"] / 1e6]
        for name, rate in rates.items()
    ]
    title = f"{count:,} interactions, million a second"
    print_table(title, ["", "median", "minimum", "maximum", "one core"], rows)


def _print_items(items: dict[str, dict[str, dict[str, float]]]) -> None:
    rows: list[list[Any]] = []
    for count, found in items.items():
        for way in ("written", "read"):
            rate, core = found[f"{way}_per_second"], found[f"{way}_per_core_second"]["median"] / 1e3
            memory = [found[f"peak_memory_bytes_{moment}"]["maximum"] / 1e9 for moment in ("imported", way)]
            rows.append([count, way, *(rate[key] / 1e3 for key in ("median", "minimum", "maximum")), core, *memory])
    columns = ["items", "", "median", "minimum", "maximum", "one core", "imported GB", "peak GB"]
    print_table(f"Items x {WIDTH} floats, thousand a second, and peak memory", columns, rows)


if __name__ == "__main__":
    main()
