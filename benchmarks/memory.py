"""How much a process grows that trains, beside what was estimated for it.

    python -m benchmarks.memory [--repeats 5]

Three steps each of a graph encoder on the whole graph, of wide embeddings and of an in-batch softmax in both
directions, with TensorFlow's usual threads and with one. Every repeat is a separate process, and its growth the
peak of its resident memory over that before the data are read: allocator, threads and kernel have a part in it, so
it says something about a machine. Beside it stands what TensorFlow's own allocator holds at most, in which neither
the system's allocator nor arrays of NumPy have a part, and whose peak depends on which operations run at once.
Writes ``results/memory.json``.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from benchmarks.measurement import memory_mib, of_its_own_process, reset_peak_memory
from benchmarks.report import print_table, spread, write_report

SEED, STEPS = 0, 3
USERS, ITEMS, INTERACTIONS, WIDTH = 250_000, 6_000, 200_000, 600
SETTINGS: dict[str, dict[str, Any]] = {
    "sage on the whole graph": {
        "model": {"encoder": "sage", "fusion": {"units": [512, 32]}, "id_units": 32, "combination": "add"}
    },
    "embeddings 192 wide": {"model": {"fusion": {"name": "none"}, "id_units": 192}},
    "scores in both directions": {
        "model": {"fusion": {"name": "none"}, "id_units": 16},
        "objective": {"item_to_user_weight": 0.5},
        "training": {"batch_size": 7_000},
    },
}
THREADS = {"usual threads": {}, "one thread": {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}}
OWN_ALLOCATOR = {"TF_CPU_ALLOCATOR_USE_BFC": "true", "TF_CPU_BFC_MEM_LIMIT_IN_MB": "4096"}
"""Makes TensorFlow keep an account of what it holds; it is read before TensorFlow starts."""


def main() -> None:
    """Measures, prints the table and writes ``results/memory.json``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--records", help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.records:
        print(json.dumps(grown(arguments.records, SETTINGS[arguments.settings])))
        return
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        records = _write_records(Path(scratch) / "records")
        for name in SETTINGS:
            for threads, environment in THREADS.items():
                words = ["--records", str(records), "--settings", name]
                runs = [_process(words, environment) for _ in range(arguments.repeats)]
                held = [_process(words, environment | OWN_ALLOCATOR)["held"] for _ in range(arguments.repeats)]
                growth = spread([run["grown"] for run in runs])
                found[f"{name}, {threads}"] = {
                    "estimated": runs[0]["estimated"],
                    "grown": growth,
                    "held": spread(held),
                }
    rows = [[name, each["estimated"], *each["grown"].values(), *each["held"].values()] for name, each in found.items()]
    measured = [f"{kind}, {which}" for kind in ("grown", "held") for which in next(iter(found.values()))[kind]]
    print_table("Training, MiB", ["", "estimated", *measured], rows)
    write_report("memory", {"seed": SEED, "repeats": arguments.repeats, "training": found})


def grown(records: str, settings: dict[str, Any]) -> dict[str, float]:
    """MiB that this process grows by while it trains, those that were estimated, and those that TensorFlow holds.

    The last are only there if TensorFlow keeps an account (:data:`OWN_ALLOCATOR`).
    """
    import tensorflow as tf

    from tf_metammf.records.record_set import open_record_set
    from tf_metammf.trainer.assembly import make_compiled_model
    from tf_metammf.trainer.configuration.configuration import Configuration
    from tf_metammf.trainer.planning.memory import training_memory
    from tf_metammf.trainer.planning.training_plan import TrainingPlan
    from tf_metammf.trainer.training_batches import TrainingBatches
    from tf_metammf.trainer.training_data import TrainingData

    tf.matmul(tf.ones([99, 99]), tf.ones([99, 99]))
    reset_peak_memory()
    before = memory_mib("VmRSS")
    configuration = Configuration.from_mapping(settings)
    record_set = open_record_set(records)
    plan = TrainingPlan.of(configuration, record_set)
    data = TrainingData.of(record_set, plan)
    model = make_compiled_model(plan, data)
    model.fit(TrainingBatches(plan, data).beginning_at(), steps_per_epoch=STEPS, verbose=0)
    estimated = training_memory(plan).total / 2**20
    measured = {"grown": memory_mib("VmHWM") - before, "estimated": estimated}
    if os.environ.get("TF_CPU_ALLOCATOR_USE_BFC"):
        measured["held"] = tf.config.experimental.get_memory_info("CPU:0")["peak"] / 2**20
    return measured


def _process(words: list[str], environment: dict[str, str]) -> dict[str, float]:
    os.environ.update(environment)
    try:
        return of_its_own_process("benchmarks.memory", *words)
    finally:
        for name in environment:
            del os.environ[name]


def _write_records(folder: Path) -> Path:
    from tf_metammf.records.raw_data import Interactions, ModalityFeatures, RawData
    from tf_metammf.records.writer import write_record_set

    random = np.random.default_rng(SEED)
    train = Interactions(random.integers(0, USERS, INTERACTIONS), random.integers(0, ITEMS, INTERACTIONS))
    features = random.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    ids = [f"u{user}" for user in range(USERS)], [f"v{item}" for item in range(ITEMS)]
    data = RawData("memory", *ids, train, {"visual": ModalityFeatures(features, np.arange(ITEMS))})
    write_record_set(data, {"train": train}, folder)
    return folder


if __name__ == "__main__":
    main()
